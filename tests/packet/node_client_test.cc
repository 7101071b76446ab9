// Clients on the node itself: its own processes, seen where the node sends (lo, docker_gwbridge), and containers, seen
// at their veths. No route leads to them: they are answered by the device that their packets were seen at.
#include "packet/icmp_error.h"
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kBridgeIp[] = "172.18.0.1";
constexpr char kSandboxIp[] = "172.18.0.2";
constexpr char kSandboxMac[] = "02:42:ac:12:00:02";
constexpr char kLoopback[] = "127.0.0.1:8091";
constexpr uint32_t kLo = 1;

class NodeClientTest : public PacketTest {
 protected:
  void Serve(const xlb_backend& backend) {
    Node node = OneService(backend);
    node.Address(kBridgeIp);
    node.self.bridge_addr = AddressBe(kBridgeIp);
    node.self.sandbox_addr = AddressBe(kSandboxIp);
    Use(std::move(node));
  }
  // One that the node sends by lo, where MAC addresses are nobody's.
  static Packet OnLo(Packet packet) { return packet.Macs(kNoMac, kNoMac); }
  static Packet FromHost(std::string_view client, std::string_view service, std::string_view flags = "S") {
    return OnLo(Packet::Tcp(client, service).Flags(flags));
  }
  static Packet ToRemoteTask(const Packet& packet) {
    return ToTask(packet, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac);
  }
  // A TCP answer of the task: tunnelled from another node, or out of its own veth.
  void Tunnelled(const Packet& packet, const Names& counted) {
    ExpectTunnelled(Program::kHost, Verdict::kRedirect, packet, ToRemoteTask(packet), counted);
  }
  // The answer that comes to 127.0.0.1 or another address of the node, by the device that the client was seen at.
  static Packet ToHost(Packet reply, std::string_view service, std::string_view client) {
    return reply.From(service).To(client).Macs(kNoMac, kNoMac).Ttl(63);
  }
};

class HostTest : public NodeClientTest {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    ifindex_ = kLo;
  }
};

TEST_F(HostTest, ATaskOnAnotherNodeIsReachedByEveryAddressOfTheNode) {
  for (const char* service : {kLoopback, "192.0.2.1:8091", "198.51.100.1:8091", "172.18.0.1:8091", "172.18.0.2:8091"}) {
    SetUp();
    Serve(Vxlan("10.0.0.7", 80));
    const std::string address(service, std::string_view(service).find(':'));
    const std::string client = (address == kSandboxIp ? kBridgeIp : address) + ":40000";
    const Packet syn = FromHost(client, service);
    Tunnelled(syn, {"flow_new", "forward_vxlan"});
    EXPECT_EQ(FlowOf(syn, XLB_ZONE_HOST)->in_ifindex, kLo);

    const Packet answer = Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Flags("SA");
    ifindex_ = Network().uplink;
    ExpectPassed(Program::kXdp, Wrapped(answer).Build(), {"pass_to_tc"});
    ExpectSent(Program::kUplink, Verdict::kRedirect, Wrapped(answer).Build(), ToHost(answer, service, client).Build(),
               {"reply_vxlan"});
    ifindex_ = kLo;
    Tunnelled(FromHost(client, service, "A"), {"forward_vxlan"});
  }
}

TEST_F(HostTest, ATaskOnThisNodeSeesTheAddressThatTheClientHas) {
  Serve(Local("172.18.0.3", 80));
  const Packet syn = FromHost("192.0.2.1:40000", "198.51.100.1:8091");
  ExpectSent(Program::kHost, Verdict::kRedirect, syn.Build(),
             ToTask(syn, "192.0.2.1:40000", "172.18.0.3:80", kBridgeMac).Build(), {"flow_new", "forward_local"});
  const Packet answer = Packet::Tcp("172.18.0.3:80", "192.0.2.1:40000").Macs(kTaskMac, kBridgeMac).Flags("SA");
  ifindex_ = Network().task;
  ExpectSent(Program::kTask, Verdict::kRedirect, answer.Build(),
             ToHost(answer, "198.51.100.1:8091", "192.0.2.1:40000").Build(), {"reply_local"});
}

TEST_F(HostTest, ATaskOnThisNodeSeesTheBridgeForAClientAtLoopback) {
  Serve(Local("172.18.0.3", 80));
  const Packet syn = FromHost("127.0.0.1:40000", kLoopback);
  ExpectSent(Program::kHost, Verdict::kRedirect, syn.Build(),
             ToTask(syn, "172.18.0.1:40000", "172.18.0.3:80", kBridgeMac).Build(), {"flow_new", "forward_local"});
  const Packet answer = Packet::Tcp("172.18.0.3:80", "172.18.0.1:40000").Macs(kTaskMac, kBridgeMac).Flags("SA");
  ifindex_ = Network().task;
  ExpectSent(Program::kTask, Verdict::kRedirect, answer.Build(), ToHost(answer, kLoopback, "127.0.0.1:40000").Build(),
             {"reply_local"});
}

TEST_F(HostTest, WithoutTheBridgeItIsLeftToTheHost) {
  Serve(Local("172.18.0.3", 80));
  node_.self.bridge_addr = 0;
  Rewrite();
  ExpectPassed(Program::kHost, FromHost("127.0.0.1:40000", kLoopback).Build(), {"pass_no_backend"});
}

TEST_F(HostTest, ARoutedBackend) {
  Serve(Route("10.1.0.5", 8080));
  const Packet syn = FromHost("127.0.0.1:40000", kLoopback);
  ExpectSent(Program::kHost, Verdict::kRedirect, syn.Build(), RoutedTo(syn, "192.0.2.1:40000", "10.1.0.5:8080").Build(),
             {"flow_new", "forward_route"});
  const Packet answer = FromClient(Packet::Tcp("10.1.0.5:8080", "192.0.2.1:40000").Flags("SA"));
  ifindex_ = Network().uplink;
  ExpectPassed(Program::kXdp, answer.Build(), {"pass_to_tc"});
  ExpectSent(Program::kUplink, Verdict::kRedirect, answer.Build(), ToHost(answer, kLoopback, "127.0.0.1:40000").Build(),
             {"reply_route"});
}

// A bridge may be an uplink as well: what comes in by it for a process that was seen at it does not go out by it.
TEST_F(HostTest, ABackendBehindTheDeviceThatTheClientWasSeenAt) {
  Serve(Route("10.1.0.5", 8080));
  ifindex_ = Network().uplink;
  const Packet syn = Packet::Tcp("172.18.0.1:40000", "172.18.0.2:8091").Macs(kBridgeMac, kSandboxMac).Flags("S");
  Run(Program::kHost, syn.Build(), {"flow_new", "forward_route"});
  for (const char* flags : {"SA", "A", "A"}) {
    const Packet answer = FromClient(Packet::Tcp("10.1.0.5:8080", "192.0.2.1:40000").Flags(flags));
    ExpectPassed(Program::kXdp, answer.Build(), {"pass_to_tc"});
    ExpectSent(Program::kUplink, Verdict::kRedirect, answer.Build(),
               ToHost(answer, "172.18.0.2:8091", "172.18.0.1:40000").Macs(kSandboxMac, kBridgeMac).Build(),
               {"reply_route"});
  }
}

TEST_F(HostTest, BehindTheBridgeTheAnswerComesFromTheSandboxesMacAddress) {
  Serve(Vxlan("10.0.0.7", 80));
  ifindex_ = Network().uplink2;  // docker_gwbridge's part is played by another device
  const Packet syn = Packet::Tcp("172.18.0.1:40000", "172.18.0.2:8091").Macs(kBridgeMac, kSandboxMac).Flags("S");
  Tunnelled(syn, {"flow_new", "forward_vxlan"});
  ifindex_ = Network().uplink;
  const Packet answer = Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Flags("SA");
  ExpectSent(Program::kUplink, Verdict::kRedirect, Wrapped(answer).Build(),
             ToHost(answer, "172.18.0.2:8091", "172.18.0.1:40000").Macs(kSandboxMac, kBridgeMac).Build(),
             {"reply_vxlan"});
}

TEST_F(HostTest, Datagrams) {
  Serve(Vxlan("10.0.0.7", 53));
  const Packet question = OnLo(Packet::Udp("127.0.0.1:40000", kLoopback).Payload("question"));
  ExpectTunnelled(Program::kHost, Verdict::kRedirect, question,
                  ToTask(question, "10.0.0.2:40000", "10.0.0.7:53", kIngressMac), {"flow_new", "forward_vxlan"});
  const Packet answer = Packet::Udp("10.0.0.7:53", "10.0.0.2:40000").Payload("answer");
  ifindex_ = Network().uplink;
  ExpectSent(Program::kUplink, Verdict::kRedirect, Wrapped(answer).Build(),
             ToHost(answer, kLoopback, "127.0.0.1:40000").Build(), {"reply_vxlan"});
}

TEST_F(HostTest, ADatagramLargerThanTheTunnelCarriesIsAnswered) {
  Serve(Vxlan("10.0.0.7", 80));
  const Bytes large = OnLo(Packet::Udp("127.0.0.1:40000", kLoopback).PayloadOf(1451 - 28)).Build();
  const Outcome outcome = Run(Program::kHost, large, {"flow_new", "answer_too_big"});
  ASSERT_EQ(ToString(outcome.verdict), "redirect");
  EXPECT_EQ(IcmpErrorFlaws(large, outcome.frame), "");
}

TEST_F(HostTest, APacketWhoseTtlEndsHereIsAnswered) {
  Serve(Vxlan("10.0.0.7", 80));
  const Bytes expiring = FromHost("127.0.0.1:40000", kLoopback).Ttl(1).Build();
  const Outcome outcome = Run(Program::kHost, expiring, {"flow_new", "answer_ttl"});
  ASSERT_EQ(ToString(outcome.verdict), "redirect");
  EXPECT_EQ(IcmpErrorFlaws(expiring, outcome.frame), "");
}

TEST_F(HostTest, FragmentsGoTheWayOfTheFirst) {
  Serve(Vxlan("10.0.0.7", 53));
  const Packet first = OnLo(Packet::Udp("127.0.0.1:40000", kLoopback).PayloadOf(800)).Fragment(0, true);
  Run(Program::kHost, first.Build(), {"flow_new", "forward_vxlan"});
  const Packet second = OnLo(Packet::Ip(17, "127.0.0.1", "127.0.0.1").PayloadOf(100)).Fragment(808, false);
  const Outcome outcome = Run(Program::kHost, second.Build(), {"fragment", "forward_vxlan"});
  EXPECT_EQ(ToString(outcome.verdict), "redirect");
}

TEST_F(HostTest, WhatIsNotForAPublishedPortIsLeftAlone) {
  Serve(Vxlan("10.0.0.7", 80));
  const auto passed = [this](const Packet& packet, const char* counted) {
    ExpectPassed(Program::kHost, packet.Build(), {counted});
  };
  passed(FromHost("127.0.0.1:40000", "127.0.0.1:22"), "pass_no_service");
  passed(FromHost("127.0.0.1:40000", "127.0.0.53:8091"), "pass_no_service");  // a resolver's own address
  passed(FromHost("127.0.0.1:40000", "127.0.1.1:8091"), "pass_no_service");
  passed(FromHost("172.18.0.1:40000", "172.18.0.3:8091"), "pass_no_service");  // a task, by its own address
  passed(FromHost("127.0.0.1:40000", kLoopback, "A"), "pass_no_flow");
  passed(OnLo(Packet::Icmp("127.0.0.1", "127.0.0.1")), "pass_protocol");
  // An address that is not the node's own: a proxy's, which speaks for its client.
  passed(FromHost("203.0.113.7:40000", "192.0.2.1:8091"), "pass_no_service");
  EXPECT_EQ(Flows(), 0u);
}

TEST_F(HostTest, WhatTheNodeForwardsHasBeenSeenBefore) {
  Serve(Vxlan("10.0.0.7", 80));
  forwarded_from_ = Network().uplink;
  ExpectPassed(Program::kHost, FromHost("192.0.2.1:40000", "172.18.0.2:8091").Build(), {"pass_no_service"});
}

TEST_F(HostTest, NobodyElseReachesTheNodesPrivateAddresses) {
  Serve(Vxlan("10.0.0.7", 80));
  for (const char* service : {kLoopback, "172.18.0.2:8091"}) {
    ifindex_ = Network().uplink;
    const Packet syn = FromClient(Packet::Tcp(kClient, service).Flags("S"));
    ExpectPassed(Program::kXdp, syn.Build(), {"pass_no_service"});
    ExpectPassed(Program::kUplink, syn.Build(), {"pass_no_service"});
    ifindex_ = Network().task;
    const Packet inside = Packet::Tcp("172.18.0.9:40000", service).Macs(kSandboxMac, kBridgeMac).Flags("S");
    ExpectPassed(Program::kTask, inside.Build(), {"pass_no_service"});
  }
}

TEST_F(HostTest, AChangedNodeAsksNoRouteToItsOwnClients) {
  Serve(Vxlan("10.0.0.7", 80));
  Tunnelled(FromHost("127.0.0.1:40000", kLoopback), {"flow_new", "forward_vxlan"});
  const Packet answer = Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Flags("A");
  ifindex_ = Network().uplink;
  const Bytes expected = ToHost(answer, kLoopback, "127.0.0.1:40000").Build();
  ExpectSent(Program::kUplink, Verdict::kRedirect, Wrapped(answer).Build(), expected, {"reply_vxlan"});
  RaiseEpoch();
  ExpectSent(Program::kUplink, Verdict::kRedirect, Wrapped(answer).Build(), expected,
             {"reply_vxlan", "flow_revalidated"});
}

class ContainerTest : public NodeClientTest {
 protected:
  static constexpr char kContainer[] = "172.17.0.5:40000";
  static constexpr char kContainerMac[] = "02:42:ac:11:00:05";
  static constexpr char kDocker0Mac[] = "02:42:11:11:11:11";

  void SetUp() override {
    PacketTest::SetUp();
    ifindex_ = Network().uplink2;  // the part of the client's veth is played by another device
  }
  static Packet FromContainer(std::string_view flags) {
    return Packet::Tcp(kContainer, kService).Macs(kContainerMac, kDocker0Mac).Flags(flags);
  }
  static Packet ToContainer(Packet reply) {
    return reply.From(kService).To(kContainer).Macs(kDocker0Mac, kContainerMac).Ttl(63);
  }
};

TEST_F(ContainerTest, ATaskOnAnotherNode) {
  Serve(Vxlan("10.0.0.7", 80));
  const Packet syn = FromContainer("S");
  ExpectTunnelled(Program::kTask, Verdict::kRedirect, syn, ToRemoteTask(syn), {"flow_new", "forward_vxlan"});
  const Packet answer = Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Flags("SA");
  ifindex_ = Network().uplink;
  ExpectPassed(Program::kXdp, Wrapped(answer).Build(), {"pass_to_tc"});
  ExpectSent(Program::kUplink, Verdict::kRedirect, Wrapped(answer).Build(), ToContainer(answer).Build(),
             {"reply_vxlan"});
}

TEST_F(ContainerTest, ATaskOnThisNodeSeesTheContainersAddress) {
  Serve(Local("172.18.0.3", 80));
  const Packet syn = FromContainer("S");
  ExpectSent(Program::kTask, Verdict::kRedirect, syn.Build(),
             ToTask(syn, kContainer, "172.18.0.3:80", kBridgeMac).Build(), {"flow_new", "forward_local"});
  const Packet answer = Packet::Tcp("172.18.0.3:80", kContainer).Macs(kTaskMac, kBridgeMac).Flags("SA");
  ifindex_ = Network().task;
  ExpectSent(Program::kTask, Verdict::kRedirect, answer.Build(), ToContainer(answer).Build(), {"reply_local"});
}

TEST_F(ContainerTest, ATaskThatReachesItselfSeesTheBridge) {
  Serve(Local("172.18.0.3", 80));
  ifindex_ = Network().task;
  const Packet syn = Packet::Tcp("172.18.0.3:40000", kService).Macs(kTaskMac, kBridgeMac).Flags("S");
  ExpectSent(Program::kTask, Verdict::kRedirect, syn.Build(),
             ToTask(syn, "172.18.0.1:40000", "172.18.0.3:80", kBridgeMac).Build(), {"flow_new", "forward_local"});
  const Packet answer = Packet::Tcp("172.18.0.3:80", "172.18.0.1:40000").Macs(kTaskMac, kBridgeMac).Flags("SA");
  Packet expected = answer;
  expected.From(kService).To("172.18.0.3:40000").Macs(kBridgeMac, kTaskMac).Ttl(63);
  ExpectSent(Program::kTask, Verdict::kRedirect, answer.Build(), expected.Build(), {"reply_local"});
}

TEST_F(ContainerTest, NobodyElseCanAnswerForATask) {
  Serve(Local("172.18.0.3", 80));
  Run(Program::kTask, FromContainer("S").Build(), {"flow_new", "forward_local"});
  const Packet forged = Packet::Tcp("172.18.0.3:80", kContainer).Macs(kContainerMac, kDocker0Mac).Flags("SA");
  ExpectPassed(Program::kTask, forged.Build(), {"pass_no_service"});
}

TEST_F(ContainerTest, OtherTrafficIsItsOwnAffair) {
  Serve(Local("172.18.0.3", 80));
  const auto passed = [this](Packet packet, const char* counted) {
    ExpectPassed(Program::kTask, packet.Macs(kContainerMac, kDocker0Mac).Build(), {counted});
  };
  passed(Packet::Tcp(kContainer, "203.0.113.7:8091").Flags("S"), "pass_no_service");  // another host's port
  passed(Packet::Tcp(kContainer, "192.0.2.1:22").Flags("S"), "pass_no_service");
  passed(Packet::Tcp(kContainer, kService).Flags("A"), "pass_no_flow");
  EXPECT_EQ(Flows(), 0u);
}

}  // namespace
}  // namespace xlb::test
