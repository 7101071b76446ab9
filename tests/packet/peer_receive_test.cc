// At the node that runs the task: a peer's frames are delivered with the client's own address, and replies go back by
// the peer or, if it says so, to the client.
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kEntry[] = "192.0.2.20:8091";  // what the client asked for: an address of the worker's
constexpr char kTask[] = "172.18.0.3:80";
constexpr char kOtherPeerIp[] = "198.51.100.5";
constexpr char kOtherCookie[] = "e1:e2:e3:e4:e5:e6";
constexpr char kOtherUid[] = "b1:b2:b3:b4:b5:b6";

Packet Asks(std::string_view flags, std::string_view entry = kEntry) {
  return Packet::Tcp(kClient, entry).Flags(flags);
}
Packet AtTask(Packet packet) { return ToTask(std::move(packet), kClient, kTask, kBridgeMac); }
Packet FromTask(std::string_view flags) { return Packet::Tcp(kTask, kClient).Flags(flags).Macs(kTaskMac, kBridgeMac); }

Node Receiver() {
  Node node = OneService(Local("172.18.0.3", 80));
  node.backend(1) = WithUid(node.backend(1), kUidMac);
  node.backend(2) = WithUid(node.backend(2), kOtherUid);
  return node.Delivers(1).Delivers(2).Peer(kWorkerIp, kCookieMac).Peer(kOtherPeerIp, kOtherCookie);
}

class PeerReceiveTest : public PacketTest {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    Use(Receiver());
    vni_ = XLB_PEER_VNI;
  }
  void Delivered(const Packet& frame, const Packet& expected, const Names& counted, const char* file = __builtin_FILE(),
                 int line = __builtin_LINE()) {
    ExpectSent(Program::kUplink, Verdict::kRedirect, frame.Build(), expected.Build(), counted, file, line);
  }
  void Begin(uint8_t flags = 0) {
    Delivered(PeerFrame(Asks("S"), flags), AtTask(Asks("S")), {"flow_new", "forward_local"});
  }
  void Returned(const Packet& reply, std::string_view from, const char* file = __builtin_FILE(),
                int line = __builtin_LINE()) {
    ifindex_ = Network().task;
    tunnel_flags_ = XLB_TUNNEL_REPLY;
    const Packet inner = Packet(reply).From(from).To(kClient).Macs(kCookieMac, kUidMac).Ttl(63);
    ExpectTunnelled(Program::kTask, Verdict::kRedirect, reply, inner, {"reply_local"}, file, line);
    ifindex_ = Network().uplink;
  }
  void Unknown(const Packet& frame, const char* reason = "drop.peer_unknown") {
    for (const Program program : {Program::kXdp, Program::kUplink}) ExpectDropped(program, frame.Build(), {reason});
  }
};

TEST_F(PeerReceiveTest, TheTaskSeesTheClient) {
  Begin();
  Returned(FromTask("SA"), kEntry);
  Delivered(PeerFrame(Asks("PA").Payload("question")), AtTask(Asks("PA").Payload("question")), {"forward_local"});
  Returned(FromTask("PA").Payload("answer"), kEntry);
  EXPECT_EQ(Flows(), 1u);
}

TEST_F(PeerReceiveTest, XdpLeavesTheDeliveryToTc) {
  ExpectPassed(Program::kXdp, PeerFrame(Asks("S")).Build(), {"flow_new", "pass_to_tc"});
  Delivered(PeerFrame(Asks("S")), AtTask(Asks("S")), {"forward_local"});
}

TEST_F(PeerReceiveTest, XdpLeavesWhatFollowsToTcIfItCameAsBefore) {
  const auto at_xdp = [this](const Packet& frame, const Names& counted) {
    ExpectPassed(Program::kXdp, frame.Build(), counted);
  };
  const auto with_macs = [](std::string_view cookie, std::string_view uid) {
    return PeerFrame(Asks("A")).Vxlan(XLB_PEER_VNI, Asks("A").Macs(cookie, uid).Build());
  };
  Begin();
  at_xdp(PeerFrame(Asks("A")), {"pass_to_tc"});
  RaiseEpoch();
  at_xdp(PeerFrame(Asks("A")), {"flow_revalidated", "pass_to_tc"});
  ExpectDropped(Program::kXdp, with_macs("c1:c2:c3:c4:c5:c7", kUidMac).Build(), {"drop.peer_unknown"});
  ExpectDropped(Program::kXdp, PeerFrame(Asks("A")).From("192.0.2.66:51000").Build(), {"drop.peer_unknown"});
  ExpectDropped(Program::kXdp, PeerFrame(Asks("A").Ttl(1)).Build(), {"drop.ttl"});
  // Each time the flow takes the new way, and XDP leaves that one at once.
  at_xdp(PeerFrame(Asks("A")).To(std::string(kNodeIp2) + ":4789"), {"flow_continued", "pass_to_tc"});
  at_xdp(PeerFrame(Asks("A")).To(std::string(kNodeIp2) + ":4789"), {"pass_to_tc"});
  at_xdp(PeerFrame(Asks("A")), {"flow_continued", "pass_to_tc"});
  at_xdp(PeerFrame(Asks("A"), XLB_TUNNEL_DIRECT), {"flow_continued", "pass_to_tc"});
  at_xdp(PeerFrame(Asks("A"), XLB_TUNNEL_DIRECT), {"pass_to_tc"});
  at_xdp(PeerFrame(Asks("A")), {"flow_continued", "pass_to_tc"});
  at_xdp(with_macs(kCookieMac, kOtherUid), {"flow_new", "pass_to_tc"});
  EXPECT_EQ(FlowOf(Asks("A"))->backend, 2u);
}

TEST_F(PeerReceiveTest, DirectRepliesGoToTheClient) {
  Begin(XLB_TUNNEL_DIRECT);
  ifindex_ = Network().task;
  ExpectSent(Program::kTask, Verdict::kRedirect, FromTask("SA").Build(),
             RoutedTo(FromTask("SA"), kEntry, kClient).Build(), {"reply_local"});
}

TEST_F(PeerReceiveTest, RepliesTurnToTheClientWhenThePeerSaysSo) {
  Begin();
  Returned(FromTask("SA"), kEntry);
  Delivered(PeerFrame(Asks("A"), XLB_TUNNEL_DIRECT), AtTask(Asks("A")), {"flow_continued", "forward_local"});
  ifindex_ = Network().task;
  ExpectSent(Program::kTask, Verdict::kRedirect, FromTask("A").Build(),
             RoutedTo(FromTask("A"), kEntry, kClient).Build(), {"reply_local"});
}

TEST_F(PeerReceiveTest, FramesOfStrangersReachNoTask) {
  const auto with_cookie = [](std::string_view cookie) {
    return PeerFrame(Asks("S")).Vxlan(XLB_PEER_VNI, Asks("S").Macs(cookie, kUidMac).Build());
  };
  Unknown(PeerFrame(Asks("S")).From("192.0.2.66:51000"));
  Unknown(with_cookie("c1:c2:c3:c4:c5:c7"));
  Unknown(with_cookie(kNoMac));
  Unknown(with_cookie(kOtherCookie));  // that of another pair
  EXPECT_EQ(Flows(), 0u);
  Begin();
  Unknown(PeerFrame(Asks("A")).From("192.0.2.66:51000"));
  Unknown(with_cookie("c1:c2:c3:c4:c5:c7"));
  Returned(FromTask("SA"), kEntry);
}

TEST_F(PeerReceiveTest, TakesTheOldCookieForAWhile) {
  Use(std::move(node_.Peer(kWorkerIp, kOtherCookie, kCookieMac)));
  Begin();
}

TEST_F(PeerReceiveTest, ATaskThatIsNotHere) {
  const auto for_uid = [](const Packet& packet, std::string_view uid) {
    return PeerFrame(packet).Vxlan(XLB_PEER_VNI, Packet(packet).Macs(kCookieMac, uid).Build());
  };
  // The SYN comes again, and goes elsewhere; whoever speaks on is told.
  Unknown(for_uid(Asks("S"), "b1:b2:b3:b4:b5:b7"), "drop.peer_no_task");
  const Packet segment = for_uid(Asks("A"), "b1:b2:b3:b4:b5:b7");
  const Packet reset = ResetOf(Asks("A")).Macs(kCookieMac, "b1:b2:b3:b4:b5:b7");
  const Packet answer = PeerFrame(reset)
                            .Vxlan(XLB_PEER_VNI, reset.Build(), 0x08, XLB_TUNNEL_REPLY)
                            .From("192.0.2.1:51000")
                            .To("192.0.2.20:4789")
                            .Macs(kUplinkMac, kWorkerMac);
  ExpectSent(Program::kXdp, Verdict::kTransmit, segment.Build(), answer.Build(), {"answer_reset"});
  ExpectSent(Program::kUplink, Verdict::kRedirect, segment.Build(), answer.Build(), {"answer_reset"});
  node_.backend(1).state = XLB_BACKEND_DOWN;
  Rewrite();
  Unknown(PeerFrame(Asks("S")), "drop.peer_no_task");
  EXPECT_EQ(Flows(), 0u);
}

TEST_F(PeerReceiveTest, ADrainingTaskKeepsWhatThePeerSends) {
  node_.backend(1).state = XLB_BACKEND_DRAINING;
  Rewrite();
  Begin();
}

TEST_F(PeerReceiveTest, TheConnectionFollowsItsClientToAnotherPeer) {
  Begin();
  const Packet frame = PeerFrame(Asks("A"))
                           .Vxlan(XLB_PEER_VNI, Asks("A").Macs(kOtherCookie, kUidMac).Build())
                           .From("198.51.100.5:51000");
  Delivered(frame, AtTask(Asks("A")), {"flow_continued", "forward_local"});
  Delivered(frame, AtTask(Asks("A")), {"forward_local"});
  for (const auto& flow : {FlowOf(Asks("A")), FlowOf(FromTask("A"), XLB_ZONE_TASK)}) {
    ASSERT_TRUE(flow);
    EXPECT_EQ(flow->tunnel_dst, AddressBe(kOtherPeerIp));
  }
}

TEST_F(PeerReceiveTest, TheConnectionFollowsItsClientToThisNode) {
  Delivered(PeerFrame(Asks("S", kService)), AtTask(Asks("S")), {"flow_new", "forward_local"});
  Returned(FromTask("SA"), kService);
  Delivered(ClientTcp("A"), AtTask(ClientTcp("A")), {"flow_continued", "forward_local"});
  ifindex_ = Network().task;
  ExpectSent(Program::kTask, Verdict::kRedirect, FromTask("A").Build(), ToClient(FromTask("A")).Build(),
             {"reply_local"});
  // And back.
  ifindex_ = Network().uplink;
  Delivered(PeerFrame(Asks("A", kService)), AtTask(Asks("A")), {"flow_continued", "forward_local"});
  Returned(FromTask("A"), kService);
}

TEST_F(PeerReceiveTest, AStrangersPacketDoesNotTurnAPeersFlow) {
  Begin();
  for (const Program program : {Program::kXdp, Program::kUplink}) {
    ExpectPassed(program, FromClient(Asks("A")).Build(), {"pass_no_service"});
  }
  Returned(FromTask("SA"), kEntry);
}

TEST_F(PeerReceiveTest, ThePeersNewChoiceIsANewFlow) {
  Use(Node()
          .Address(kNodeIp)
          .Service("tcp", "*", 8091,
                   {WithUid(Local("172.18.0.3", 80), kUidMac), WithUid(Local("172.18.0.4", 80), kOtherUid)})
          .Delivers(1)
          .Delivers(2)
          .Peer(kWorkerIp, kCookieMac));
  Begin();
  const Packet frame = PeerFrame(Asks("S")).Vxlan(XLB_PEER_VNI, Asks("S").Macs(kCookieMac, kOtherUid).Build());
  Delivered(frame, ToTask(Asks("S"), kClient, "172.18.0.4:80", kBridgeMac), {"flow_new", "forward_local"});
  EXPECT_EQ(Flows(), 1u);
  EXPECT_FALSE(FlowOf(FromTask("SA"), XLB_ZONE_TASK));
}

TEST_F(PeerReceiveTest, ASegmentInTheMiddleBeginsTheFlowAnew) {
  Delivered(PeerFrame(Asks("A")), AtTask(Asks("A")), {"flow_new", "forward_local"});
  EXPECT_EQ(FlowOf(Asks("A"))->state, XLB_FLOW_REPLIED);
}

TEST_F(PeerReceiveTest, LowersTheSegmentSizeBothWays) {
  const Packet syn = Asks("S").TcpOptions({2, 4, 0x05, 0xb4});
  Delivered(PeerFrame(syn), AtTask(syn).TcpOptions({2, 4, 0x05, 0x82}), {"flow_new", "forward_local", "mss_clamped"});
  ifindex_ = Network().task;
  tunnel_flags_ = XLB_TUNNEL_REPLY;
  const Packet reply = FromTask("SA").TcpOptions({2, 4, 0x05, 0xb4});
  const Packet inner = Packet(reply).From(kEntry).Macs(kCookieMac, kUidMac).Ttl(63).TcpOptions({2, 4, 0x05, 0x82});
  ExpectTunnelled(Program::kTask, Verdict::kRedirect, reply, inner, {"reply_local", "mss_clamped"});
}

TEST_F(PeerReceiveTest, HandsOnWhatTheTunnelMet) {
  Begin();
  Delivered(PeerFrame(Asks("A").Tos(2)).Tos(3), AtTask(Asks("A").Tos(3)), {"forward_local"});
}

TEST_F(PeerReceiveTest, NothingIsSaidIntoTheTunnelOfATtlThatEnds) {
  Begin();
  Unknown(PeerFrame(Asks("A").Ttl(1)), "drop.ttl");
}

}  // namespace
}  // namespace xlb::test
