// Where a packet leaves, as the kernel's FIB has it: other uplinks, unknown neighbours, no way at all, and changes.
#include <arpa/inet.h>

#include "packet/packet_test.h"
#include "packet/packet_text.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kSnat[] = "192.0.2.1:40000";

class NexthopTest : public UplinkTest {
 protected:
  // What TC redirects by neighbour: the kernel writes the MAC addresses when it knows them.
  static Packet WithoutMacs(const Packet& packet, const char* address) {
    return RoutedTo(packet, kSnat, std::string(address) + ":8080").Macs(kNoMac, kNoMac);
  }
};
XLB_BOTH_UPLINK_PROGRAMS(NexthopTest);

TEST_P(NexthopTest, ANeighbourThatIsNotKnownIsTheKernelsToAskFor) {
  for (const char* address : {kSilentIp, kBehindSilentIp}) {
    SetUp();
    Use(OneService(Route(address, 8080)));
    const Packet syn = ClientTcp("S");
    if (IsXdp()) {
      Passed(syn, {"flow_new", "pass_to_tc"});
      Passed(syn, {"pass_to_tc"});
    } else {
      Sent(syn, WithoutMacs(syn, address), {"flow_new", "forward_route"});
      Sent(syn, WithoutMacs(syn, address), {"forward_route"});
    }
    EXPECT_EQ(FlowOf(syn)->epoch, 0u) << "it is asked for again with every packet";
  }
}

TEST_P(NexthopTest, AWorkerThatIsNotKnownIsTheKernelsToAskFor) {
  xlb_backend backend = Vxlan("10.0.0.7", 80);
  backend.tunnel_dst = AddressBe(kSilentIp);
  Use(OneService(backend));
  if (IsXdp()) {
    Passed(ClientTcp("S"), {"flow_new", "pass_to_tc"});
    return;
  }
  const Outcome outcome = Run(Program::kUplink, ClientTcp("S").Build(), {"flow_new", "forward_vxlan"});
  EXPECT_EQ(ToString(outcome.verdict), "redirect");
  EXPECT_EQ(MacText(outcome.frame, 0), kNoMac);
  EXPECT_EQ(IpText(Get32(outcome.frame, kEthernetLength + 16)), kSilentIp);
}

TEST_P(NexthopTest, AnotherUplink) {
  const Packet syn = ClientTcp("S");
  const auto expected = [&syn] { return RoutedTo(syn, kSnat, "198.51.100.5:8080").Macs(kUplink2Mac, kOtherUplinkMac); };
  if (!IsXdp()) {
    Use(OneService(Route(kOtherUplinkIp, 8080)));
    Sent(syn, expected(), {"flow_new", "forward_route"});
    EXPECT_EQ(FlowOf(syn)->ifindex, Network().uplink2);
    return;
  }
  Use(OneService(Route(kOtherUplinkIp, 8080)));  // no uplink of ours
  Passed(syn, {"flow_new", "pass_to_tc"});
  Use(OneService(Route(kOtherUplinkIp, 8080)).Uplink(Network().uplink2, false));
  Passed(syn, {"pass_to_tc"});
  Use(OneService(Route(kOtherUplinkIp, 8080)).Uplink(Network().uplink2, true));
  ExpectSent(Program::kXdp, Verdict::kRedirect, syn.Build(), expected().Build(), {"forward_route"});
  EXPECT_EQ(FlowOf(syn)->ifindex, Network().uplink2);
}

// The device that a frame came in by needs no entry: the program runs there, so it can send there.
TEST_P(NexthopTest, AReplyThatComesInByAnotherUplinkThanItLeavesBy) {
  Use(OneService(Route(kOtherUplinkIp, 8080)).Uplink(Network().uplink, true).Uplink(Network().uplink2, true));
  Programs().Run(GetParam(), ClientTcp("S").Build(), {.ifindex = ifindex_});
  ifindex_ = Network().uplink2;
  const Packet answer = Packet::Tcp("198.51.100.5:8080", kSnat).Macs(kOtherUplinkMac, kUplink2Mac).Flags("SA");
  ExpectSent(GetParam(), Verdict::kRedirect, answer.Build(), ToClient(answer).Build(), {"reply_route"});
}

TEST_P(NexthopTest, NoRouteIsANamedDrop) {
  Use(OneService(Route(kUnreachableIp, 8080)));
  Dropped(ClientTcp("S"), {"flow_new", "drop.no_route"});
  Dropped(ClientTcp("S"), {"drop.no_route"});
  Dropped(ClientUdp(), {"flow_new", "drop.no_route"});
}

// An address of the node itself is no place to send a frame to.
TEST_P(NexthopTest, ABackendThatIsTheNodeItself) {
  Use(OneService(Route(kNodeIp2, 8080)));
  Dropped(ClientTcp("S"), {"flow_new", "drop.no_route"});
}

class ForwardingOff {
 public:
  ForwardingOff() { SetForwarding(false); }
  ~ForwardingOff() { SetForwarding(true); }
};

TEST_P(NexthopTest, WithoutForwardingTheKernelRoutes) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const ForwardingOff off;
  const Packet syn = ClientTcp("S");
  if (IsXdp()) {
    Passed(syn, {"flow_new", "pass_to_tc"});
  } else {
    Sent(syn, WithoutMacs(syn, "10.1.0.5"), {"flow_new", "forward_route"});
  }
}

TEST_P(NexthopTest, AChangedNeighbourIsFoundWhenTheEpochMoves) {
  constexpr char kNewMac[] = "02:00:00:00:00:fd";
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet syn = ClientTcp("S"), ack = ClientTcp("A");
  Sent(syn, RoutedTo(syn, kSnat, "10.1.0.5:8080"), {"flow_new", "forward_route"});
  ASSERT_TRUE(ChangeNetwork("neighbor replace 192.0.2.254 lladdr 02:00:00:00:00:fd dev up0 nud permanent\n").ok());
  Sent(ack, RoutedTo(ack, kSnat, "10.1.0.5:8080"), {"forward_route"});
  RaiseEpoch();
  Sent(ack, RoutedTo(ack, kSnat, "10.1.0.5:8080").Macs(kUplinkMac, kNewMac), {"forward_route", "flow_revalidated"});
  Sent(ack, RoutedTo(ack, kSnat, "10.1.0.5:8080").Macs(kUplinkMac, kNewMac), {"forward_route"});
  ASSERT_TRUE(ChangeNetwork("neighbor replace 192.0.2.254 lladdr 02:00:00:00:00:fe dev up0 nud permanent\n").ok());
}

// A new flow goes the way that the last one to the same backend found, as long as nothing changed; without a word of
// xlbd's no longer than a tick.
TEST_P(NexthopTest, NewFlowsTakeAWayThatIsKnown) {
  constexpr char kNewMac[] = "02:00:00:00:00:fd";
  const auto use_gateway = [](const char* mac) {
    return ChangeNetwork("neighbor replace 192.0.2.254 lladdr " + std::string(mac) + " dev up0 nud permanent\n").ok();
  };
  Use(OneService(Route("10.1.0.5", 8080)));
  node_.self.tick_shift = 31;  // the clock stands still
  Rewrite();
  const auto begins = [this](const std::string& port, const char* mac) {
    const Packet syn = ClientTcp("S").From("203.0.113.1:" + port);
    Sent(syn, RoutedTo(syn, "192.0.2.1:" + port, "10.1.0.5:8080").Macs(kUplinkMac, mac), {"flow_new", "forward_route"});
  };
  begins("40001", kGatewayMac);
  ASSERT_TRUE(use_gateway(kNewMac));
  begins("40002", kGatewayMac);
  RaiseEpoch();
  begins("40003", kNewMac);
  ASSERT_TRUE(use_gateway(kGatewayMac));
  begins("40004", kNewMac);
  node_.self.tick_shift = 0;  // another tick
  Rewrite();
  begins("40005", kGatewayMac);
}

// The same backend, another question: what is kept is for the same device, addresses and protocol.
TEST_P(NexthopTest, AWayThatIsKnownIsForTheSameDevice) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet first = ClientTcp("S").From("203.0.113.1:40001");
  Sent(first, RoutedTo(first, "192.0.2.1:40001", "10.1.0.5:8080"), {"flow_new", "forward_route"});
  ASSERT_TRUE(ChangeNetwork("rule add iif up1 lookup 100\nroute add unreachable default table 100\n").ok());
  ifindex_ = Network().uplink2;
  const Packet second = ClientTcp("S").From("203.0.113.1:40002").Macs(kOtherUplinkMac, kUplink2Mac);
  Dropped(second, {"flow_new", "drop.no_route"});
  ASSERT_TRUE(ChangeNetwork("rule delete iif up1 lookup 100\nroute flush table 100\n").ok());
}

TEST_P(NexthopTest, AWayThatIsKnownIsForTheSameProtocol) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet first = ClientTcp("S");
  Sent(first, RoutedTo(first, kSnat, "10.1.0.5:8080"), {"flow_new", "forward_route"});
  ASSERT_TRUE(ChangeNetwork("rule add ipproto udp lookup 100\nroute add unreachable default table 100\n").ok());
  node_.service(2).ring_off = node_.service(1).ring_off;  // TCP and UDP share the backend, and so its place
  Rewrite();
  Dropped(ClientUdp(), {"flow_new", "drop.no_route"});
  ASSERT_TRUE(ChangeNetwork("rule delete ipproto udp lookup 100\nroute flush table 100\n").ok());
}

TEST_P(NexthopTest, AWayThatIsKnownIsForTheSameAddresses) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet first = ClientTcp("S").From("203.0.113.1:40001");
  Sent(first, RoutedTo(first, "192.0.2.1:40001", "10.1.0.5:8080"), {"flow_new", "forward_route"});
  Use(OneService(Route(kUnreachableIp, 8080)));  // the same id
  Dropped(ClientTcp("S").From("203.0.113.1:40002"), {"flow_new", "drop.no_route"});

  ASSERT_TRUE(ChangeNetwork("rule add from 192.0.2.2 lookup 100\nroute add unreachable default table 100\n").ok());
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet third = ClientTcp("S").From("203.0.113.1:40003");
  Sent(third, RoutedTo(third, "192.0.2.1:40003", "10.1.0.5:8080"), {"flow_new", "forward_route"});
  node_.backend(1).snat_addr = AddressBe("192.0.2.2");
  Rewrite();
  Dropped(ClientTcp("S").From("203.0.113.1:40004"), {"flow_new", "drop.no_route"});
  ASSERT_TRUE(ChangeNetwork("rule delete from 192.0.2.2 lookup 100\nroute flush table 100\n").ok());
}

TEST_P(NexthopTest, ARouteThatGoesAndComesAgain) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet syn = ClientTcp("S"), ack = ClientTcp("A");
  Sent(syn, RoutedTo(syn, kSnat, "10.1.0.5:8080"), {"flow_new", "forward_route"});
  ASSERT_TRUE(ChangeNetwork("route add unreachable 10.1.0.5/32\n").ok());
  RaiseEpoch();
  Dropped(ack, {"drop.no_route"});
  ASSERT_TRUE(ChangeNetwork("route delete unreachable 10.1.0.5/32\n").ok());
  Sent(ack, RoutedTo(ack, kSnat, "10.1.0.5:8080"), {"forward_route", "flow_revalidated"});
}

// A task's reply is routed as if it came by the uplink that the client came by, not by the bridge it came out of.
class TaskNexthopTest : public PacketTest {};

TEST_F(TaskNexthopTest, ReplyOfALocalTask) {
  Use(OneService(Local("172.18.0.3", 80)));
  ifindex_ = Network().uplink2;
  const Packet syn = Packet::Tcp(kClient, "198.51.100.1:8091").Macs(kOtherUplinkMac, kUplink2Mac).Flags("S");
  Run(Program::kUplink, syn.Build(), {"flow_new", "forward_local"});
  EXPECT_EQ(FlowOf(syn)->in_ifindex, Network().uplink2);

  ifindex_ = Network().task;
  const Packet answer = Packet::Tcp("172.18.0.3:80", kClient).Macs(kTaskMac, kBridgeMac).Flags("SA");
  ASSERT_TRUE(ChangeNetwork("rule add iif up1 lookup 100\nroute add default via 198.51.100.5 table 100\n").ok());
  ExpectSent(Program::kTask, Verdict::kRedirect, answer.Build(),
             RoutedTo(answer, "198.51.100.1:8091", kClient).Macs(kUplink2Mac, kOtherUplinkMac).Build(),
             {"reply_local"});
  ASSERT_TRUE(ChangeNetwork("rule delete iif up1 lookup 100\nroute flush table 100\n").ok());
}

TEST_F(TaskNexthopTest, ReplyToAClientWithoutARoute) {
  Use(OneService(Local("172.18.0.3", 80)));
  const Packet syn = ClientTcp("S").From("10.99.0.5:40000");
  Run(Program::kUplink, syn.Build(), {"flow_new", "forward_local"});
  ifindex_ = Network().task;
  const Packet answer = Packet::Tcp("172.18.0.3:80", "10.99.0.5:40000").Macs(kTaskMac, kBridgeMac).Flags("SA");
  ExpectDropped(Program::kTask, answer.Build(), {"drop.no_route"});
}

TEST_F(TaskNexthopTest, ReplyToAClientThatIsNotKnown) {
  Use(OneService(Local("172.18.0.3", 80)));
  const Packet syn = ClientTcp("S").From("192.0.2.66:40000");
  Run(Program::kUplink, syn.Build(), {"flow_new", "forward_local"});
  ifindex_ = Network().task;
  const Packet answer = Packet::Tcp("172.18.0.3:80", "192.0.2.66:40000").Macs(kTaskMac, kBridgeMac).Flags("SA");
  ExpectSent(Program::kTask, Verdict::kRedirect, answer.Build(),
             RoutedTo(answer, kService, "192.0.2.66:40000").Macs(kNoMac, kNoMac).Build(), {"reply_local"});
}

}  // namespace
}  // namespace xlb::test
