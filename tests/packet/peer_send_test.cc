// At the node that a client's packets come to: they go as they are to xlb on the task's node, and replies come back.
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kNewCookie[] = "d1:d2:d3:d4:d5:d6";
constexpr char kOtherPeerIp[] = "192.0.2.21";
constexpr char kOtherCookie[] = "e1:e2:e3:e4:e5:e6";

xlb_backend PeerBackend(uint8_t flags = XLB_BACKEND_PEER) {
  xlb_backend backend = WithUid(Vxlan("10.0.0.7", 80), kUidMac);
  backend.flags = flags;
  return backend;
}

// What the client sent, as it goes inside the tunnel.
Packet Inside(Packet packet) { return packet.Macs(kCookieMac, kUidMac).Ttl(63); }
Packet Reply(std::string_view flags) { return Packet::Tcp(kService, kClient).Flags(flags); }
Packet ByVxlan(const Packet& packet) { return ToTask(packet, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac); }

class PeerSendTest : public UplinkTest {
 protected:
  void SetUp() override {
    UplinkTest::SetUp();
    UsePeer(OneService(PeerBackend()));
  }
  void UsePeer(Node node) {
    ClearMaps(Programs().maps());
    Use(std::move(node.Peer(kWorkerIp, kCookieMac).Peer(kOtherPeerIp, kOtherCookie)));
    vni_ = XLB_PEER_VNI;
  }
  void Begin() { Tunnelled(ClientTcp("S"), Inside(ClientTcp("S")), {"flow_new", "forward_peer"}); }
};
XLB_BOTH_UPLINK_PROGRAMS(PeerSendTest);

TEST_P(PeerSendTest, TcpGoesAsItCameAndBack) {
  Begin();
  Sent(PeerFrame(Reply("SA"), XLB_TUNNEL_REPLY), ToClient(Reply("SA")), {"reply_peer"});
  const Packet data = ClientTcp("PA").Payload("question").Tos(0xb9).DontFragment();
  Tunnelled(data, Inside(data), {"forward_peer"});
  Sent(PeerFrame(Reply("PA").Payload("answer"), XLB_TUNNEL_REPLY), ToClient(Reply("PA").Payload("answer")),
       {"reply_peer"});
  EXPECT_EQ(Flows(), 1u);
  EXPECT_EQ(BackendStats(1).in.packets, 2u);
  EXPECT_EQ(BackendStats(1).out.packets, 2u);
}

TEST_P(PeerSendTest, UdpGoesAsItCameAndBack) {
  const Packet answer = Packet::Udp(kService, kClient).Payload("answer");
  Tunnelled(ClientUdp(), Inside(ClientUdp()), {"flow_new", "forward_peer"});
  Sent(PeerFrame(answer, XLB_TUNNEL_REPLY), ToClient(answer), {"reply_peer"});
}

// A peer that believes the task to be here, as this node believes it to be there.
TEST_P(PeerSendTest, WhatThePeerSendsBackIsForNoTaskHere) {
  const Packet question = ClientUdp().Payload("long enough for XDP's shortest way");
  Tunnelled(question, Inside(question), {"flow_new", "forward_peer"});
  Dropped(PeerFrame(question), {"drop.peer_no_task"});
}

TEST_P(PeerSendTest, SaysWhenRepliesMayGoToTheClient) {
  UsePeer(OneService(PeerBackend(XLB_BACKEND_PEER | XLB_BACKEND_DIRECT)));
  tunnel_flags_ = XLB_TUNNEL_DIRECT;
  Begin();
}

TEST_P(PeerSendTest, KnowsOfAnswersThatItDoesNotSeeByTheClient) {
  UsePeer(OneService(PeerBackend(XLB_BACKEND_PEER | XLB_BACKEND_DIRECT)));
  tunnel_flags_ = XLB_TUNNEL_DIRECT;
  Begin();
  EXPECT_EQ(FlowOf(ClientTcp("S"))->state, 0);
  Tunnelled(ClientTcp("A"), Inside(ClientTcp("A")), {"forward_peer"});
  EXPECT_EQ(FlowOf(ClientTcp("S"))->state, XLB_FLOW_REPLIED) << "else it would be forgotten within a minute";
  Tunnelled(ClientTcp("FA"), Inside(ClientTcp("FA")), {"forward_peer"});
  EXPECT_EQ(FlowOf(ClientTcp("S"))->state, XLB_FLOW_REPLIED | XLB_FLOW_FIN_BOTH);
  Tunnelled(ClientTcp("A"), Inside(ClientTcp("A")), {"forward_peer"});
  Begin();  // on the same ports
  EXPECT_EQ(FlowOf(ClientTcp("S"))->state, 0);
}

TEST_P(PeerSendTest, NotForAServiceWithoutClientsAddresses) {
  UsePeer(OneService(PeerBackend()));
  for (uint32_t id : {1, 2}) node_.service(id).flags = XLB_SERVICE_SNAT;
  Rewrite();
  vni_ = kVni;
  Tunnelled(ClientTcp("S"), ByVxlan(ClientTcp("S")), {"flow_new", "forward_vxlan"});
}

TEST_P(PeerSendTest, NotToANodeWithoutXlb) {
  UsePeer(OneService(PeerBackend(0)));
  vni_ = kVni;
  Tunnelled(ClientTcp("S"), ByVxlan(ClientTcp("S")), {"flow_new", "forward_vxlan"});
}

TEST_P(PeerSendTest, NotWithoutACookie) {
  ClearMaps(Programs().maps());
  Use(OneService(PeerBackend()));
  vni_ = kVni;
  Tunnelled(ClientTcp("S"), ByVxlan(ClientTcp("S")), {"flow_new", "forward_vxlan"});
}

// Before the task has answered, and in the full course of the flow.
TEST_P(PeerSendTest, RepliesOfStrangersGetNowhere) {
  Begin();
  for (const char* flags : {"SA", "PA"}) {
    const Packet reply = PeerFrame(Reply(flags), XLB_TUNNEL_REPLY);
    const auto with_cookie = [&](const char* cookie) {
      return Packet(reply).Vxlan(XLB_PEER_VNI, Reply(flags).Macs(cookie, kUidMac).Build(), 0x08, XLB_TUNNEL_REPLY);
    };
    const auto state = FlowOf(ClientTcp("S"))->state;
    Dropped(Packet(reply).From("192.0.2.66:51000"), {"drop.peer_unknown"});
    Dropped(with_cookie("c1:c2:c3:c4:c5:c7"), {"drop.peer_unknown"});
    Dropped(with_cookie(kNoMac), {"drop.peer_unknown"});  // as the old cookie is when there is none
    // A node of the swarm, but not the one that runs the task.
    Dropped(with_cookie(kOtherCookie).From("192.0.2.21:51000"), {"drop.peer_no_flow"});
    EXPECT_EQ(FlowOf(ClientTcp("S"))->state, state);
    Sent(reply, ToClient(Reply(flags)), {"reply_peer"});
  }
}
TEST_P(PeerSendTest, RepliesOfNoFlow) {
  Dropped(PeerFrame(Reply("SA"), XLB_TUNNEL_REPLY), {"drop.peer_no_flow"});
  Begin();
  Dropped(PeerFrame(Reply("SA").To("203.0.113.7:40001"), XLB_TUNNEL_REPLY), {"drop.peer_no_flow"});
  EXPECT_EQ(Flows(), 1u);
}

TEST_P(PeerSendTest, AReplyOutsideTheTunnelIsNone) {
  Begin();
  Passed(FromClient(Reply("SA")), {"pass_no_service"});
}

TEST_P(PeerSendTest, FollowsACookieThatChanges) {
  Begin();
  const auto newer = [](Packet packet) { return packet.Macs(kNewCookie, kUidMac); };
  UsePeer(OneService(PeerBackend()).Peer(kWorkerIp, kNewCookie, kCookieMac));
  Use(std::move(node_.Peer(kWorkerIp, kNewCookie, kCookieMac)));
  vni_ = XLB_PEER_VNI;
  Tunnelled(ClientTcp("S"), newer(Inside(ClientTcp("S"))), {"flow_new", "forward_peer"});
  // The other side is slower, or faster.
  Sent(PeerFrame(Reply("SA"), XLB_TUNNEL_REPLY), ToClient(Reply("SA")), {"reply_peer"});
  const Packet reply =
      PeerFrame(Reply("A"), XLB_TUNNEL_REPLY).Vxlan(XLB_PEER_VNI, newer(Reply("A")).Build(), 0x08, XLB_TUNNEL_REPLY);
  Sent(reply, ToClient(Reply("A")), {"reply_peer"});
}

TEST_P(PeerSendTest, EndsWithTheWay) {
  Begin();
  node_.backend(1).flags = 0;
  RaiseEpoch();
  Sent(ClientTcp("A"), ResetOf(ClientTcp("A")), {"flow_gone", "answer_reset"});
}

TEST_P(PeerSendTest, AFlowWithAnotherSourceGoesOnWhenTheWayOpens) {
  UsePeer(OneService(PeerBackend(0)));
  vni_ = kVni;
  Tunnelled(ClientTcp("S"), ByVxlan(ClientTcp("S")), {"flow_new", "forward_vxlan"});
  for (uint32_t id : {1, 2}) node_.backend(id).flags = XLB_BACKEND_PEER;
  RaiseEpoch();
  Tunnelled(ClientTcp("A"), ByVxlan(ClientTcp("A")), {"forward_vxlan", "flow_revalidated"});
}

// Every node chooses the same backend for the same client with Maglev's hash: a segment of a connection that began at
// another node goes on.
TEST_P(PeerSendTest, GoesOnInTheMiddleOfAConnection) {
  UsePeer(Node().Address(kNodeIp).Service("tcp", "*", 8091, {PeerBackend()}, XLB_PICK_HASH));
  Tunnelled(ClientTcp("PA").Payload("x"), Inside(ClientTcp("PA").Payload("x")),
            {"flow_new", "flow_continued", "forward_peer"});
  EXPECT_EQ(FlowOf(ClientTcp("A"))->state, XLB_FLOW_REPLIED);
}

TEST_P(PeerSendTest, DoesNotGoOnWhereTheBackendMightBeAnother) {
  const auto passes = [this](Node node, const Packet& packet) {
    UsePeer(std::move(node));
    Passed(packet, {"pass_no_flow"});
  };
  const auto hashed = [](const xlb_backend& backend) {
    return Node().Address(kNodeIp).Service("tcp", "*", 8091, {backend}, XLB_PICK_HASH);
  };
  passes(OneService(PeerBackend()), ClientTcp("A"));
  passes(hashed(PeerBackend()), ClientTcp("R"));
  passes(hashed(PeerBackend()), ClientTcp("SA"));
  passes(hashed(PeerBackend(0)), ClientTcp("A"));  // by full NAT, the task knows another client
  passes(hashed(PeerBackend()).Flags(XLB_SERVICE_SNAT), ClientTcp("A"));
  EXPECT_EQ(Flows(), 0u);
}

TEST_P(PeerSendTest, LowersTheSegmentSize) {
  const Packet syn = ClientTcp("S").TcpOptions({2, 4, 0x05, 0xb4});
  Tunnelled(syn, Inside(syn).TcpOptions({2, 4, 0x05, 0x82}), {"flow_new", "forward_peer", "mss_clamped"});
}

TEST_P(PeerSendTest, TellsTheSenderOfWhatDoesNotFit) {
  Begin();
  const Bytes large = ClientTcp("A").PayloadOf(1411).DontFragment().Build();
  const Outcome outcome = Run(GetParam(), large, {"answer_too_big"});
  EXPECT_EQ(outcome.verdict, Back());
}

}  // namespace
}  // namespace xlb::test
