// Who is let in: lists of sources, ports that are left, addresses that are closed.
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kSnat[] = "192.0.2.1:40000";
constexpr uint32_t kAllow = 0x00000000;
constexpr uint32_t kDeny = 0x01010101;
constexpr uint32_t kLeave = 0x02020202;
constexpr uint32_t kDenyNew = XLB_SOURCE_DENY << (XLB_SOURCE_NEW + XLB_SOURCE_REMOTE);
constexpr uint32_t kDenyLocal = kDeny << XLB_SOURCE_LOCAL;

class SourcesTest : public UplinkTest {
 protected:
  // TCP alone, the client's /24 with these verdicts, everybody else with others.
  void UseList(uint32_t client, uint32_t others) {
    Use(Node()
            .Address(kNodeIp)
            .Service("tcp", "*", 8091, {Route("10.1.0.5", 8080)})
            .Source("0.0.0.0/0", others)
            .Source("203.0.113.0/24", client));
  }
  static Packet ToBackend(const Packet& packet) { return RoutedTo(packet, kSnat, "10.1.0.5:8080"); }
  void Establish() {
    Sent(ClientTcp("S"), ToBackend(ClientTcp("S")), {"flow_new", "forward_route"});
    const Packet answer = FromClient(Packet::Tcp("10.1.0.5:8080", kSnat).Flags("SA"));
    Sent(answer, ToClient(answer), {"reply_route"});
  }
  // Gives the service the verdicts for everybody, and says so.
  void Change(uint32_t verdicts) {
    Node changed = Node()
                       .Address(kNodeIp)
                       .Service("tcp", "*", 8091, {Route("10.1.0.5", 8080)})
                       .Source("0.0.0.0/0", verdicts)
                       .Source("203.0.113.0/24", verdicts);
    changed.self = node_.self;
    Use(changed);
    RaiseEpoch();
  }
};
XLB_BOTH_UPLINK_PROGRAMS(SourcesTest);

TEST_P(SourcesTest, TheLongestPrefixDecides) {
  UseList(kAllow, kDeny);
  Sent(ClientTcp("S"), ToBackend(ClientTcp("S")), {"flow_new", "forward_route"});
  Dropped(ClientTcp("S").From("203.0.114.7:40000"), {"drop.source_denied"});
  EXPECT_EQ(Flows(), 1u);
}

TEST_P(SourcesTest, DeniedAreDroppedWhetherTheyBeginOrNot) {
  UseList(kDeny, kAllow);
  Dropped(ClientTcp("S"), {"drop.source_denied"});
  Dropped(ClientTcp("A"), {"drop.source_denied"});
  const Packet other = ClientTcp("S").From("198.51.100.7:40000");
  Sent(other, ToBackend(other), {"flow_new", "forward_route"});
  EXPECT_EQ(Flows(), 1u);
}

TEST_P(SourcesTest, OthersAreTheFirewalls) {
  UseList(kLeave, kAllow);
  Passed(ClientTcp("S"), {"pass_source"});
  Passed(ClientTcp("A"), {"pass_source"});
  EXPECT_EQ(Flows(), 0u);
}

TEST_P(SourcesTest, WhatBeganBeforeMayGoOnWhereOnlyBeginningsAreDenied) {
  UseList(kDenyNew, kAllow);
  Dropped(ClientTcp("S"), {"drop.source_denied"});
  Passed(ClientTcp("A"), {"pass_no_flow"});
}

TEST_P(SourcesTest, ContainersVerdictsAreNotClients) {
  UseList(kDenyLocal, kDeny);
  Sent(ClientTcp("S"), ToBackend(ClientTcp("S")), {"flow_new", "forward_route"});
}

TEST_P(SourcesTest, AListWithoutEntriesLetsNobodyIn) {
  Use(OneService(Route("10.1.0.5", 8080)));
  for (uint32_t id : {1, 2}) node_.service(id).sources = 77;
  Rewrite();
  Dropped(ClientTcp("S"), {"drop.source_denied"});
  Dropped(ClientUdp(), {"drop.source_denied"});
}

TEST_P(SourcesTest, LivingFlowsAreAskedAgain) {
  UseList(kAllow, kAllow);
  Establish();
  Change(kDeny);
  Dropped(ClientTcp("A"), {"drop.source_denied"});
  EXPECT_EQ(Flows(), 0u);
  Dropped(ClientTcp("A"), {"drop.source_denied"});
}

TEST_P(SourcesTest, LivingFlowsAreLeftToTheFirewall) {
  UseList(kAllow, kAllow);
  Establish();
  Change(kLeave);
  Passed(ClientTcp("A"), {"pass_source"});
  EXPECT_EQ(Flows(), 0u);
}

TEST_P(SourcesTest, LivingFlowsStayWhereOnlyBeginningsAreDenied) {
  UseList(kAllow, kAllow);
  Establish();
  Change(kDenyNew);
  Sent(ClientTcp("A"), ToBackend(ClientTcp("A")), {"forward_route", "flow_revalidated"});
  Sent(ClientTcp("A"), ToBackend(ClientTcp("A")), {"forward_route"});
}

TEST_P(SourcesTest, LeftPortsAreNotTouched) {
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Route("10.1.0.5", 8080)}));
  Establish();
  node_.Flags(XLB_SERVICE_LEFT);
  Rewrite();
  RaiseEpoch();
  // The flow that there is goes on; no other begins.
  Sent(ClientTcp("A"), ToBackend(ClientTcp("A")), {"forward_route", "flow_revalidated"});
  Passed(ClientTcp("S").From("203.0.113.7:40001"), {"pass_left"});
  Passed(ClientTcp("A").From("203.0.113.7:40001"), {"pass_left"});
}

TEST_P(SourcesTest, ALeftAddressIsLeftThereAlone) {
  Use(Node()
          .Address(kNodeIp)
          .Address(kNodeIp2)
          .Service("tcp", "*", 8091, {Route("10.1.0.5", 8080)})
          .Service("tcp", kNodeIp2, 8091, {})
          .Flags(XLB_SERVICE_LEFT));
  Passed(ClientTcp("S").To("198.51.100.1:8091"), {"pass_left"});
  Sent(ClientTcp("S"), ToBackend(ClientTcp("S")), {"flow_new", "forward_route"});
}

TEST_P(SourcesTest, ClosedAddressesAnswerNothing) {
  Use(Node()
          .Address(kNodeIp)
          .Address(kNodeIp2)
          .Service("tcp", "*", 8091, {Route("10.1.0.5", 8080)})
          .Service("tcp", kNodeIp2, 8091, {})
          .Flags(XLB_SERVICE_CLOSED));
  for (const char* flags : {"S", "A", "R"}) {
    Dropped(ClientTcp(flags).To("198.51.100.1:8091"), {"drop.not_bound"});
  }
  Sent(ClientTcp("S"), ToBackend(ClientTcp("S")), {"flow_new", "forward_route"});
}

TEST_P(SourcesTest, FlowsAtAnAddressThatIsClosedEnd) {
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Route("10.1.0.5", 8080)}));
  Establish();
  node_.Flags(XLB_SERVICE_CLOSED);
  Rewrite();
  RaiseEpoch();
  Dropped(ClientTcp("A"), {"drop.not_bound"});
  EXPECT_EQ(Flows(), 0u);
}

}  // namespace
}  // namespace xlb::test
