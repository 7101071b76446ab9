#include "netlink/parse.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstring>

namespace xlb {
namespace {

constexpr size_t kAttributeTypes = 64;  // more than any type that is read here

// Attributes by type. Payload sizes are checked where they are read, since the kernel may grow them.
struct AttributeTable {
  std::array<const nlattr*, kAttributeTypes> entries{};

  static int Collect(const nlattr* attribute, void* data) {
    auto* table = static_cast<AttributeTable*>(data);
    const uint16_t type = mnl_attr_get_type(attribute);
    if (type < kAttributeTypes) table->entries[type] = attribute;
    return MNL_CB_OK;
  }

  const nlattr* Find(size_t type, size_t min_size) const {
    const nlattr* attribute = entries[type];
    return attribute != nullptr && mnl_attr_get_payload_len(attribute) >= min_size ? attribute : nullptr;
  }
  std::optional<uint32_t> U32(size_t type) const {
    const nlattr* attribute = Find(type, sizeof(uint32_t));
    if (attribute == nullptr) return std::nullopt;
    return mnl_attr_get_u32(attribute);
  }
  Ipv4 Address(size_t type) const { return Ipv4{U32(type).value_or(0)}; }
  std::optional<Mac> MacAddress(size_t type) const {
    const nlattr* attribute = entries[type];
    Mac mac;
    if (attribute == nullptr || mnl_attr_get_payload_len(attribute) != mac.bytes.size()) return std::nullopt;
    std::memcpy(mac.bytes.data(), mnl_attr_get_payload(attribute), mac.bytes.size());
    return mac;
  }
  std::string String(size_t type) const {
    const nlattr* attribute = entries[type];
    if (attribute == nullptr) return {};
    const char* text = mnl_attr_get_str(attribute);
    return std::string(text, strnlen(text, mnl_attr_get_payload_len(attribute)));
  }
};

AttributeTable ParseAttributes(const nlmsghdr& message, size_t header_size) {
  AttributeTable table;
  mnl_attr_parse(&message, static_cast<unsigned>(header_size), &AttributeTable::Collect, &table);
  return table;
}

AttributeTable ParseNested(const nlattr* nest) {
  AttributeTable table;
  if (nest != nullptr) mnl_attr_parse_nested(nest, &AttributeTable::Collect, &table);
  return table;
}

template <typename Header>
const Header* HeaderOf(const nlmsghdr& message) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(Header)) return nullptr;
  return static_cast<const Header*>(mnl_nlmsg_get_payload(&message));
}

VxlanInfo ParseVxlan(const nlattr* data) {
  const auto table = ParseNested(data);
  VxlanInfo info;
  info.vni = table.U32(IFLA_VXLAN_ID).value_or(0);
  info.local = table.Address(IFLA_VXLAN_LOCAL);
  if (const nlattr* port = table.Find(IFLA_VXLAN_PORT, sizeof(uint16_t))) info.port = ntohs(mnl_attr_get_u16(port));
  return info;
}

RouteType TypeOfRoute(uint8_t type) {
  switch (type) {
    case RTN_UNICAST:
      return RouteType::kUnicast;
    case RTN_LOCAL:
      return RouteType::kLocal;
    case RTN_BROADCAST:
      return RouteType::kBroadcast;
    case RTN_MULTICAST:
      return RouteType::kMulticast;
    case RTN_BLACKHOLE:
      return RouteType::kBlackhole;
    case RTN_UNREACHABLE:
      return RouteType::kUnreachable;
    case RTN_PROHIBIT:
      return RouteType::kProhibit;
    default:
      return RouteType::kOther;
  }
}

// The first hop of a multipath route stands for the route.
void TakeFirstHop(const nlattr* multipath, Route& route) {
  const auto* hop = static_cast<const rtnexthop*>(mnl_attr_get_payload(multipath));
  if (mnl_attr_get_payload_len(multipath) < sizeof(*hop) || hop->rtnh_len < sizeof(*hop)) return;
  if (hop->rtnh_len > mnl_attr_get_payload_len(multipath)) return;
  route.ifindex = static_cast<uint32_t>(hop->rtnh_ifindex);
  AttributeTable table;
  const auto* attributes = reinterpret_cast<const char*>(hop) + RTNH_LENGTH(0);
  mnl_attr_parse_payload(attributes, hop->rtnh_len - RTNH_LENGTH(0), &decltype(table)::Collect, &table);
  route.gateway = table.Address(RTA_GATEWAY);
}

}  // namespace

std::optional<Link> ParseLink(const nlmsghdr& message) {
  const auto* header = HeaderOf<ifinfomsg>(message);
  // Bridges announce the state of their ports in messages of family AF_BRIDGE, which lack most attributes.
  if (header == nullptr || header->ifi_family != AF_UNSPEC || header->ifi_index <= 0) return std::nullopt;
  const auto table = ParseAttributes(message, sizeof(*header));
  Link link;
  link.ifindex = static_cast<uint32_t>(header->ifi_index);
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.ethernet = header->ifi_type == ARPHRD_ETHER;
  link.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
  link.name = table.String(IFLA_IFNAME);
  link.mac = table.MacAddress(IFLA_ADDRESS).value_or(Mac{});
  link.mtu = table.U32(IFLA_MTU).value_or(0);
  link.link_index = table.U32(IFLA_LINK).value_or(0);
  link.master = table.U32(IFLA_MASTER).value_or(0);
  if (const auto netnsid = table.U32(IFLA_LINK_NETNSID)) link.link_netnsid = static_cast<int32_t>(*netnsid);
  const auto info = ParseNested(table.entries[IFLA_LINKINFO]);
  link.kind = info.String(IFLA_INFO_KIND);
  if (link.kind == "vxlan" && info.entries[IFLA_INFO_DATA] != nullptr) {
    link.vxlan = ParseVxlan(info.entries[IFLA_INFO_DATA]);
  }
  return link;
}

std::optional<Address> ParseAddress(const nlmsghdr& message) {
  const auto* header = HeaderOf<ifaddrmsg>(message);
  if (header == nullptr || header->ifa_family != AF_INET) return std::nullopt;
  const auto table = ParseAttributes(message, sizeof(*header));
  // On a point-to-point link IFA_ADDRESS is the other end's.
  Address address{.ifindex = header->ifa_index,
                  .address = table.Address(IFA_LOCAL),
                  .prefix_length = header->ifa_prefixlen,
                  .global = header->ifa_scope == RT_SCOPE_UNIVERSE};
  if (address.address.IsUnset()) address.address = table.Address(IFA_ADDRESS);
  if (address.address.IsUnset()) return std::nullopt;
  return address;
}

std::optional<Neighbor> ParseNeighbor(const nlmsghdr& message) {
  const auto* header = HeaderOf<ndmsg>(message);
  if (header == nullptr || header->ndm_family != AF_INET) return std::nullopt;
  const auto table = ParseAttributes(message, sizeof(*header));
  Neighbor neighbor;
  neighbor.ifindex = static_cast<uint32_t>(header->ndm_ifindex);
  neighbor.address = table.Address(NDA_DST);
  neighbor.mac = table.MacAddress(NDA_LLADDR).value_or(Mac{});
  neighbor.state = header->ndm_state;
  if (neighbor.address.IsUnset()) return std::nullopt;
  return neighbor;
}

std::optional<FdbEntry> ParseFdbEntry(const nlmsghdr& message) {
  const auto* header = HeaderOf<ndmsg>(message);
  if (header == nullptr || header->ndm_family != AF_BRIDGE) return std::nullopt;
  const auto table = ParseAttributes(message, sizeof(*header));
  // NDA_DST of 16 bytes is an IPv6 underlay: not an entry that xlb can use.
  const nlattr* destination = table.entries[NDA_DST];
  const auto mac = table.MacAddress(NDA_LLADDR);
  if (!mac || destination == nullptr || mnl_attr_get_payload_len(destination) != sizeof(uint32_t)) return std::nullopt;
  return FdbEntry{*mac, table.Address(NDA_DST)};
}

std::optional<RouteMessage> ParseRoute(const nlmsghdr& message) {
  const auto* header = HeaderOf<rtmsg>(message);
  if (header == nullptr || header->rtm_family != AF_INET) return std::nullopt;
  const auto table = ParseAttributes(message, sizeof(*header));
  RouteMessage result;
  result.destination_length = header->rtm_dst_len;
  result.cached = (header->rtm_flags & RTM_F_CLONED) != 0;
  result.table = table.U32(RTA_TABLE).value_or(header->rtm_table);
  Route& route = result.route;
  route.type = TypeOfRoute(header->rtm_type);
  route.ifindex = table.U32(RTA_OIF).value_or(0);
  route.gateway = table.Address(RTA_GATEWAY);
  route.prefsrc = table.Address(RTA_PREFSRC);
  route.metric = table.U32(RTA_PRIORITY).value_or(0);
  if (const nlattr* multipath = table.entries[RTA_MULTIPATH]; multipath != nullptr && route.ifindex == 0) {
    TakeFirstHop(multipath, route);
  }
  return result;
}

}  // namespace xlb
