// Marks of connections that Docker's own mesh carries: their packets pass up, and no flow of ours gets their ports.
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kSnat[] =
    "10.0.0.2:40000";  // as Docker's SNAT leaves the client's port: where both meshes' replies come
constexpr char kTask[] = "10.0.0.7:8091";

class DockerTest : public UplinkTest {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    Use(OneService(Vxlan("10.0.0.7")));
  }
  static Packet TcpReply() { return Packet::Tcp(kTask, kSnat).Macs(kTaskMac, kIngressMac).Flags("SA"); }
  static Packet UdpReply() { return Packet::Udp(kTask, kSnat).Macs(kTaskMac, kIngressMac).Payload("answer"); }
};
XLB_BOTH_UPLINK_PROGRAMS(DockerTest);

TEST_P(DockerTest, DatagramsOfItsFlowsPassUp) {
  Mark(ClientUdp(), XLB_ZONE_UPLINK);
  Passed(ClientUdp(), {"pass_docker"});
  RaiseEpoch();  // a mark has no backend that could be gone
  Passed(ClientUdp(), {"pass_docker"});
  EXPECT_EQ(Flows(), 1u);
}

TEST_P(DockerTest, AMarkForAPortThatNoServiceHasAnyMore) {
  const Packet datagram = ClientUdp().To("192.0.2.1:9999"), segment = ClientTcp("A").To("192.0.2.1:9999");
  Mark(datagram, XLB_ZONE_UPLINK);
  Mark(segment, XLB_ZONE_UPLINK);
  Passed(datagram, {"pass_docker"});
  Passed(segment, {"pass_docker"});
}

TEST_P(DockerTest, AMarkLivesWithItsPackets) {
  Mark(ClientUdp(), XLB_ZONE_UPLINK);
  Passed(ClientUdp(), {"pass_docker"});
  const auto seen = FlowOf(ClientUdp())->seen;
  NextTick();
  Passed(ClientUdp(), {"pass_docker"});
  EXPECT_NE(FlowOf(ClientUdp())->seen, seen);
}

TEST_P(DockerTest, OthersOfTheSameClientAreOurs) {
  Mark(ClientUdp(), XLB_ZONE_UPLINK);
  const Packet other = ClientUdp().From("203.0.113.7:40001");
  Tunnelled(other, ToTask(other, "10.0.0.2:40001", kTask, kIngressMac), {"flow_new", "forward_vxlan"});
  // TCP by the marked ports too: a SYN begins anew, and what is no SYN passes up in any case.
  const Packet syn = ClientTcp("S");
  Tunnelled(syn, ToTask(syn, kSnat, kTask, kIngressMac), {"flow_new", "forward_vxlan"});
}

TEST_P(DockerTest, SegmentsOfItsConnectionsPassUpUntilTheClientBeginsAnew) {
  ClearMaps(Programs().maps());
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Local("172.18.0.3", 80)}, XLB_PICK_HASH));
  Mark(ClientTcp("A"), XLB_ZONE_UPLINK);
  Passed(ClientTcp("A"), {"pass_docker"});  // one that a node of the swarm might have begun else
  Run(GetParam(), ClientTcp("S").Build(), {"flow_new", IsXdp() ? "pass_to_tc" : "forward_local"});
  EXPECT_EQ(FlowOf(ClientTcp("S"))->kind, XLB_KIND_LOCAL);
}

TEST_P(DockerTest, ItsRepliesInTheTunnelPassUp) {
  Mark(TcpReply(), XLB_ZONE_TUNNEL);
  Mark(UdpReply(), XLB_ZONE_TUNNEL);
  Passed(Wrapped(TcpReply()), {"pass_docker"});
  Passed(Wrapped(UdpReply()), {"pass_docker"});
  // The kernel's own device decides whom it believes.
  Passed(Wrapped(TcpReply()).From("192.0.2.21:51000"), {"pass_docker"});
}

// Docker's connection goes on by the port that the other client would have had.
TEST_P(DockerTest, AnotherClientWithTheSamePortGetsAnotherOne) {
  Mark(TcpReply(), XLB_ZONE_TUNNEL);
  Mark(UdpReply(), XLB_ZONE_TUNNEL);
  for (const Packet& first : {ClientTcp("S").From("203.0.113.8:40000"), ClientUdp().From("203.0.113.8:40000")}) {
    const Outcome outcome = Run(GetParam(), first.Build(), {"flow_new", "forward_vxlan", "port_changed"});
    EXPECT_EQ(outcome.verdict, Back());
    EXPECT_NE(FlowOf(first)->sport, PortBe(40000));
  }
  Passed(Wrapped(TcpReply()), {"pass_docker"});
  Passed(Wrapped(UdpReply()), {"pass_docker"});
}

class DockerTaskTest : public PacketTest {};

TEST_F(DockerTaskTest, DatagramsOfAContainersFlowPassUp) {
  Use(OneService(Vxlan("10.0.0.7")));
  const Packet datagram = Packet::Udp("172.17.0.2:40000", kService).Payload("question");
  Mark(datagram, XLB_ZONE_TASK);
  ExpectPassed(Program::kTask, datagram.Build(), {"pass_docker"});
}

}  // namespace
}  // namespace xlb::test
