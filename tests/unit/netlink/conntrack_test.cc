#include "netlink/conntrack.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "netlink/nft_tables.h"

namespace xlb {
namespace {

Ipv4 Ip(const char* text) { return *Ipv4::Parse(text); }

// A message as the kernel sends it.
class Message {
 public:
  Message() : header_(mnl_nlmsg_put_header(buffer_)) {
    header_->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW;
    static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header_, sizeof(nfgenmsg)))->nfgen_family = AF_INET;
  }
  Message& Tuple(uint16_t type, uint8_t protocol, const ConnectionTuple& tuple) {
    nlattr* const nest = mnl_attr_nest_start(header_, type);
    nlattr* const ip = mnl_attr_nest_start(header_, CTA_TUPLE_IP);
    mnl_attr_put_u32(header_, CTA_IP_V4_SRC, tuple.source.be);
    mnl_attr_put_u32(header_, CTA_IP_V4_DST, tuple.destination.be);
    mnl_attr_nest_end(header_, ip);
    nlattr* const proto = mnl_attr_nest_start(header_, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(header_, CTA_PROTO_NUM, protocol);
    mnl_attr_put_u16(header_, CTA_PROTO_SRC_PORT, htons(tuple.source_port));
    mnl_attr_put_u16(header_, CTA_PROTO_DST_PORT, htons(tuple.destination_port));
    mnl_attr_nest_end(header_, proto);
    mnl_attr_nest_end(header_, nest);
    return *this;
  }
  Message& Empty(uint16_t type) {
    mnl_attr_nest_end(header_, mnl_attr_nest_start(header_, type));
    return *this;
  }
  Message& U32(uint16_t type, uint32_t value) {
    mnl_attr_put_u32(header_, type, value);
    return *this;
  }
  std::optional<Connection> Parse() const { return ParseConnection(*header_); }
  nlmsghdr* header() { return header_; }

 private:
  alignas(nlmsghdr) char buffer_[1024] = {};
  nlmsghdr* header_;
};

const Connection kTranslated{IPPROTO_UDP,
                             {Ip("192.0.2.100"), Ip("192.0.2.10"), 40100, 8093},
                             {Ip("172.18.0.2"), Ip("192.0.2.100"), 8093, 40100}};

TEST(ParseConnectionTest, BothTuples) {
  Message message;
  message.Tuple(CTA_TUPLE_ORIG, IPPROTO_UDP, kTranslated.original).U32(CTA_STATUS, 0x2a);
  message.Tuple(CTA_TUPLE_REPLY, IPPROTO_UDP, kTranslated.reply).U32(CTA_ID, 7);
  EXPECT_EQ(message.Parse(), kTranslated);
}

TEST(ParseConnectionTest, OtherProtocolsAreNotShown) {
  for (const uint8_t protocol : {IPPROTO_ICMP, IPPROTO_SCTP}) {
    Message message;
    message.Tuple(CTA_TUPLE_ORIG, protocol, kTranslated.original).Tuple(CTA_TUPLE_REPLY, protocol, kTranslated.reply);
    EXPECT_EQ(message.Parse(), std::nullopt);
  }
}

TEST(ParseConnectionTest, HalfAConnectionIsNone) {
  EXPECT_EQ(Message().Parse(), std::nullopt);
  EXPECT_EQ(Message().Tuple(CTA_TUPLE_ORIG, IPPROTO_TCP, kTranslated.original).Parse(), std::nullopt);
  EXPECT_EQ(Message().Tuple(CTA_TUPLE_ORIG, IPPROTO_TCP, kTranslated.original).Empty(CTA_TUPLE_REPLY).Parse(),
            std::nullopt);
  Message short_one;
  short_one.header()->nlmsg_len = sizeof(nlmsghdr);
  EXPECT_EQ(short_one.Parse(), std::nullopt);
}

// Whatever the machine tracks; an error would be of our own making.
TEST(ForEachConnectionTest, TheKernelAnswers) {
  const absl::Status status = ForEachConnection([](const Connection& connection) {
    EXPECT_TRUE(connection.protocol == IPPROTO_TCP || connection.protocol == IPPROTO_UDP);
  });
  if (absl::IsNotFound(status)) GTEST_SKIP() << status;
  EXPECT_TRUE(status.ok()) << status;
}

TEST(NftTablesTest, TheKernelAnswers) {
  const auto tables = NftTables();
  ASSERT_TRUE(tables.ok()) << tables.status();
  for (const std::string& name : *tables) EXPECT_FALSE(name.empty());
}

TEST(ForEachConnectionTest, AMissingNamespaceIsAnError) {
  EXPECT_FALSE(ForEachConnectionIn("/nonexistent", [](const Connection&) {}).ok());
}

}  // namespace
}  // namespace xlb
