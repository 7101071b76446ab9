// A flow's life: its two directions, its ports, its states, and what ends it.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fmt/core.h>
#include <sys/socket.h>

#include "base/unique_fd.h"
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kSnat[] = "192.0.2.1:40000";  // the client's own port, towards the backend
constexpr char kBackend[] = "10.1.0.5:8080";
constexpr char kOther[] = "203.0.113.99:40000";  // another client

class FlowTest : public UplinkTest {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    Use(OneService(Route("10.1.0.5", 8080)));
  }
  static Packet ToBackend(const Packet& packet) { return RoutedTo(packet, kSnat, kBackend); }
  static Packet Reply(std::string_view flags) { return FromClient(Packet::Tcp(kBackend, kSnat).Flags(flags)); }
  static Packet UdpReply() { return FromClient(Packet::Udp(kBackend, kSnat)).Payload("answer"); }

  void Begin() { Sent(ClientTcp("S"), ToBackend(ClientTcp("S")), {"flow_new", "forward_route"}); }
  void BeginUdp() { Sent(ClientUdp(), ToBackend(ClientUdp()), {"flow_new", "forward_route"}); }
  void Forward(std::string_view flags) { Sent(ClientTcp(flags), ToBackend(ClientTcp(flags)), {"forward_route"}); }
  void Answer(std::string_view flags) { Sent(Reply(flags), ToClient(Reply(flags)), {"reply_route"}); }
  void Refuse() { Sent(Reply("RA"), ToClient(Reply("RA")), {"reply_route", "flow_refused"}); }

  // The flow must know this and nothing else.
  void ExpectState(int state, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    const testing::ScopedTrace trace(file, line, "flow state");
    ASSERT_TRUE(FlowOf(ClientTcp("")) && FlowOf(Reply("")));
    EXPECT_EQ(FlowOf(ClientTcp(""))->state, state);
    EXPECT_EQ(FlowOf(Reply(""))->state, state);
  }
};
XLB_BOTH_UPLINK_PROGRAMS(FlowTest);

TEST_P(FlowTest, IsFoundFromBothDirections) {
  Begin();
  EXPECT_EQ(Flows(), 1u);
  const auto flow = FlowOf(ClientTcp("")), reply = FlowOf(Reply(""));
  ASSERT_TRUE(flow && reply);
  EXPECT_EQ(flow->saddr, AddressBe("192.0.2.1"));
  EXPECT_EQ(flow->daddr, AddressBe("10.1.0.5"));
  EXPECT_EQ(flow->sport, PortBe(40000));
  EXPECT_EQ(flow->dport, PortBe(8080));
  EXPECT_EQ(reply->saddr, AddressBe("192.0.2.1"));
  EXPECT_EQ(reply->daddr, AddressBe("203.0.113.7"));
  EXPECT_EQ(reply->sport, PortBe(8091));
  EXPECT_EQ(reply->dport, PortBe(40000));
  EXPECT_EQ(flow->reply, 0);
  EXPECT_EQ(reply->reply, 1);
  EXPECT_EQ(flow->epoch, node_.self.epoch);
  EXPECT_EQ(reply->epoch, 0u) << "its way back is asked for when its first packet comes";
  for (const FlowEntry& entry : {*flow, *reply}) {
    EXPECT_EQ(entry.service, 1u);
    EXPECT_EQ(entry.backend, 1u);
    EXPECT_EQ(entry.generation, node_.backend(1).generation);
    EXPECT_EQ(entry.kind, XLB_KIND_ROUTE);
    EXPECT_EQ(entry.in_ifindex, Network().uplink);
  }
}

TEST_P(FlowTest, FollowsTheHandshakeAndAnOrderlyEnd) {
  Begin();
  ExpectState(0);
  Answer("SA");
  ExpectState(XLB_FLOW_REPLIED);
  Forward("A");
  Forward("PA");
  Answer("A");
  ExpectState(XLB_FLOW_REPLIED);
  Forward("FA");
  ExpectState(XLB_FLOW_REPLIED | XLB_FLOW_FIN_CLIENT);
  Answer("PA");  // half closed: the backend may still send
  ExpectState(XLB_FLOW_REPLIED | XLB_FLOW_FIN_CLIENT);
  Answer("FA");
  ExpectState(XLB_FLOW_REPLIED | XLB_FLOW_FIN_BOTH);
  Forward("A");  // the last acknowledgement still goes its way
}

TEST_P(FlowTest, FollowsAnEndThatTheBackendBegins) {
  Begin();
  Answer("FPA");
  ExpectState(XLB_FLOW_REPLIED | XLB_FLOW_FIN_BACKEND);
  Forward("FA");
  ExpectState(XLB_FLOW_REPLIED | XLB_FLOW_FIN_BOTH);
}

TEST_P(FlowTest, FollowsAReset) {
  Begin();
  Forward("R");
  ExpectState(XLB_FLOW_RESET);
  SetUp();
  Begin();
  Refuse();
  ExpectState(XLB_FLOW_REPLIED | XLB_FLOW_RESET);
}

TEST_P(FlowTest, ASynOnALivingFlowKeepsIt) {
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Route("10.1.0.5", 8080), Route("10.1.0.6", 8080)}));
  Begin();
  Answer("SA");
  Forward("S");
  Forward("S");
  EXPECT_EQ(FlowOf(ClientTcp(""))->backend, 1u);
}

TEST_P(FlowTest, ASynOnAHalfClosedFlowKeepsIt) {
  for (const bool client_closed : {false, true}) {
    SetUp();
    Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Route("10.1.0.5", 8080), Route("10.1.0.6", 8080)}));
    Begin();
    Answer("SA");
    client_closed ? Forward("FA") : Answer("FA");
    Forward("S");
    EXPECT_EQ(FlowOf(ClientTcp(""))->backend, 1u);
  }
}

TEST_P(FlowTest, ASynOnAnEndedFlowChoosesAnew) {
  for (const bool by_reset : {false, true}) {
    SetUp();
    Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Route("10.1.0.5", 8080), Route("10.1.0.6", 8080)}));
    Begin();
    Answer("SA");
    if (by_reset) {
      Answer("R");
    } else {
      Forward("FA");
      Answer("FA");
    }
    const Packet again = ClientTcp("S");
    Sent(again, RoutedTo(again, kSnat, "10.1.0.6:8080"), {"flow_new", "forward_route"});
    EXPECT_EQ(FlowOf(again)->backend, 2u);
    EXPECT_EQ(FlowOf(again)->state, 0);
    EXPECT_FALSE(FlowOf(Reply(""))) << "the old way back is forgotten";
    EXPECT_EQ(Flows(), 1u);
  }
}

TEST_P(FlowTest, APortThatIsTakenTowardsTheBackendIsChanged) {
  Occupy(Packet::Tcp(kBackend, kSnat), kOther);
  const Bytes syn = ClientTcp("S").Build();
  const Outcome outcome = Run(GetParam(), syn, {"flow_new", "forward_route", "port_changed"});
  const uint16_t port = Get16(outcome.frame, kEthernetLength + kIpLength);
  EXPECT_NE(port, 40000);
  EXPECT_GE(port, 1024);
  const std::string snat = fmt::format("192.0.2.1:{}", port);
  const Packet next = ClientTcp("A");
  Sent(next, RoutedTo(next, snat, kBackend), {"forward_route"});
  const Packet answer = FromClient(Packet::Tcp(kBackend, snat).Flags("SA"));
  Sent(answer, ToClient(answer), {"reply_route"});
  EXPECT_EQ(FlowOf(Packet::Tcp(kBackend, kSnat))->daddr, AddressBe("203.0.113.99")) << "the other flow is untouched";
}

TEST_P(FlowTest, ManyClientsWithOnePortGetOneEachAboveTheWellKnownOnes) {
  Begin();
  std::set<uint16_t> ports{40000};
  for (int i = 0; i < 400; i++) {
    const Bytes syn = ClientTcp("S").From(fmt::format("100.64.{}.{}:40000", i / 200, i % 200 + 1)).Build();
    const Outcome outcome = Run(GetParam(), syn, {"flow_new", "forward_route", "port_changed"});
    const uint16_t port = Get16(outcome.frame, kEthernetLength + kIpLength);
    EXPECT_GE(port, 1024);
    EXPECT_TRUE(ports.insert(port).second) << port << " twice";
  }
  EXPECT_EQ(Flows(), 401u);
}

TEST_P(FlowTest, NoPortLeftIsADropAndLeavesNothingBehind) {
  // Each attempt shows a port that would be tried; taking it away uncovers the next one.
  Occupy(Packet::Tcp(kBackend, kSnat), kOther);
  size_t taken = 1;
  for (;; taken++) {
    ASSERT_LT(taken, 100u) << "the search does not end";
    const Outcome outcome = Programs().Run(GetParam(), ClientTcp("S").Build(), {.ifindex = ifindex_});
    if (outcome.verdict == Verdict::kDrop) break;
    const std::string snat = fmt::format("192.0.2.1:{}", Get16(outcome.frame, kEthernetLength + kIpLength));
    EvictFlow(ClientTcp(""));
    Occupy(Packet::Tcp(kBackend, snat), fmt::format("203.0.113.99:{}", taken));
  }
  EXPECT_EQ(taken, 32u);
  Dropped(ClientTcp("S"), {"drop.no_port"});
  EXPECT_FALSE(FlowOf(ClientTcp("")));
  EXPECT_EQ(Flows(), taken);
  // Another client has other ports to try, and the same client another one.
  Run(GetParam(), ClientTcp("S").From("203.0.113.8:40001").Build(), {"flow_new", "forward_route"});
}

// A backend that answers late, after its client was given another one, says nothing of the client's new flow.
TEST_P(FlowTest, ALateReplyOfAnEarlierBackendLeavesTheNewFlowAlone) {
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Route("10.1.0.5", 8080), Route("10.1.0.6", 8080)}));
  Begin();
  EvictFlow(ClientTcp(""));
  const Packet again = ClientTcp("S");
  Sent(again, RoutedTo(again, kSnat, "10.1.0.6:8080"), {"flow_new", "forward_route"});
  Passed(Reply("RA"), {"pass_no_service"});
  EXPECT_EQ(FlowOf(again)->state, 0);
}

// What the host itself says to the backend comes back on the same tuple.
TEST_P(FlowTest, APortThatTheHostUsesItselfIsNotTaken) {
  const UniqueFd own(socket(AF_INET, SOCK_DGRAM, 0));
  const auto address = [](const char* ip, uint16_t port) {
    return sockaddr_in{.sin_family = AF_INET, .sin_port = PortBe(port), .sin_addr = {AddressBe(ip)}, .sin_zero = {}};
  };
  const sockaddr_in here = address(kNodeIp, 40000), there = address("10.1.0.5", 8080);
  ASSERT_EQ(bind(own.get(), reinterpret_cast<const sockaddr*>(&here), sizeof(here)), 0);
  ASSERT_EQ(connect(own.get(), reinterpret_cast<const sockaddr*>(&there), sizeof(there)), 0);
  Run(GetParam(), ClientUdp().Build(), {"flow_new", "forward_route", "port_changed"});
  EXPECT_NE(FlowOf(ClientUdp())->sport, PortBe(40000));
  Begin();  // TCP is another matter
}

TEST_P(FlowTest, ATakenAwayFlowIsGoneInBothDirections) {
  Begin();
  Answer("SA");
  EvictFlow(Reply(""));
  EXPECT_EQ(Flows(), 0u);
  Passed(ClientTcp("A"), {"pass_no_flow"});
  Passed(Reply("A"), {"pass_no_service"});
}

TEST_P(FlowTest, ANewTickIsWritten) {
  Begin();
  Answer("SA");
  const uint32_t seen = FlowOf(Reply(""))->seen;
  NextTick();
  Forward("A");
  EXPECT_NE(FlowOf(ClientTcp(""))->seen, seen);
}

TEST_P(FlowTest, MoreNewFlowsThanTheLimitAreDropped) {
  node_.self.new_flow_limit = 3;
  Rewrite();
  for (int port = 1; port <= 3; port++) {
    Run(GetParam(), ClientTcp("S").From(fmt::format("203.0.113.7:{}", 50000 + port)).Build(),
        {"flow_new", "forward_route"});
  }
  Dropped(ClientTcp("S"), {"drop.new_flow_limit"});
  Dropped(ClientUdp(), {"drop.new_flow_limit"});
  EXPECT_EQ(Flows(), 3u);
  // What lives goes on, and the next tick lets others in.
  Run(GetParam(), ClientTcp("A").From("203.0.113.7:50001").Build(), {"forward_route"});
  NextTick();
  Begin();
}

// More flows than there is room for: new ones get in, at the cost of some that nothing has answered yet.
TEST_P(FlowTest, AFullTableMakesRoom) {
  const Packet first = ClientTcp("S").From("203.0.113.200:1024");
  Programs().Run(GetParam(), first.Build(), {.ifindex = ifindex_});
  for (int i = 0; i < 12000; i++) {
    const Packet syn = ClientTcp("S").From(fmt::format("100.64.{}.{}:{}", i / 250, i % 250, 1024 + i));
    ASSERT_NE(Programs().Run(GetParam(), syn.Build(), {.ifindex = ifindex_}).verdict, Verdict::kDrop) << i;
    ASSERT_TRUE(FlowOf(syn)) << i;
  }
  EXPECT_LE(Flows(), Programs().flows().flows().size());
  EXPECT_GT(Flows(), kTableFlows);
  EXPECT_FALSE(FlowOf(first));
  Packet late = first;
  Passed(late.Flags("A"), {"pass_no_flow"});
}

// Connections that are answered and in use are worth more than one that begins.
TEST_P(FlowTest, ATableFullOfTheLivingTakesNoMore) {
  size_t begun = 0;
  for (int i = 0; i < 6000; i++) {
    const Packet syn = ClientTcp("S").From(fmt::format("100.64.{}.{}:{}", i / 250, i % 250, 1024 + i));
    begun += Programs().Run(GetParam(), syn.Build(), {.ifindex = ifindex_}).verdict != Verdict::kDrop;
    MarkAnswered();
  }
  EXPECT_EQ(Flows(), begun) << "none of them was taken away";
  EXPECT_GT(begun, kTableFlows);
  EXPECT_LT(begun, 6000u);
  Dropped(ClientTcp("S").From("203.0.113.77:4242"), {"drop.flow_table_full"});
}

}  // namespace
}  // namespace xlb::test
