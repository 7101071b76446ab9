// The way there and back for each kind of backend: first packets, hits, replies.
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

class ForwardTest : public UplinkTest {};
XLB_BOTH_UPLINK_PROGRAMS(ForwardTest);

TEST_P(ForwardTest, TcpToARoutedBackend) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet syn = ClientTcp("S").TcpOptions({2, 4, 0x05, 0xb4});
  Sent(syn, RoutedTo(syn, "192.0.2.1:40000", "10.1.0.5:8080"), {"flow_new", "forward_route"});

  const Packet answer = FromClient(Packet::Tcp("10.1.0.5:8080", "192.0.2.1:40000").Flags("SA"));
  Sent(answer, ToClient(answer), {"reply_route"});
  const Packet data = ClientTcp("PA").Payload("GET / HTTP/1.1\r\n\r\n");
  Sent(data, RoutedTo(data, "192.0.2.1:40000", "10.1.0.5:8080"), {"forward_route"});
}

TEST_P(ForwardTest, UdpToARoutedBackend) {
  Use(OneService(Route("10.1.0.5", 53)));
  const Packet question = ClientUdp();
  Sent(question, RoutedTo(question, "192.0.2.1:40000", "10.1.0.5:53"), {"flow_new", "forward_route"});
  Sent(question, RoutedTo(question, "192.0.2.1:40000", "10.1.0.5:53"), {"forward_route"});
  const Packet answer = FromClient(Packet::Udp("10.1.0.5:53", "192.0.2.1:40000").Payload("answer"));
  Sent(answer, ToClient(answer), {"reply_route"});
}

TEST_P(ForwardTest, TcpToATaskOnAnotherNode) {
  Use(OneService(Vxlan("10.0.0.7", 80)));
  const Packet syn = ClientTcp("S");
  Tunnelled(syn, ToTask(syn, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac), {"flow_new", "forward_vxlan"});
  const Packet data = ClientTcp("PA").Payload("GET / HTTP/1.1\r\n\r\n");
  Tunnelled(data, ToTask(data, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac), {"forward_vxlan"});

  const Packet answer = Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Macs(kTaskMac, kIngressMac).Flags("SA");
  Sent(Wrapped(answer), ToClient(answer), {"reply_vxlan"});
}

TEST_P(ForwardTest, UdpToATaskOnAnotherNode) {
  Use(OneService(Vxlan("10.0.0.7", 53)));
  const Packet question = ClientUdp();
  Tunnelled(question, ToTask(question, "10.0.0.2:40000", "10.0.0.7:53", kIngressMac), {"flow_new", "forward_vxlan"});
  const Packet answer = Packet::Udp("10.0.0.7:53", "10.0.0.2:40000").Macs(kTaskMac, kIngressMac).PayloadOf(1200);
  Sent(Wrapped(answer), ToClient(answer), {"reply_vxlan"});
}

// RFC 7348 4.1 lets a sender fill in the outer UDP checksum; the kernel's device takes both.
TEST_P(ForwardTest, AReplyWithAnOuterChecksumIsTaken) {
  Use(OneService(Vxlan("10.0.0.7", 80)));
  Programs().Run(GetParam(), ClientTcp("S").Build(), {.ifindex = ifindex_});
  const Packet answer = Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Macs(kTaskMac, kIngressMac).Flags("SA");
  Sent(Wrapped(answer).ForceL4Checksum(0xabcd), ToClient(answer), {"reply_vxlan"});
}

// Padding to Ethernet's least length is no part of the IP packet: it may stay behind it, but counts in no length.
TEST_P(ForwardTest, EthernetPaddingStaysOutOfEveryLength) {
  Use(OneService(Vxlan("10.0.0.7", 80)));
  const Packet syn = ClientTcp("S").Trailer(6);
  const Outcome outcome = Run(GetParam(), syn.Build(), {"flow_new", "forward_vxlan"});
  ASSERT_EQ(outcome.frame.size(), syn.Build().size() + 50);
  EXPECT_EQ(Get16(outcome.frame, kEthernetLength + 2), 20 + 8 + 8 + 14 + 40);         // outer IP
  EXPECT_EQ(Get16(outcome.frame, kEthernetLength + kIpLength + 4), 8 + 8 + 14 + 40);  // outer UDP
}

// The outer source port spreads flows over the paths between two nodes, and the ID keeps fragments of the outer packet
// apart (the outer header does not forbid fragmentation).
TEST_P(ForwardTest, TheTunnelKeepsPacketsOfAFlowTogetherAndFlowsApart) {
  Use(OneService(Vxlan("10.0.0.7", 80)));
  std::set<uint16_t> ports, ids;
  for (uint16_t client_port = 41000; client_port < 41016; client_port++) {
    Packet syn = ClientTcp("S").From("203.0.113.7:" + std::to_string(client_port));
    const std::string inner_source = "10.0.0.2:" + std::to_string(client_port);
    const Chosen first =
        Tunnelled(syn, ToTask(syn, inner_source, "10.0.0.7:80", kIngressMac), {"flow_new", "forward_vxlan"});
    Packet next = syn.Flags("A").Id(static_cast<uint16_t>(syn.id() + 1));
    const Chosen second = Tunnelled(next, ToTask(next, inner_source, "10.0.0.7:80", kIngressMac), {"forward_vxlan"});
    EXPECT_EQ(first.port, second.port);
    EXPECT_NE(first.id, second.id);
    ports.insert(first.port);
  }
  EXPECT_GT(ports.size(), 12u);
}

TEST_P(ForwardTest, WhatAFlowsTrafficAddsToItsServiceAndBackend) {
  Use(Node()
          .Address(kNodeIp)
          .Service("udp", "*", 53, {Route("10.1.0.9")})
          .Service("tcp", "*", 8091, {Route("10.1.0.5")}));
  const Packet syn = ClientTcp("S"), data = ClientTcp("PA").PayloadOf(700);
  Sent(syn, RoutedTo(syn, "192.0.2.1:40000", "10.1.0.5:8091"), {"flow_new", "forward_route"});
  Sent(data, RoutedTo(data, "192.0.2.1:40000", "10.1.0.5:8091"), {"forward_route"});
  const Packet answer = FromClient(Packet::Tcp("10.1.0.5:8091", "192.0.2.1:40000").PayloadOf(99));
  Sent(answer, ToClient(answer), {"reply_route"});

  for (const xlb_stats& stats : {ServiceStats(2), BackendStats(2)}) {
    EXPECT_EQ(stats.flows, 1u);
    EXPECT_EQ(stats.in.packets, 2u);
    EXPECT_EQ(stats.in.bytes, syn.Build().size() + data.Build().size());
    EXPECT_EQ(stats.out.packets, 1u);
    EXPECT_EQ(stats.out.bytes, answer.Build().size());
  }
  EXPECT_EQ(ServiceStats(1).in.packets + BackendStats(1).in.packets, 0u);
}

// The client's own address goes on to a task on this node; only TC can hand the packet to a container.
class LocalTest : public PacketTest {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    Use(OneService(Local("172.18.0.3", 80)));
  }
  void Deliver(const Packet& packet, const Names& counted) {
    ExpectSent(Program::kUplink, Verdict::kRedirect, packet.Build(),
               ToTask(packet, kClient, "172.18.0.3:80", kBridgeMac).Build(), counted);
  }
  Packet Reply(Packet packet) { return packet.From("172.18.0.3:80").To(kClient).Macs(kTaskMac, kBridgeMac); }
};

TEST_F(LocalTest, XdpMakesTheFlowAndLeavesThePacketToTc) {
  const Packet syn = ClientTcp("S");
  ExpectPassed(Program::kXdp, syn.Build(), {"flow_new", "pass_to_tc"});
  ASSERT_TRUE(FlowOf(syn));
  EXPECT_EQ(FlowOf(syn)->ifindex, Network().task);
  Deliver(syn, {"forward_local"});
  const Packet data = ClientTcp("PA").Payload("hello");
  ExpectPassed(Program::kXdp, data.Build(), {"pass_to_tc"});
  Deliver(data, {"forward_local"});
}

TEST_F(LocalTest, TcAloneDoesAllOfIt) {
  Deliver(ClientTcp("S"), {"flow_new", "forward_local"});
  Deliver(ClientUdp(), {"flow_new", "forward_local"});
}

TEST_F(LocalTest, TheTasksReplyGoesToTheClientUnderTheServicesAddress) {
  Deliver(ClientTcp("S"), {"flow_new", "forward_local"});
  const Packet answer = Reply(Packet::Tcp("0.0.0.0", "0.0.0.0").Flags("SA"));
  ifindex_ = Network().task;
  ExpectSent(Program::kTask, Verdict::kRedirect, answer.Build(), ToClient(answer).Build(), {"reply_local"});
  const Packet data = Reply(Packet::Tcp("0.0.0.0", "0.0.0.0").Flags("PA").PayloadOf(1400));
  ExpectSent(Program::kTask, Verdict::kRedirect, data.Build(), ToClient(data).Build(), {"reply_local"});
}

// A task that is on a network with the client's address would look for the client there.
TEST_F(LocalTest, AClientInANetworkOfTasksIsSeenAsTheNode) {
  Node node = OneService(Local("172.18.0.3", 80));
  node.self.bridge_addr = AddressBe("172.18.0.1");
  node.self.task_networks[0] = {AddressBe("10.0.0.0"), AddressBe("255.255.255.0")};
  node.self.task_networks[7] = {AddressBe("198.51.100.0"), AddressBe("255.255.255.0")};
  Use(node);
  const auto from = [](const std::string& client) { return ClientTcp("S").From(client); };
  for (const auto& [address, port] : {std::pair("198.51.100.9:", "40009"), std::pair("10.0.0.9:", "40010")}) {
    const Packet syn = from(std::string(address) + port);
    ExpectSent(Program::kUplink, Verdict::kRedirect, syn.Build(),
               ToTask(syn, std::string("172.18.0.1:") + port, "172.18.0.3:80", kBridgeMac).Build(),
               {"flow_new", "forward_local"});
  }
  const Packet other = from("198.51.101.9:40009");
  ExpectSent(Program::kUplink, Verdict::kRedirect, other.Build(),
             ToTask(other, "198.51.101.9:40009", "172.18.0.3:80", kBridgeMac).Build(), {"flow_new", "forward_local"});
}

TEST_F(LocalTest, WhatElseATaskSendsIsItsOwnAffair) {
  Deliver(ClientTcp("S"), {"flow_new", "forward_local"});
  ifindex_ = Network().task;
  const Packet other_port = Reply(Packet::Tcp("0.0.0.0", "0.0.0.0")).From("172.18.0.3:8080");
  ExpectPassed(Program::kTask, other_port.Build(), {"pass_no_service"});
  ExpectPassed(Program::kTask, Packet::ArpRequest("172.18.0.3", "172.18.0.1").Build(), {"pass_link"});
  ExpectPassed(Program::kTask, Reply(Packet::Icmp("0.0.0.0", "0.0.0.0")).Build(), {"pass_protocol"});
}

TEST_F(LocalTest, TheSameTupleOnAnUplinkIsNotATasksReply) {
  Deliver(ClientTcp("S"), {"flow_new", "forward_local"});
  const Packet forged = FromClient(Packet::Tcp("172.18.0.3:80", kClient).Flags("SA"));
  ExpectPassed(Program::kUplink, forged.Build(), {"pass_no_service"});
  ExpectPassed(Program::kXdp, forged.Build(), {"pass_no_service"});
}

// Whoever sees a flow's first packet, the other program knows it.
class SharedFlowsTest : public PacketTest {};

TEST_F(SharedFlowsTest, WhatXdpBeganTcGoesOnWithAndTheOtherWayRound) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet syn = ClientTcp("S"), ack = ClientTcp("A");
  ExpectSent(Program::kXdp, Verdict::kTransmit, syn.Build(), RoutedTo(syn, "192.0.2.1:40000", "10.1.0.5:8080").Build(),
             {"flow_new", "forward_route"});
  ExpectSent(Program::kUplink, Verdict::kRedirect, ack.Build(),
             RoutedTo(ack, "192.0.2.1:40000", "10.1.0.5:8080").Build(), {"forward_route"});
  const Packet udp = ClientUdp();
  ExpectSent(Program::kUplink, Verdict::kRedirect, udp.Build(),
             RoutedTo(udp, "192.0.2.1:40000", "10.1.0.5:8080").Build(), {"flow_new", "forward_route"});
  ExpectSent(Program::kXdp, Verdict::kTransmit, udp.Build(), RoutedTo(udp, "192.0.2.1:40000", "10.1.0.5:8080").Build(),
             {"forward_route"});
}

}  // namespace
}  // namespace xlb::test
