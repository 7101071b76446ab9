// The node changes under living flows: backends drain, move, go; what the epoch is for.
#include <arpa/inet.h>

#include <cstring>
#include <functional>

#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kSnat[] = "192.0.2.1:40000";

class ChangeTest : public UplinkTest {
 protected:
  // Flows of TCP and UDP that have met their backend, 10.1.0.5, with answers.
  void Establish() {
    for (const Packet& packet : {ClientTcp("S"), ClientUdp(), Reply(), UdpReply()}) {
      ASSERT_EQ(Programs().Run(GetParam(), packet.Build(), {.ifindex = ifindex_}).verdict, Back());
    }
  }
  static Packet ToBackend(const Packet& packet) { return RoutedTo(packet, kSnat, "10.1.0.5:8080"); }
  static Packet Reply() { return FromClient(Packet::Tcp("10.1.0.5:8080", kSnat).Flags("SA")); }
  static Packet UdpReply() { return FromClient(Packet::Udp("10.1.0.5:8080", kSnat)); }
  // Changes the first backend and says so.
  void Change(const std::function<void(xlb_backend&)>& change) {
    for (uint32_t id = 1; id <= node_.backends().size(); id++) change(node_.backend(id));
    RaiseEpoch();
  }
};
XLB_BOTH_UPLINK_PROGRAMS(ChangeTest);

TEST_P(ChangeTest, ARaisedEpochHasEachDirectionLookOnce) {
  Use(OneService(Route("10.1.0.5", 8080)));
  Establish();
  RaiseEpoch();
  Sent(ClientTcp("A"), ToBackend(ClientTcp("A")), {"forward_route", "flow_revalidated"});
  Sent(ClientTcp("A"), ToBackend(ClientTcp("A")), {"forward_route"});
  Sent(Reply(), ToClient(Reply()), {"reply_route", "flow_revalidated"});
  Sent(Reply(), ToClient(Reply()), {"reply_route"});
}

TEST_P(ChangeTest, WithoutAnEpochNothingIsLookedAt) {
  Use(OneService(Route("10.1.0.5", 8080)));
  Establish();
  for (uint32_t id : {1, 2}) node_.backend(id).state = XLB_BACKEND_GONE;
  Rewrite();
  Sent(ClientTcp("A"), ToBackend(ClientTcp("A")), {"forward_route"});
}

// Every way in which a backend ceases to be the one that the flow knows.
std::vector<std::pair<const char*, std::function<void(xlb_backend&)>>> Endings() {
  return {{"gone", [](xlb_backend& backend) { backend.state = XLB_BACKEND_GONE; }},
          {"down", [](xlb_backend& backend) { backend.state = XLB_BACKEND_DOWN; }},
          {"id given away", [](xlb_backend& backend) { backend.generation++; }},
          {"another kind", [](xlb_backend& backend) { backend.kind = XLB_KIND_LOCAL; }},
          {"another address", [](xlb_backend& backend) { backend.addr = AddressBe("10.1.0.77"); }},
          {"another source", [](xlb_backend& backend) { backend.snat_addr = AddressBe(kNodeIp2); }}};
}

TEST_P(ChangeTest, ABackendThatIsGoneEndsItsTcpFlows) {
  for (const auto& [what, ending] : Endings()) {
    const testing::ScopedTrace trace(__FILE__, __LINE__, what);
    SetUp();
    Use(OneService(Route("10.1.0.5", 8080)));
    Establish();
    Change(ending);
    Sent(ClientTcp("A"), ResetOf(ClientTcp("A")), {"flow_gone", "answer_reset"});
    EXPECT_FALSE(FlowOf(ClientTcp("A")));
    EXPECT_FALSE(FlowOf(Reply()));
    Passed(ClientTcp("A"), {"pass_no_flow"});
  }
}

TEST_P(ChangeTest, ABackendThatIsGoneEndsItsFlowsFromItsSideToo) {
  for (const auto& [what, ending] : Endings()) {
    const testing::ScopedTrace trace(__FILE__, __LINE__, what);
    SetUp();
    Use(OneService(Route("10.1.0.5", 8080)));
    Establish();
    Change(ending);
    for (int i = 0; i < 2; i++) Sent(Reply(), ResetOf(Reply()), {"flow_gone", "answer_reset"});
    // Its client, too, is told when it speaks next.
    Sent(ClientTcp("A"), ResetOf(ClientTcp("A")), {"flow_gone", "answer_reset"});
    EXPECT_FALSE(FlowOf(ClientTcp("A")));
    EXPECT_FALSE(FlowOf(Reply()));

    Passed(UdpReply(), {"flow_gone", "pass_no_service"});
    EXPECT_FALSE(FlowOf(ClientUdp()));
    EXPECT_FALSE(FlowOf(UdpReply()));
  }
}

TEST_P(ChangeTest, UdpChoosesAnotherBackendAtOnce) {
  Use(Node()
          .Address(kNodeIp)
          .Service("tcp", "*", 8091, {Route("10.1.0.5", 8080)})
          .Service("udp", "*", 8091, {Route("10.1.0.5", 8080), Route("10.1.0.6", 8080)}));
  Establish();
  node_.backend(2).state = XLB_BACKEND_GONE;
  RaiseEpoch();
  const Packet question = ClientUdp();
  Sent(question, RoutedTo(question, kSnat, "10.1.0.6:8080"), {"flow_moved", "flow_new", "forward_route"});
  EXPECT_FALSE(FlowOf(UdpReply()));
  EXPECT_EQ(FlowOf(question)->backend, 3u);
}

TEST_P(ChangeTest, UdpLeavesADrainingBackendWhenThereIsAnother) {
  Use(Node()
          .Address(kNodeIp)
          .Service("udp", "*", 8091, {Route("10.1.0.5", 8080), Route("10.1.0.6", 8080)})
          .Service("tcp", "*", 8091, {Route("10.1.0.5", 8080)}));
  Establish();
  node_.backend(1).state = XLB_BACKEND_DRAINING;
  node_.Ring(8091, IPPROTO_UDP, {2});
  RaiseEpoch();
  // What the old one still answers is the client's, until that asks again.
  Sent(UdpReply(), ToClient(UdpReply()), {"reply_route", "flow_revalidated"});
  const Packet question = ClientUdp();
  Sent(question, RoutedTo(question, kSnat, "10.1.0.6:8080"), {"flow_moved", "flow_new", "forward_route"});
  EXPECT_FALSE(FlowOf(UdpReply()));
  Sent(question, RoutedTo(question, kSnat, "10.1.0.6:8080"), {"forward_route"});
}

TEST_P(ChangeTest, UdpStaysWithADrainingBackendWhenThereIsNoOther) {
  Use(OneService(Route("10.1.0.5", 8080)));
  Establish();
  node_.backend(2).state = XLB_BACKEND_DRAINING;
  node_.Ring(8091, IPPROTO_UDP, {});
  RaiseEpoch();
  Sent(ClientUdp(), ToBackend(ClientUdp()), {"forward_route", "flow_revalidated"});
  Sent(UdpReply(), ToClient(UdpReply()), {"reply_route", "flow_revalidated"});
}

TEST_P(ChangeTest, ASynChoosesAnotherBackendAtOnce) {
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Route("10.1.0.5", 8080), Route("10.1.0.6", 8080)}));
  const Packet syn = ClientTcp("S");
  Sent(syn, ToBackend(syn), {"flow_new", "forward_route"});
  node_.backend(1).state = XLB_BACKEND_DOWN;
  RaiseEpoch();
  Sent(syn, RoutedTo(syn, kSnat, "10.1.0.6:8080"), {"flow_retried", "flow_new", "forward_route"});
}

TEST_P(ChangeTest, ADrainingBackendKeepsItsFlowsAndGetsNoNewOnes) {
  Use(OneService(Route("10.1.0.5", 8080)));
  Establish();
  Change([](xlb_backend& backend) { backend.state = XLB_BACKEND_DRAINING; });
  Sent(ClientTcp("A"), ToBackend(ClientTcp("A")), {"forward_route", "flow_revalidated"});
  Sent(Reply(), ToClient(Reply()), {"reply_route", "flow_revalidated"});
  Passed(ClientTcp("S").From("203.0.113.7:40001"), {"pass_no_backend"});  // its ring was not written yet
}

TEST_P(ChangeTest, ATaskThatMovesKeepingItsAddressKeepsItsFlows) {
  Use(OneService(Vxlan("10.0.0.7", 80)));
  const Packet syn = ClientTcp("S"), ack = ClientTcp("A");
  Tunnelled(syn, ToTask(syn, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac), {"flow_new", "forward_vxlan"});
  Change([](xlb_backend& backend) {
    backend.tunnel_dst = AddressBe(kOtherUplinkIp);
    backend.tunnel_src = AddressBe(kNodeIp2);
    backend.vni = htonl(4242 << 8);
    std::memcpy(backend.dmac, ParseMac("02:42:0a:00:00:08").data(), XLB_ETH_ALEN);
  });
  node_.Uplink(Network().uplink2, true);
  Rewrite();
  const Outcome outcome = Run(GetParam(), ack.Build(), {"forward_vxlan", "flow_revalidated"});
  EXPECT_EQ(ToString(outcome.verdict), "redirect");
  EXPECT_EQ(IpText(Get32(outcome.frame, kEthernetLength + 12)), kNodeIp2);
  EXPECT_EQ(IpText(Get32(outcome.frame, kEthernetLength + 16)), kOtherUplinkIp);
  EXPECT_EQ(MacText(outcome.frame, 0), kOtherUplinkMac);
  EXPECT_EQ(Get32(outcome.frame, kEthernetLength + kIpLength + kUdpLength + 4), 4242u << 8);
  EXPECT_EQ(MacText(outcome.frame, kEthernetLength + 36), "02:42:0a:00:00:08");

  // Its replies now come from there, and no more from where it was.
  node_.self.vni = htonl(4242 << 8);
  Rewrite();
  const Packet answer = Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Flags("SA");
  Passed(Wrapped(answer, 4242), {"pass_tunnel"});
  Sent(Wrapped(answer, 4242).From("198.51.100.5:50000").To("198.51.100.1:4789"), ToClient(answer), {"reply_vxlan"});
}

TEST_P(ChangeTest, ATunnelledResetOfABackendThatIsGoneIsTheKernels) {
  Use(OneService(Vxlan("10.0.0.7", 80)));
  Programs().Run(GetParam(), ClientTcp("S").Build(), {.ifindex = ifindex_});
  Change([](xlb_backend& backend) { backend.state = XLB_BACKEND_GONE; });
  Packet answer = Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Flags("SA");
  // A stranger's word ends nothing.
  Passed(Wrapped(answer).From("192.0.2.21:51000"), {"pass_tunnel"});
  EXPECT_EQ(Flows(), 1u);
  Passed(Wrapped(answer.Flags("R")), {"flow_gone", "pass_tunnel"});
}

class LocalChangeTest : public PacketTest {};

TEST_F(LocalChangeTest, ATaskOfThisNodeThatGetsANewVeth) {
  Use(OneService(Local("172.18.0.3", 80)));
  const Packet syn = ClientTcp("S"), ack = ClientTcp("A");
  const auto delivered = [](const Packet& packet) {
    return ToTask(packet, kClient, "172.18.0.3:80", kBridgeMac).Build();
  };
  ExpectSent(Program::kUplink, Verdict::kRedirect, syn.Build(), delivered(syn), {"flow_new", "forward_local"});
  for (uint32_t id : {1, 2}) node_.backend(id).ifindex = Network().uplink2;
  RaiseEpoch();
  ExpectSent(Program::kUplink, Verdict::kRedirect, ack.Build(), delivered(ack), {"forward_local", "flow_revalidated"});
  EXPECT_EQ(FlowOf(ack)->ifindex, Network().uplink2);
}

TEST_F(LocalChangeTest, AReplyOfATaskThatIsGone) {
  Use(OneService(Local("172.18.0.3", 80)));
  Run(Program::kUplink, ClientTcp("S").Build(), {"flow_new", "forward_local"});
  for (uint32_t id : {1, 2}) node_.backend(id).state = XLB_BACKEND_GONE;
  RaiseEpoch();
  ifindex_ = Network().task;
  const Packet answer = Packet::Tcp("172.18.0.3:80", kClient).Macs(kTaskMac, kBridgeMac).Flags("SA");
  ExpectSent(Program::kTask, Verdict::kRedirect, answer.Build(), ResetOf(answer).Build(),
             {"flow_gone", "answer_reset"});
  EXPECT_EQ(Flows(), 1u) << "for the client to be told as well";
}

}  // namespace
}  // namespace xlb::test
