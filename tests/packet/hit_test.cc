// Packets of flows in full course, which XDP sends the shortest way (bpf/lib/hit.h) and TC the long one: what they must
// both do, and what neither may let through because the flow is known.
#include <utility>

#include "packet/checksum.h"
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kTask[] = "10.0.0.7:80";
constexpr char kSnat[] = "10.0.0.2:40000";

class HitTest : public UplinkTest {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    Use(OneService(Vxlan("10.0.0.7", 80)));
  }
  static Packet Inside(const Packet& packet) { return ToTask(packet, kSnat, kTask, kIngressMac); }
  static Packet Answer(std::string_view flags) {
    return Packet::Tcp(kTask, kSnat).Macs(kTaskMac, kIngressMac).Flags(flags);
  }
  static Packet UdpAnswer() { return Packet::Udp(kTask, kSnat).Macs(kTaskMac, kIngressMac).Payload("answer"); }
  void Begin() {
    Tunnelled(ClientTcp("S"), Inside(ClientTcp("S")), {"flow_new", "forward_vxlan"});
    Sent(Wrapped(Answer("SA")), ToClient(Answer("SA")), {"reply_vxlan"});
  }
  void BeginUdp() {
    Tunnelled(ClientUdp(), Inside(ClientUdp()), {"flow_new", "forward_vxlan"});
    Sent(Wrapped(UdpAnswer()), ToClient(UdpAnswer()), {"reply_vxlan"});
  }
};
XLB_BOTH_UPLINK_PROGRAMS(HitTest);

TEST_P(HitTest, GoesBothWays) {
  Begin();
  const Packet question = ClientTcp("PA").Payload("question").Tos(0xb8).DontFragment();
  const Packet answer = Answer("PA").Payload("an odd answer").Tos(0x28);
  Tunnelled(question, Inside(question), {"forward_vxlan"});
  Sent(Wrapped(answer), ToClient(answer), {"reply_vxlan"});
  BeginUdp();
  Tunnelled(ClientUdp().Payload("more"), Inside(ClientUdp().Payload("more")), {"forward_vxlan"});
  Sent(Wrapped(UdpAnswer().Payload("and more")), ToClient(UdpAnswer().Payload("and more")), {"reply_vxlan"});
  EXPECT_EQ(Flows(), 2u);
  EXPECT_EQ(BackendStats(1).in.packets, 2u);
  EXPECT_EQ(BackendStats(1).out.packets, 2u);
}

TEST_P(HitTest, WithAnotherPortThanTheClients) {
  Use(OneService(Route("10.1.0.5", 8080)));
  Occupy(Packet::Tcp("10.1.0.5:8080", "192.0.2.1:40000"), "203.0.113.99:40000");
  const Outcome begun = Run(GetParam(), ClientTcp("S").Build(), {"flow_new", "forward_route", "port_changed"});
  const std::string snat = "192.0.2.1:" + std::to_string(Get16(begun.frame, kEthernetLength + kIpLength));
  const Packet answer = FromClient(Packet::Tcp("10.1.0.5:8080", snat).Flags("SA"));
  Sent(answer, ToClient(answer), {"reply_route"});
  const Packet question = ClientTcp("PA").Payload("question");
  Sent(question, RoutedTo(question, snat, "10.1.0.5:8080"), {"forward_route"});
}

TEST_P(HitTest, NobodyElseAnswersInTheTunnel) {
  Begin();
  Passed(Wrapped(Answer("PA")).From("192.0.2.21:51000"), {"pass_tunnel"});
  Passed(Wrapped(Answer("PA")).To(std::string(kNodeIp2) + ":4789"), {"pass_tunnel"});
  Passed(Wrapped(Answer("PA"), kVni + 1), {"pass_tunnel"});
  BeginUdp();
  Passed(Wrapped(UdpAnswer()).From("192.0.2.21:51000"), {"pass_tunnel"});
}

TEST_P(HitTest, AChangedNodeIsAskedOnceADirection) {
  Begin();
  RaiseEpoch();
  for (const bool again : {false, true}) {
    const Names forward = again ? Names{"forward_vxlan"} : Names{"forward_vxlan", "flow_revalidated"};
    const Names reply = again ? Names{"reply_vxlan"} : Names{"reply_vxlan", "flow_revalidated"};
    Tunnelled(ClientTcp("A"), Inside(ClientTcp("A")), forward);
    Sent(Wrapped(Answer("A")), ToClient(Answer("A")), reply);
  }
  node_.backend(1).state = XLB_BACKEND_GONE;
  RaiseEpoch();
  Sent(ClientTcp("A"), ResetOf(ClientTcp("A")), {"flow_gone", "answer_reset"});
}

TEST_P(HitTest, TheEndIsSeen) {
  Begin();
  Tunnelled(ClientTcp("FA"), Inside(ClientTcp("FA")), {"forward_vxlan"});
  EXPECT_EQ(FlowOf(ClientTcp(""))->state, XLB_FLOW_REPLIED | XLB_FLOW_FIN_CLIENT);
  Sent(Wrapped(Answer("FA")), ToClient(Answer("FA")), {"reply_vxlan"});
  EXPECT_EQ(FlowOf(ClientTcp(""))->state, XLB_FLOW_REPLIED | XLB_FLOW_FIN_BOTH);
  Tunnelled(ClientTcp("R"), Inside(ClientTcp("R")), {"forward_vxlan"});
  EXPECT_EQ(FlowOf(ClientTcp(""))->state, XLB_FLOW_REPLIED | XLB_FLOW_FIN_BOTH | XLB_FLOW_RESET);
}

TEST_P(HitTest, TheClockIsWrittenByEitherDirection) {
  Begin();
  uint32_t seen = FlowOf(ClientTcp(""))->seen;
  NextTick();
  Tunnelled(ClientTcp("A"), Inside(ClientTcp("A")), {"forward_vxlan"});
  EXPECT_NE(FlowOf(ClientTcp(""))->seen, seen);
  seen = FlowOf(ClientTcp(""))->seen;
  NextTick();
  Sent(Wrapped(Answer("A")), ToClient(Answer("A")), {"reply_vxlan"});
  EXPECT_NE(FlowOf(ClientTcp(""))->seen, seen);
}

TEST_P(HitTest, WhatCannotGoOnDoesNot) {
  Begin();
  Dropped(Wrapped(Answer("A").Ttl(1)), {"drop.ttl"});
  Passed(ClientTcp("A").IpOptions({1, 1, 1, 0}), {"pass_options"});
  Passed(ClientTcp("A").Vlan(7), {"pass_vlan"});
}

// RFC 6040 4.2: congestion that the tunnel met reaches the client.
TEST_P(HitTest, CongestionInTheTunnelIsHandedOn) {
  Begin();
  Sent(Wrapped(Answer("A").Tos(2)).Tos(3), ToClient(Answer("A").Tos(3)), {"reply_vxlan"});
  Sent(Wrapped(Answer("A").Tos(2)).Tos(2), ToClient(Answer("A").Tos(2)), {"reply_vxlan"});
  Sent(Wrapped(Answer("A").Tos(2)), ToClient(Answer("A").Tos(2)), {"reply_vxlan"});
}

TEST_P(HitTest, ADatagramWithoutAChecksumStaysWithout) {
  BeginUdp();
  const Packet question = ClientUdp().NoUdpChecksum(), answer = UdpAnswer().NoUdpChecksum();
  Tunnelled(question, Inside(question), {"forward_vxlan"});
  Sent(Wrapped(answer), ToClient(answer), {"reply_vxlan"});
}

// Clients on one network, backends on another: XDP hands frames from device to device.
TEST_P(HitTest, ByAnotherUplink) {
  const auto node = [this](bool native) {
    return OneService(Route(kOtherUplinkIp, 8080)).Uplink(Network().uplink, true).Uplink(Network().uplink2, native);
  };
  const auto goes = [this](const Packet& packet, const Names& counted) {
    const Packet there = RoutedTo(packet, "192.0.2.1:40000", "198.51.100.5:8080").Macs(kUplink2Mac, kOtherUplinkMac);
    ExpectSent(GetParam(), Verdict::kRedirect, packet.Build(), Packet(there).Build(), counted);
  };
  const auto comes = [this](std::string_view flags) {
    const uint32_t client_side = std::exchange(ifindex_, Network().uplink2);
    const Packet answer =
        Packet::Tcp("198.51.100.5:8080", "192.0.2.1:40000").Macs(kOtherUplinkMac, kUplink2Mac).Flags(flags);
    ExpectSent(GetParam(), Verdict::kRedirect, answer.Build(), ToClient(answer).Build(), {"reply_route"});
    ifindex_ = client_side;
  };
  Use(node(true));
  goes(ClientTcp("S"), {"flow_new", "forward_route"});
  comes("SA");
  goes(ClientTcp("PA").Payload("question"), {"forward_route"});
  comes("PA");
  EXPECT_EQ(BackendStats(1).in.packets, 2u);
  EXPECT_EQ(BackendStats(1).out.packets, 2u);
  if (!IsXdp()) return;
  Use(node(false));  // its driver takes no frames from XDP any more
  Passed(ClientTcp("A"), {"pass_to_tc"});
}

class TaskHitTest : public PacketTest {
 protected:
  void Left(const Packet& packet, const Names& counted) { ExpectPassed(Program::kXdp, packet.Build(), counted); }
};

TEST_F(TaskHitTest, XdpLeavesItToTcAndWritesNothing) {
  Use(OneService(Local("172.18.0.3", 80)));
  Left(ClientTcp("S"), {"flow_new", "pass_to_tc"});
  const uint32_t seen = FlowOf(ClientTcp(""))->seen;
  NextTick();
  Left(ClientTcp("A"), {"pass_to_tc"});
  EXPECT_EQ(FlowOf(ClientTcp(""))->seen, seen);
  EXPECT_EQ(BackendStats(1).in.packets, 0u);
  EXPECT_EQ(Run(Program::kXdp, ClientTcp("A").Ttl(1).Build(), {"answer_ttl"}).verdict, Verdict::kTransmit);
}

TEST_F(TaskHitTest, AChangedNodeIsAskedOnce) {
  Use(OneService(Local("172.18.0.3", 80)));
  Left(ClientTcp("S"), {"flow_new", "pass_to_tc"});
  RaiseEpoch();
  Left(ClientTcp("A"), {"flow_revalidated", "pass_to_tc"});
  Left(ClientTcp("A"), {"pass_to_tc"});
  node_.backend(1).state = XLB_BACKEND_GONE;
  RaiseEpoch();
  const Outcome outcome = Run(Program::kXdp, ClientTcp("A").Build(), {"flow_gone", "answer_reset"});
  EXPECT_EQ(outcome.frame, ResetOf(ClientTcp("A")).Build());
}

// The same of a routed backend's answers, which no tunnel tells from clients' packets.
class RoutedHitTest : public UplinkTest {
 protected:
  static constexpr char kBackend[] = "10.1.0.5:8080";
  static constexpr char kSource[] = "192.0.2.1:40000";
  void SetUp() override {
    PacketTest::SetUp();
    Use(OneService(Route("10.1.0.5", 8080)));
    Sent(ClientTcp("S"), RoutedTo(ClientTcp("S"), kSource, kBackend), {"flow_new", "forward_route"});
    Sent(Answer("SA"), ToClient(Answer("SA")), {"reply_route"});
  }
  static Packet Answer(std::string_view flags) { return FromClient(Packet::Tcp(kBackend, kSource).Flags(flags)); }
};
XLB_BOTH_UPLINK_PROGRAMS(RoutedHitTest);

TEST_P(RoutedHitTest, AnswersGoToTheirClient) {
  const Packet answer = Answer("PA").Payload("an odd answer").Tos(0x28);
  Sent(answer, ToClient(answer), {"reply_route"});
  EXPECT_EQ(BackendStats(1).out.packets, 2u);
  const Packet question = ClientUdp();
  Sent(question, RoutedTo(question, kSource, kBackend), {"flow_new", "forward_route"});
  for (const bool without : {false, true, true}) {
    Packet datagram = FromClient(Packet::Udp(kBackend, kSource).Payload("answer"));
    if (without) datagram.NoUdpChecksum();
    Sent(datagram, ToClient(datagram), {"reply_route"});
  }
}

TEST_P(RoutedHitTest, AChangedNodeIsAskedOnce) {
  RaiseEpoch();
  Sent(Answer("A"), ToClient(Answer("A")), {"reply_route", "flow_revalidated"});
  Sent(Answer("A"), ToClient(Answer("A")), {"reply_route"});
  node_.backend(1).state = XLB_BACKEND_GONE;
  RaiseEpoch();
  Sent(Answer("A"), ResetOf(Answer("A")), {"flow_gone", "answer_reset"});
}

TEST_P(RoutedHitTest, TheClockIsWritten) {
  const uint32_t seen = FlowOf(ClientTcp(""))->seen;
  NextTick();
  Sent(Answer("A"), ToClient(Answer("A")), {"reply_route"});
  EXPECT_NE(FlowOf(ClientTcp(""))->seen, seen);
}

TEST_P(RoutedHitTest, TheEndIsSeen) {
  Sent(Answer("FA"), ToClient(Answer("FA")), {"reply_route"});
  EXPECT_EQ(FlowOf(ClientTcp(""))->state, XLB_FLOW_REPLIED | XLB_FLOW_FIN_BACKEND);
  Sent(Answer("R"), ToClient(Answer("R")), {"reply_route"});
  EXPECT_EQ(FlowOf(ClientTcp(""))->state, XLB_FLOW_REPLIED | XLB_FLOW_FIN_BACKEND | XLB_FLOW_RESET);
}

// ARCHITECTURE.md 2: XDP's shortest way corrects the sum by what it changes.
TEST_P(RoutedHitTest, AWrongSumStaysWrong) {
  const Packet answer = Answer("A").ForceIpChecksum(0x1234);
  if (!IsXdp()) return Passed(answer, {"pass_malformed"});
  const Outcome outcome = Run(GetParam(), answer.Build(), {"reply_route"});
  EXPECT_EQ(ToString(outcome.verdict), "transmit");
  EXPECT_NE(OnesSum(outcome.frame, kEthernetLength, kIpLength), 0xffff);
}

TEST_P(RoutedHitTest, WhatIsNoAnswerPasses) {
  Passed(Answer("A").From("10.1.0.5:8081"), {"pass_no_service"});
  Passed(Answer("A").From("10.1.0.6:8080"), {"pass_no_service"});
  Passed(Answer("A").To("192.0.2.1:40001"), {"pass_no_service"});
  Passed(Answer("A").To("192.0.2.1:40001").ForceIpChecksum(0x1234), {"pass_malformed"});
}

}  // namespace
}  // namespace xlb::test
