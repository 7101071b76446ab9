// The reset that ends a connection whose backend is gone, by RFC 9293 3.10.7.1.
#include "packet/checksum.h"
#include "packet/packet_test.h"
#include "packet/packet_text.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

class ResetTest : public UplinkTest {
 protected:
  void Lose() {
    for (uint32_t id = 1; id <= node_.backends().size(); id++) node_.backend(id).state = XLB_BACKEND_GONE;
    RaiseEpoch();
  }
  // A connection to this backend, which then goes.
  void BeginAndLose(const xlb_backend& backend) {
    SetUp();
    Use(OneService(backend));
    ASSERT_NE(Programs().Run(GetParam(), ClientTcp("S").Build(), {.ifindex = ifindex_}).verdict, Verdict::kDrop);
    Lose();
  }
};
XLB_BOTH_UPLINK_PROGRAMS(ResetTest);

const Names kReset = {"flow_gone", "answer_reset"};

TEST_P(ResetTest, ToTheClientOfEachKindOfBackend) {
  for (const xlb_backend& backend : {Route("10.1.0.5", 8080), Vxlan("10.0.0.7", 80), Local("172.18.0.3", 80)}) {
    ASSERT_NO_FATAL_FAILURE(BeginAndLose(backend));
    Sent(ClientTcp("A"), ResetOf(ClientTcp("A")), kReset);
    EXPECT_EQ(Flows(), 0u);
    Passed(ClientTcp("A"), {"pass_no_flow"});  // nothing proves any more that it was ours
  }
}

TEST_P(ResetTest, TakesItsNumbersFromTheSegment) {
  const auto of = [](Packet segment) { return segment.Payload("").TcpOptions({}); };
  const Packet data = ClientTcp("PA").Payload("seven b").TcpOptions({1, 1, 1, 0}).Tos(0xb8).Trailer(3);
  ASSERT_NO_FATAL_FAILURE(BeginAndLose(Route("10.1.0.5", 8080)));
  Sent(data, ResetOf(of(data).Trailer(0)), kReset);

  // Without an ACK in it, the reset acknowledges what the segment said; SYN and FIN count for one each.
  const struct {
    const char* flags;
    uint32_t said;
  } kCases[] = {{"P", 7}, {"FP", 8}, {"SF", 9}, {"", 7}};
  for (const auto& [flags, said] : kCases) {
    ASSERT_NO_FATAL_FAILURE(BeginAndLose(Route("10.1.0.5", 8080)));
    const Packet segment = ClientTcp(flags).Payload("seven b");
    Sent(segment, ResetOf(of(segment)).Flags("RA").Sequence(0, 0x01020304 + said), kReset);
  }
}

TEST_P(ResetTest, NeverOfAResetNorOfANewConnection) {
  ASSERT_NO_FATAL_FAILURE(BeginAndLose(Route("10.1.0.5", 8080)));
  Passed(ClientTcp("R"), {"flow_gone", "pass_no_flow"});
  ASSERT_NO_FATAL_FAILURE(BeginAndLose(Route("10.1.0.5", 8080)));
  Passed(ClientTcp("RA"), {"flow_gone", "pass_no_flow"});
  ASSERT_NO_FATAL_FAILURE(BeginAndLose(Route("10.1.0.5", 8080)));
  Passed(ClientTcp("S"), {"flow_gone", "pass_no_backend"});
}

TEST_P(ResetTest, ToABackendThatSpeaksOnByTheTunnel) {
  ASSERT_NO_FATAL_FAILURE(BeginAndLose(Vxlan("10.0.0.7", 80)));
  const Packet answer = Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Macs(kTaskMac, kIngressMac).Payload("seven b");
  Packet reset = Wrapped(ResetOf(Packet(answer).Payload("")));
  reset.Macs(kUplinkMac, kWorkerMac).From("192.0.2.1:51000").To("192.0.2.20:4789");
  Sent(Wrapped(answer), reset, kReset);
  Sent(Wrapped(answer).Tos(3).ForceL4Checksum(0xabcd), reset, kReset);
  // A frame of another node than the flow's ends nothing and is told nothing.
  Passed(Wrapped(answer).From("192.0.2.21:51000"), {"pass_tunnel"});
  Sent(ClientTcp("A"), ResetOf(ClientTcp("A")), kReset);
}

// Over a veth, checksums are left to be finished by a device that never comes: what the reset has must be alike.
TEST_F(PacketTest, AResetOfAnUnfinishedSegmentIsUnfinished) {
  Use(OneService(Route("10.1.0.5", 8080)));
  Programs().Run(Program::kUplink, ClientTcp("S").Build(), {.ifindex = ifindex_});
  for (uint32_t id : {1, 2}) node_.backend(id).state = XLB_BACKEND_GONE;
  RaiseEpoch();
  Packet segment = ClientTcp("PA").Payload("seven b");
  const auto pseudo = [](const Packet& packet) {
    const Bytes frame = packet.Build();
    return PseudoHeaderSum(frame, kEthernetLength, Get16(frame, kEthernetLength + 2) - kIpLength);
  };
  const Packet expected = ResetOf(Packet(segment).Payload(""));
  const Outcome outcome =
      Run(Program::kUplink, segment.ForceL4Checksum(pseudo(segment)).Build(), {"flow_gone", "answer_reset"});
  EXPECT_EQ(Difference(Packet(expected).ForceL4Checksum(pseudo(expected)).Build(), outcome.frame), "");
}

}  // namespace
}  // namespace xlb::test
