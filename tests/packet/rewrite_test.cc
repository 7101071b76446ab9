// What a rewrite does to the fields that are not addresses: checksums at their edges, TTL, DSCP and ECN.
#include <fmt/core.h>

#include <cerrno>

#include "packet/checksum.h"
#include "packet/packet_test.h"
#include "packet/packet_text.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kSnat[] = "192.0.2.1:40000";
constexpr char kBackend[] = "10.1.0.5:8080";
constexpr size_t kUdpChecksum = kEthernetLength + kIpLength + 6;

// Two bytes that bring the UDP checksum of `packet`, whose payload they become, to a computed zero.
Bytes PayloadForZero(Packet packet) {
  const uint16_t rest = Get16(packet.Payload(Bytes{0, 0}).Build(), kUdpChecksum);
  Bytes payload;
  Put16(payload, rest);
  return payload;
}

class RewriteTest : public UplinkTest {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    Use(OneService(Route("10.1.0.5", 8080)));
  }
  static Packet ToBackend(const Packet& packet) { return RoutedTo(packet, kSnat, kBackend); }
};
XLB_BOTH_UPLINK_PROGRAMS(RewriteTest);

TEST_P(RewriteTest, UdpWithoutAChecksumStaysWithout) {
  const Packet question = ClientUdp().NoUdpChecksum();
  Sent(question, ToBackend(question), {"flow_new", "forward_route"});
  const Packet answer = FromClient(Packet::Udp(kBackend, kSnat)).Payload("answer").NoUdpChecksum();
  Sent(answer, ToClient(answer), {"reply_route"});
}

TEST_P(RewriteTest, AUdpChecksumThatBecomesZeroIsSentAsOnes) {
  const Packet question = ClientUdp().Payload(PayloadForZero(ToBackend(ClientUdp())));
  ASSERT_EQ(Get16(ToBackend(question).Build(), kUdpChecksum), 0xffff);
  Sent(question, ToBackend(question), {"flow_new", "forward_route"});
}

TEST_P(RewriteTest, AUdpChecksumOfOnesIsAChecksum) {
  const Packet question = ClientUdp().Payload(PayloadForZero(ClientUdp()));
  ASSERT_EQ(Get16(question.Build(), kUdpChecksum), 0xffff);
  Sent(question, ToBackend(question), {"flow_new", "forward_route"});
}

// TCP has no such rule: zero is a checksum like any other.
TEST_P(RewriteTest, ATcpChecksumMayBeZero) {
  Packet expected = ToBackend(ClientTcp("S")).Payload(Bytes{0, 0});
  const uint16_t rest = Get16(expected.Build(), kEthernetLength + kIpLength + 16);
  Bytes payload;
  Put16(payload, rest);
  const Packet syn = ClientTcp("S").Payload(payload);
  ASSERT_EQ(Get16(ToBackend(syn).Build(), kEthernetLength + kIpLength + 16), 0);
  Sent(syn, ToBackend(syn), {"flow_new", "forward_route"});
}

// A packet that came broken must stay broken by the same amount, not be healed and not get worse.
TEST_P(RewriteTest, AWrongChecksumStaysWrong) {
  const Packet question = ClientUdp().ForceL4Checksum(0x1111);
  const Outcome outcome = Run(GetParam(), question.Build(), {"flow_new", "forward_route"});
  EXPECT_NE(ChecksumResidue(outcome.frame, kEthernetLength), 0);
  EXPECT_EQ(ChecksumResidue(outcome.frame, kEthernetLength), ChecksumResidue(question.Build(), kEthernetLength));
}

// Carries and borrows: the IP and the UDP checksum go through their values.
TEST_P(RewriteTest, ChecksumsOfAllValues) {
  for (unsigned value = 0; value <= 0xffff; value += 7) {
    Bytes payload;
    Put16(payload, value);
    const Packet question = ClientUdp().Id(static_cast<uint16_t>(value)).Payload(payload);
    const Outcome outcome = Programs().Run(GetParam(), question.Build(), {.ifindex = ifindex_});
    ASSERT_EQ(Difference(ToBackend(question).Build(), outcome.frame), "") << value;
  }
}

TEST_P(RewriteTest, EveryTtlIsTakenOneFrom) {
  for (unsigned ttl = 2; ttl <= 255; ttl++) {
    const Packet question = ClientUdp().Ttl(static_cast<uint8_t>(ttl));
    const Outcome outcome = Programs().Run(GetParam(), question.Build(), {.ifindex = ifindex_});
    ASSERT_EQ(Difference(ToBackend(question).Ttl(static_cast<uint8_t>(ttl - 1)).Build(), outcome.frame), "");
  }
}

TEST_P(RewriteTest, WhatIsNotRewrittenStays) {
  const Packet syn = ClientTcp("SEC").Tos(0xb9).Id(0xffff).DontFragment().TcpOptions({2, 4, 5, 0xb4, 1, 3, 3, 7});
  Sent(syn, ToBackend(syn), {"flow_new", "forward_route"});
  const Packet odd = ClientTcp("PAU").PayloadOf(333);
  Sent(odd, ToBackend(odd), {"forward_route"});
}

// Neither UDP length nor IP total length needs to reach the end of what is around it.
TEST_P(RewriteTest, BytesBehindThePacketAreCarriedAlong) {
  const Packet padded = ClientTcp("S").Trailer(6);
  Sent(padded, ToBackend(padded), {"flow_new", "forward_route"});
  const Packet shorter = ClientUdp().Payload("question").ForceUdpLength(8 + 4).NoUdpChecksum();
  Sent(shorter, ToBackend(shorter), {"flow_new", "forward_route"});
}

class TunnelRewriteTest : public UplinkTest {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    Use(OneService(Vxlan("10.0.0.7", 80)));
    Programs().Run(GetParam(), ClientUdp().Build(), {.ifindex = ifindex_});
  }
  static Packet Inner(const Packet& packet) { return ToTask(packet, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac); }
  static Packet Reply() { return Packet::Udp("10.0.0.7:80", "10.0.0.2:40000").Macs(kTaskMac, kIngressMac); }
};
XLB_BOTH_UPLINK_PROGRAMS(TunnelRewriteTest);

// RFC 6040 4.1, RFC 2983: what routers on the way look at is copied outside.
TEST_P(TunnelRewriteTest, DscpAndEcnAreCopiedOutside) {
  for (unsigned tos = 0; tos <= 255; tos++) {
    const Packet question = ClientUdp().Tos(static_cast<uint8_t>(tos));
    Tunnelled(question, Inner(question), {"forward_vxlan"});
  }
}

// RFC 6040 4.2, figure 4; but a packet that cannot say it met congestion is not dropped.
TEST_P(TunnelRewriteTest, WhatTheTunnelMetIsHandedOn) {
  constexpr uint8_t kNotEct = 0, kEct1 = 1, kEct0 = 2, kCe = 3;
  for (const uint8_t inner : {kNotEct, kEct1, kEct0, kCe}) {
    for (const uint8_t outer : {kNotEct, kEct1, kEct0, kCe}) {
      uint8_t expected = inner;
      if (outer == kCe && inner != kNotEct) expected = kCe;
      if (outer == kEct1 && inner == kEct0) expected = kEct1;
      const testing::ScopedTrace trace(__FILE__, __LINE__, fmt::format("inner {} outer {}", inner, outer));
      const Packet answer = Reply().Tos(0x28 | inner).Payload("answer");
      Packet result = ToClient(answer);
      Sent(Wrapped(answer).Tos(0x60 | outer), result.Tos(0x28 | expected), {"reply_vxlan"});
    }
  }
}

TEST_P(TunnelRewriteTest, TheInnerChecksumIsMendedAtItsEdgesToo) {
  const Packet without = ClientUdp().NoUdpChecksum();
  Tunnelled(without, Inner(without), {"forward_vxlan"});
  const Packet becomes_ones = ClientUdp().Payload(PayloadForZero(Inner(ClientUdp())));
  Tunnelled(becomes_ones, Inner(becomes_ones), {"forward_vxlan"});
  const Packet answer = Reply().Payload("answer").NoUdpChecksum();
  Sent(Wrapped(answer), ToClient(answer), {"reply_vxlan"});
  const Packet answer_ones = Reply().Payload(PayloadForZero(ToClient(Reply())));
  Sent(Wrapped(answer_ones), ToClient(answer_ones), {"reply_vxlan"});
}

// Frames of every length on the way in and out: room is made and taken at the right place whatever lies behind.
TEST_P(TunnelRewriteTest, EveryLength) {
  for (size_t length = 0; length <= 1450 - 28; length += 13) {
    const Packet question = ClientUdp().PayloadOf(length);
    Tunnelled(question, Inner(question), {"forward_vxlan"});
    const Packet answer = Reply().PayloadOf(length);
    Sent(Wrapped(answer), ToClient(answer), {"reply_vxlan"});
  }
}

// A packet that is rewritten in part can only be dropped.
class RewriteFailureTest : public PacketTest {};

TEST_F(RewriteFailureTest, XdpWithoutRoomForTheTunnelHeader) {
  Use(OneService(Vxlan("10.0.0.7", 80)));
  const Counts before = ReadCounts();
  const Outcome outcome =
      Programs().Run(Program::kXdp, ClientTcp("S").Build(), {.ifindex = ifindex_, .metadata_length = 200});
  if (outcome.error == EINVAL) GTEST_SKIP() << "this kernel takes no metadata that long, so there is always room";
  EXPECT_EQ(ToString(outcome.verdict), "drop");
  const Traffic once{1, ClientTcp("S").Build().size()};
  EXPECT_EQ(Difference(before, ReadCounts()),
            (Counts{{"xdp.flow_new", once}, {"xdp.forward_vxlan", once}, {"xdp.drop.rewrite_failed", once}}));
}

TEST_F(RewriteFailureTest, AnSkbOfSegmentsThatTheKernelCannotTellApart) {
  Use(OneService(Vxlan("10.0.0.7", 80)));
  gso_size_ = 500;  // of neither TCP nor UDP: test_run cannot say which
  ExpectDropped(Program::kUplink, ClientUdp().PayloadOf(2000).Build(),
                {"flow_new", "forward_vxlan", "drop.rewrite_failed"});
}

// Segments are sent on as they are where nothing is put on: their size is not this program's business.
TEST_F(RewriteFailureTest, SegmentsToARoutedBackendAreLeftTogether) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet syn = ClientTcp("S"), data = ClientTcp("PA").PayloadOf(3000);
  ExpectSent(Program::kUplink, Verdict::kRedirect, syn.Build(), RoutedTo(syn, kSnat, kBackend).Build(),
             {"flow_new", "forward_route"});
  gso_size_ = 1000;
  const Outcome outcome = Run(Program::kUplink, data.Build(), {"forward_route"});
  EXPECT_EQ(outcome.gso_size, 1000u);
  EXPECT_EQ(Difference(RoutedTo(data, kSnat, kBackend).Build(), outcome.frame), "");
}

}  // namespace
}  // namespace xlb::test
