#include "netlink/parse.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <cstring>

namespace xlb {
namespace {

Ipv4 Ip(const char* text) { return *Ipv4::Parse(text); }

constexpr Mac kMac{{2, 0x42, 10, 0, 0, 7}};

// A message as the kernel would send it.
class Message {
 public:
  template <typename Header>
  Header* Start(uint16_t type) {
    std::memset(buffer_, 0, sizeof(buffer_));
    header_ = mnl_nlmsg_put_header(buffer_);
    header_->nlmsg_type = type;
    return static_cast<Header*>(mnl_nlmsg_put_extra_header(header_, sizeof(Header)));
  }
  void U32(uint16_t type, uint32_t value) { mnl_attr_put_u32(header_, type, value); }
  void U16(uint16_t type, uint16_t value) { mnl_attr_put_u16(header_, type, value); }
  void Text(uint16_t type, const char* text) { mnl_attr_put_strz(header_, type, text); }
  void MacAddress(uint16_t type, const Mac& mac) { mnl_attr_put(header_, type, mac.bytes.size(), mac.bytes.data()); }
  void Bytes(uint16_t type, size_t size) { mnl_attr_put(header_, type, size, zeros_); }
  nlattr* Open(uint16_t type) { return mnl_attr_nest_start(header_, type); }
  void Close(nlattr* nest) { mnl_attr_nest_end(header_, nest); }
  const nlmsghdr& get() const { return *header_; }
  nlmsghdr* header() { return header_; }

 private:
  alignas(nlmsghdr) char buffer_[1024];
  nlmsghdr* header_ = nullptr;
  char zeros_[64] = {};
};

void PutVxlan(Message& message) {
  auto* header = message.Start<ifinfomsg>(RTM_NEWLINK);
  header->ifi_index = 5;
  header->ifi_flags = IFF_UP;
  header->ifi_type = ARPHRD_ETHER;
  message.Text(IFLA_IFNAME, "vxlan0");
  message.MacAddress(IFLA_ADDRESS, kMac);
  message.U32(IFLA_MTU, 1450);
  message.U32(IFLA_MASTER, 2);
  nlattr* info = message.Open(IFLA_LINKINFO);
  message.Text(IFLA_INFO_KIND, "vxlan");
  nlattr* data = message.Open(IFLA_INFO_DATA);
  message.U32(IFLA_VXLAN_ID, 4096);
  message.U16(IFLA_VXLAN_PORT, htons(4789));
  message.U32(IFLA_VXLAN_LOCAL, Ip("192.0.2.10").be);
  message.Close(data);
  message.Close(info);
}

TEST(ParseLinkTest, ReadsAVxlanDevice) {
  Message message;
  PutVxlan(message);
  const auto link = ParseLink(message.get());
  ASSERT_TRUE(link);
  Link expected;
  expected.ifindex = 5;
  expected.name = "vxlan0";
  expected.mac = kMac;
  expected.mtu = 1450;
  expected.up = expected.ethernet = true;
  expected.kind = "vxlan";
  expected.master = 2;
  expected.vxlan = VxlanInfo{4096, 4789, Ip("192.0.2.10")};
  EXPECT_EQ(*link, expected);
}

TEST(ParseLinkTest, TellsLoopback) {
  Message message;
  auto* header = message.Start<ifinfomsg>(RTM_NEWLINK);
  header->ifi_index = 1;
  header->ifi_type = ARPHRD_LOOPBACK;
  header->ifi_flags = IFF_UP | IFF_LOOPBACK;
  const auto link = ParseLink(message.get());
  ASSERT_TRUE(link);
  EXPECT_TRUE(link->loopback);
  EXPECT_FALSE(link->ethernet);
}

TEST(ParseLinkTest, ReadsAVethWhosePeerIsElsewhere) {
  Message message;
  auto* header = message.Start<ifinfomsg>(RTM_NEWLINK);
  header->ifi_index = 16;
  message.Text(IFLA_IFNAME, "eth2");
  message.U32(IFLA_LINK, 17);
  message.U32(IFLA_LINK_NETNSID, 2);
  nlattr* info = message.Open(IFLA_LINKINFO);
  message.Text(IFLA_INFO_KIND, "veth");
  message.Close(info);
  const auto link = ParseLink(message.get());
  ASSERT_TRUE(link);
  EXPECT_EQ(link->kind, "veth");
  EXPECT_EQ(link->link_index, 17u);
  EXPECT_EQ(link->link_netnsid, 2);
  EXPECT_FALSE(link->up);
  EXPECT_FALSE(link->vxlan);
}

TEST(ParseLinkTest, LeavesOutABridgePortsState) {
  Message message;
  auto* header = message.Start<ifinfomsg>(RTM_NEWLINK);
  header->ifi_family = AF_BRIDGE;
  header->ifi_index = 5;
  EXPECT_FALSE(ParseLink(message.get()));
}

TEST(ParseLinkTest, BearsAttributesOfAnotherSize) {
  Message message;
  auto* header = message.Start<ifinfomsg>(RTM_NEWLINK);
  header->ifi_index = 5;
  message.Bytes(IFLA_ADDRESS, 20);  // InfiniBand
  message.Bytes(IFLA_MTU, 2);
  message.Bytes(IFLA_IFNAME, 0);
  const auto link = ParseLink(message.get());
  ASSERT_TRUE(link);
  EXPECT_TRUE(link->mac.IsUnset());
  EXPECT_EQ(link->mtu, 0u);
  EXPECT_EQ(link->name, "");
}

// Whatever is cut off, the rest is read or the message left out; the sanitizers watch.
TEST(ParseLinkTest, BearsTruncation) {
  Message message;
  PutVxlan(message);
  const uint32_t size = message.get().nlmsg_len;
  for (uint32_t length = sizeof(nlmsghdr); length < size; ++length) {
    message.header()->nlmsg_len = length;
    (void)ParseLink(message.get());
    (void)ParseAddress(message.get());
    (void)ParseRoute(message.get());
    (void)ParseNeighbor(message.get());
    (void)ParseFdbEntry(message.get());
  }
}

TEST(ParseAddressTest, TakesTheLocalEndOfAPointToPointLink) {
  Message message;
  auto* header = message.Start<ifaddrmsg>(RTM_NEWADDR);
  header->ifa_family = AF_INET;
  header->ifa_index = 4;
  header->ifa_prefixlen = 32;
  message.U32(IFA_ADDRESS, Ip("198.51.100.1").be);
  message.U32(IFA_LOCAL, Ip("192.0.2.10").be);
  const auto address = ParseAddress(message.get());
  ASSERT_TRUE(address);
  EXPECT_EQ(*address, (Address{4, Ip("192.0.2.10"), 32, true}));
  header->ifa_scope = RT_SCOPE_LINK;
  EXPECT_FALSE(ParseAddress(message.get())->global);
}

TEST(ParseNeighborTest, TellsIpv4FromForwardingEntries) {
  Message message;
  auto* header = message.Start<ndmsg>(RTM_NEWNEIGH);
  header->ndm_family = AF_INET;
  header->ndm_ifindex = 5;
  header->ndm_state = NUD_PERMANENT;
  message.U32(NDA_DST, Ip("10.0.0.7").be);
  message.MacAddress(NDA_LLADDR, kMac);
  const auto neighbor = ParseNeighbor(message.get());
  ASSERT_TRUE(neighbor);
  EXPECT_EQ(*neighbor, (Neighbor{5, Ip("10.0.0.7"), kMac, NUD_PERMANENT}));
  EXPECT_FALSE(ParseFdbEntry(message.get()));

  header->ndm_family = AF_BRIDGE;
  const auto entry = ParseFdbEntry(message.get());
  ASSERT_TRUE(entry);
  EXPECT_EQ(*entry, (FdbEntry{kMac, Ip("10.0.0.7")}));
  EXPECT_FALSE(ParseNeighbor(message.get()));
}

TEST(ParseFdbEntryTest, LeavesOutAnIpv6Underlay) {
  Message message;
  auto* header = message.Start<ndmsg>(RTM_NEWNEIGH);
  header->ndm_family = AF_BRIDGE;
  header->ndm_ifindex = 5;
  message.Bytes(NDA_DST, 16);
  message.MacAddress(NDA_LLADDR, kMac);
  EXPECT_FALSE(ParseFdbEntry(message.get()));
}

TEST(ParseRouteTest, ReadsADefaultRoute) {
  Message message;
  auto* header = message.Start<rtmsg>(RTM_NEWROUTE);
  header->rtm_family = AF_INET;
  header->rtm_table = RT_TABLE_MAIN;
  header->rtm_type = RTN_UNICAST;
  message.U32(RTA_OIF, 4);
  message.U32(RTA_GATEWAY, Ip("192.0.2.1").be);
  message.U32(RTA_PRIORITY, 100);
  const auto route = ParseRoute(message.get());
  ASSERT_TRUE(route);
  EXPECT_EQ(route->route, (Route{RouteType::kUnicast, 4, Ip("192.0.2.1"), Ipv4{}, 100}));
  EXPECT_EQ(route->destination_length, 0);
  EXPECT_EQ(route->table, static_cast<uint32_t>(RT_TABLE_MAIN));
}

TEST(ParseRouteTest, TakesTheFirstHopOfMany) {
  Message message;
  auto* header = message.Start<rtmsg>(RTM_NEWROUTE);
  header->rtm_family = AF_INET;
  header->rtm_type = RTN_UNICAST;
  struct {
    rtnexthop hop;
    nlattr attribute;
    uint32_t gateway;
  } hops[2] = {};
  for (int i = 0; i < 2; ++i) {
    hops[i].hop = rtnexthop{sizeof(hops[i]), 0, 0, 4 + i};
    hops[i].attribute = nlattr{8, RTA_GATEWAY};
    hops[i].gateway = Ip(i == 0 ? "192.0.2.1" : "192.0.2.2").be;
  }
  mnl_attr_put(message.header(), RTA_MULTIPATH, sizeof(hops), hops);
  const auto route = ParseRoute(message.get());
  ASSERT_TRUE(route);
  EXPECT_EQ(route->route.ifindex, 4u);
  EXPECT_EQ(route->route.gateway, Ip("192.0.2.1"));
}

}  // namespace
}  // namespace xlb
