// A backend that does not answer, or refuses: the client's next try goes to another one.
#include <arpa/inet.h>

#include <string>

#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

class FailoverTest : public UplinkTest {
 protected:
  void UseThree(xlb_pick pick = XLB_PICK_NEXT) {
    ClearMaps(Programs().maps());
    Use(Node().Address(kNodeIp).Service("tcp", "*", 8091,
                                        {Route("10.1.0.1", 80), Route("10.1.0.2", 80), Route("10.1.0.3", 80)}, pick));
  }
  void Send(const Packet& packet) { Programs().Run(GetParam(), packet.Build(), {.ifindex = ifindex_}); }
  // The backend that this client's flow has after one more packet; 0: no flow.
  uint32_t BackendAfter(const Packet& packet) {
    Send(packet);
    const auto flow = FlowOf(packet);
    return flow ? flow->backend : 0;
  }
  static Packet Syn(int i = 0) {
    return FromClient(Packet::Tcp("203.0.113.7:" + std::to_string(41000 + i), kService)).Flags("S");
  }
  // What this backend says to that client.
  Packet From(uint32_t backend, int i, std::string_view flags) const {
    const auto flow = FlowOf(Syn(i));
    return FromClient(Packet::Tcp(IpText(ntohl(node_.backends()[backend - 1].addr)) + ":80",
                                  std::string(kNodeIp) + ":" + std::to_string(ntohs(flow->sport))))
        .Flags(flags);
  }
  // Since the case began.
  uint64_t Count(const std::string& name) {
    return Difference(before_, ReadCounts())[(IsXdp() ? "xdp." : "tc.") + name].packets;
  }

  const Counts before_ = ReadCounts();
};
XLB_BOTH_UPLINK_PROGRAMS(FailoverTest);

TEST_P(FailoverTest, ASynSentAgainGoesElsewhere) {
  for (const xlb_pick pick : {XLB_PICK_NEXT, XLB_PICK_HASH, XLB_PICK_SOURCE, XLB_PICK_LEAST}) {
    UseThree(pick);
    const uint64_t before = Count("flow_retried");
    for (int i = 0; i < 20; i++) {
      const uint32_t first = BackendAfter(Syn(i));
      const uint32_t second = BackendAfter(Syn(i));
      const uint32_t third = BackendAfter(Syn(i));
      EXPECT_NE(first, 0u);
      EXPECT_NE(second, first) << pick;
      EXPECT_NE(third, second) << pick;
    }
    EXPECT_EQ(Count("flow_retried") - before, 40u);
    EXPECT_EQ(Flows(), 20u);
  }
}

TEST_P(FailoverTest, AnAnsweredOneStays) {
  UseThree();
  const uint32_t first = BackendAfter(Syn());
  Send(From(first, 0, "SA"));
  // The answer was lost on its way.
  for (int i = 0; i < 5; i++) EXPECT_EQ(BackendAfter(Syn()), first);
}

TEST_P(FailoverTest, TheOnlyBackendIsTriedAgain) {
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Route("10.1.0.1", 80)}));
  for (int i = 0; i < 5; i++) EXPECT_EQ(BackendAfter(Syn()), 1u);
  EXPECT_EQ(Count("flow_retried"), 0u);
  EXPECT_EQ(Flows(), 1u);
}

TEST_P(FailoverTest, ALateAnswerOfTheFirstBackendIsNotTheSeconds) {
  UseThree();
  const uint32_t first = BackendAfter(Syn());
  const Packet late = From(first, 0, "SA");
  const uint32_t second = BackendAfter(Syn());
  ASSERT_NE(first, second);
  Passed(late, {"pass_no_service"});
  EXPECT_EQ(FlowOf(Syn())->state, 0);
}

TEST_P(FailoverTest, ARefusalSendsNewFlowsElsewhereForAWhile) {
  for (const xlb_pick pick : {XLB_PICK_NEXT, XLB_PICK_HASH, XLB_PICK_SOURCE, XLB_PICK_LEAST}) {
    UseThree(pick);
    const uint32_t refuses = BackendAfter(Syn());
    Send(From(refuses, 0, "RA"));
    for (int i = 1; i < 30; i++) EXPECT_NE(BackendAfter(Syn(i)), refuses) << pick;
    node_.self.tick_shift -= 20;  // much later
    Rewrite();
    bool again = false;
    for (int i = 30; i < 400; i++) again |= BackendAfter(Syn(i)) == refuses;
    EXPECT_EQ(again, true) << pick;
  }
}

TEST_P(FailoverTest, AResetInTheMiddleIsNoRefusal) {
  UseThree();
  const uint32_t backend = BackendAfter(Syn());
  Send(From(backend, 0, "SA"));
  Send(From(backend, 0, "R"));
  EXPECT_EQ(Count("flow_refused"), 0u);
}

TEST_P(FailoverTest, WhoeverRefusesLastIsAskedIfAllRefuse) {
  UseThree();
  for (int i = 0; i < 3; i++) Send(From(BackendAfter(Syn(i)), i, "RA"));
  EXPECT_EQ(Count("flow_refused"), 3u);
  for (int i = 3; i < 10; i++) EXPECT_NE(BackendAfter(Syn(i)), 0u);
}

TEST_P(FailoverTest, AnIcmpErrorIsARefusal) {
  const struct {
    uint8_t type, code;
    bool refuses;
  } kCases[] = {{3, 1, true}, {3, 3, true}, {3, 13, true}, {3, 4, false}, {11, 0, false}};
  for (const auto& [type, code, refuses] : kCases) {
    UseThree();
    const uint64_t before = Count("flow_refused");
    const uint32_t backend = BackendAfter(Syn());
    const Bytes quoted = Syn()
                             .From("192.0.2.1:" + std::to_string(ntohs(FlowOf(Syn())->sport)))
                             .To(IpText(ntohl(node_.backend(backend).addr)) + ":80")
                             .Build();
    const auto error = [&] {
      return FromClient(Packet::Icmp("10.9.9.9", "192.0.2.1"))
          .IcmpType(type, code)
          .Payload(Bytes(quoted.begin() + kEthernetLength, quoted.begin() + kEthernetLength + 40));
    };
    Send(error());
    EXPECT_EQ(Count("flow_refused") - before, refuses ? 1u : 0u) << int{type} << "/" << int{code};
    if (refuses) {
      for (int i = 1; i < 30; i++) EXPECT_NE(BackendAfter(Syn(i)), backend);
    }
    Send(From(backend, 0, "SA"));
    Send(error());
    EXPECT_EQ(Count("flow_refused") - before, refuses ? 1u : 0u) << "once answered, it proves nothing";
  }
}

}  // namespace
}  // namespace xlb::test
