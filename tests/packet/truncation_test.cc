// Every packet type cut off at every length, through every program: never a crash, never a change, always a reason.
#include <cerrno>

#include "packet/packet_test.h"
#include "packet/packet_text.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

// BPF_PROG_TEST_RUN takes no frame without a whole Ethernet header, as an skb none without a byte behind it, and newer
// kernels no skb of type IPv4 without a whole IP header: XDP is tried with those.
constexpr size_t kLeast = kEthernetLength;
bool KernelMayRefuse(Program program, size_t length) {
  return program != Program::kXdp && length < kEthernetLength + kIpLength;
}

class TruncationTest : public PacketTest, public testing::WithParamInterface<Program> {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    Use(Node()
            .Address(kNodeIp)
            .Service("tcp", "*", 8091, {Vxlan("10.0.0.7", 80)})
            .Service("udp", "*", 8091, {Route("10.1.0.5", 53)})
            .Service("tcp", "*", 8092, {Local("172.18.0.3", 80)}));
    // Flows for the replies to belong to.
    for (const Packet& packet : {ClientTcp("S"), ClientUdp(), ClientTcp("S").To("192.0.2.1:8092")}) {
      ASSERT_EQ(Programs().Run(Program::kUplink, packet.Build(), {.ifindex = ifindex_}).verdict, Verdict::kRedirect);
    }
    if (GetParam() == Program::kTask) ifindex_ = Network().task;
    flows_ = Flows();
  }

  // Passed unchanged, under one reason out of `reasons`.
  void ExpectPassedFor(const Bytes& frame, const Names& reasons) {
    const Counts before = ReadCounts();
    const Outcome outcome = Programs().Run(GetParam(), frame, {.ifindex = ifindex_});
    const Counts moved = Difference(before, ReadCounts());
    if (outcome.error == EINVAL && KernelMayRefuse(GetParam(), frame.size())) return;
    ASSERT_EQ(outcome.error, 0) << frame.size();
    ASSERT_EQ(ToString(outcome.verdict), "pass") << Scapy(frame);
    ASSERT_EQ(Difference(frame, outcome.frame), "");
    ASSERT_EQ(moved.size(), 1u) << Scapy(frame);
    const std::string name = moved.begin()->first.substr(moved.begin()->first.find('.') + 1);
    ASSERT_TRUE(reasons.count(name)) << name << " for " << Scapy(frame);
    ASSERT_EQ(moved.begin()->second, (Traffic{1, frame.size()}));
    ASSERT_EQ(Flows(), flows_);
  }

  size_t flows_ = 0;
};
INSTANTIATE_TEST_SUITE_P(, TruncationTest,
                         testing::Values(Program::kXdp, Program::kUplink, Program::kTask, Program::kHost), ProgramName);

class UplinkTruncationTest : public TruncationTest {};
XLB_BOTH_UPLINK_PROGRAMS(UplinkTruncationTest);

std::vector<Packet> Samples() {
  const Packet tcp_reply = Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Flags("PA").Payload("answer");
  const Packet udp_reply = Packet::Udp("10.0.0.7:80", "10.0.0.2:40000").Payload("answer");
  return {ClientTcp("S").TcpOptions({2, 4, 5, 0xb4, 1, 1, 1, 0}).Payload("data"),
          ClientTcp("PA").Payload("data"),
          ClientUdp(),
          ClientUdp().NoUdpChecksum(),
          FromClient(Packet::Udp("10.1.0.5:53", "192.0.2.1:40000")).Payload("answer"),
          Packet::Tcp("172.18.0.3:80", kClient).Macs(kTaskMac, kUplinkMac).Payload("answer"),
          Wrapped(tcp_reply),
          Wrapped(udp_reply)};
}

TEST_P(TruncationTest, CutOff) {
  for (const Packet& sample : Samples()) {
    const Bytes whole = sample.Build();
    for (size_t length = kLeast; length < whole.size(); length++) {
      ASSERT_NO_FATAL_FAILURE(
          ExpectPassedFor(Bytes(whole.begin(), whole.begin() + static_cast<long>(length)), {"pass_malformed"}));
    }
  }
}

TEST_P(TruncationTest, OtherFramesCutOff) {
  const std::vector<Packet> samples = {Packet::ArpRequest("192.0.2.10", "192.0.2.1").Macs(kGatewayMac, kUplinkMac),
                                       ClientTcp("S").Vlan(5), FromClient(Packet::Icmp("203.0.113.7", kNodeIp)),
                                       ClientTcp("S").IpOptions({0x94, 4, 0, 0})};
  for (const Packet& sample : samples) {
    const Bytes whole = sample.Build();
    for (size_t length = kLeast; length <= whole.size(); length++) {
      ASSERT_NO_FATAL_FAILURE(
          ExpectPassedFor(Bytes(whole.begin(), whole.begin() + static_cast<long>(length)),
                          {"pass_malformed", "pass_link", "pass_vlan", "pass_protocol", "pass_options"}));
    }
  }
}

// The outer lengths say what is there, so that only the inner packet is short.
TEST_P(UplinkTruncationTest, CutOffInsideTheTunnel) {
  for (const Packet& sample : {Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Flags("A").Payload("answer"),
                               Packet::Udp("10.0.0.7:80", "10.0.0.2:40000").Payload("answer")}) {
    const Bytes tunnel = Wrapped(sample).payload();  // VXLAN header, frame
    for (size_t length = 0; length < tunnel.size(); length++) {
      const Packet cut = Wrapped(sample).Payload(Bytes(tunnel.begin(), tunnel.begin() + static_cast<long>(length)));
      ASSERT_NO_FATAL_FAILURE(ExpectPassedFor(cut.Build(), {"pass_tunnel"}));
    }
  }
}

// The packet says that it ends early, and the frame has the rest of it: nothing may be read from there.
TEST_P(UplinkTruncationTest, ShorterThanItsFrame) {
  for (Packet sample : {ClientTcp("S"), ClientUdp()}) {
    const size_t header = sample.protocol() == kTcp ? 40 : 28;
    for (uint16_t length = 0; length < header; length++) {
      ASSERT_NO_FATAL_FAILURE(ExpectPassedFor(sample.ForceTotalLength(length).Build(), {"pass_malformed"}));
    }
  }
}

TEST_P(TruncationTest, TheKernelTakesNoFrameWithoutALinkHeader) {
  const Bytes whole = ClientTcp("S").Build();
  for (size_t length = 0; length < kEthernetLength; length++) {
    EXPECT_NE(Programs().Run(GetParam(), Bytes(whole.begin(), whole.begin() + static_cast<long>(length)), {}).error, 0);
  }
}

}  // namespace
}  // namespace xlb::test
