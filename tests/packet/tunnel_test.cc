// VXLAN that is not ours, or not quite: left to the kernel's own device, which the ingress network has as well.
#include <arpa/inet.h>

#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

class TunnelTest : public UplinkTest {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    Use(OneService(Vxlan("10.0.0.7", 80)));
    const Packet syn = ClientTcp("S");
    Tunnelled(syn, ToTask(syn, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac), {"flow_new", "forward_vxlan"});
  }
  static Packet Reply() { return Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Macs(kTaskMac, kIngressMac).Flags("SA"); }
};
XLB_BOTH_UPLINK_PROGRAMS(TunnelTest);

TEST_P(TunnelTest, OfAnotherNetwork) {
  Passed(Wrapped(Reply(), kVni + 1), {"pass_tunnel"});
  Passed(Wrapped(Reply(), 0), {"pass_tunnel"});
  Passed(Wrapped(Reply(), 0xffffff), {"pass_tunnel"});
}

TEST_P(TunnelTest, WithoutAValidVni) {
  Passed(Wrapped(Reply()).Vxlan(kVni, Reply().Build(), 0), {"pass_tunnel"});
  Passed(Wrapped(Reply()).Vxlan(kVni, Reply().Build(), 0xf7), {"pass_tunnel"});
}

TEST_P(TunnelTest, FromAnotherNodeThanTheFlows) {
  Passed(Wrapped(Reply()).From("192.0.2.21:51000"), {"pass_tunnel"});
  Passed(Wrapped(Reply()).To("198.51.100.1:4789"), {"pass_tunnel"});
  Sent(Wrapped(Reply()), ToClient(Reply()), {"reply_vxlan"});
}

TEST_P(TunnelTest, OnAnotherPort) { Passed(Wrapped(Reply()).To("192.0.2.1:8472"), {"pass_no_service"}); }

TEST_P(TunnelTest, OfNoFlow) {
  Passed(Wrapped(Reply().From("10.0.0.7:81")), {"pass_tunnel"});
  Passed(Wrapped(Reply().From("10.0.0.8:80")), {"pass_tunnel"});
  Passed(Wrapped(Reply().To("10.0.0.2:40001")), {"pass_tunnel"});
  Passed(Wrapped(Packet::Udp("10.0.0.7:80", "10.0.0.2:40000")), {"pass_tunnel"});
  // Not even if it asks for a service: clients are not inside the ingress network.
  Passed(Wrapped(Packet::Tcp(kClient, kService).Flags("S")), {"pass_tunnel"});
}

TEST_P(TunnelTest, TheSameTupleOutsideTheTunnelIsNoReply) {
  Passed(FromClient(Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Flags("SA")), {"pass_no_service"});
}

TEST_P(TunnelTest, WithSomethingElseInside) {
  Passed(Wrapped(Packet::ArpRequest("10.0.0.7", "10.0.0.2")), {"pass_tunnel"});
  Passed(Wrapped(Packet::Ethernet(kEtherIpv6).PayloadOf(60)), {"pass_tunnel"});
  Passed(Wrapped(Reply().Vlan(5)), {"pass_tunnel"});
  Passed(Wrapped(Packet::Icmp("10.0.0.7", "10.0.0.2")), {"pass_tunnel"});
  Passed(Wrapped(Reply().IpOptions({0x94, 4, 0, 0})), {"pass_tunnel"});
  Passed(Wrapped(Reply().Fragment(64, true)), {"pass_tunnel"});
  Passed(Wrapped(Reply().ForceIpChecksum(1)), {"pass_tunnel"});
  Passed(Wrapped(Reply().ForceVersion(6)), {"pass_tunnel"});
  Passed(Wrapped(Reply().ForceTotalLength(41)), {"pass_tunnel"});
  Passed(Wrapped(Reply().ForceDataOffset(4)), {"pass_tunnel"});
}

TEST_P(TunnelTest, WithAnOuterHeaderThatIsNotPlain) {
  Passed(Wrapped(Reply()).IpOptions({0x94, 4, 0, 0}), {"pass_options"});
  // The kernel puts such a frame together again before it looks inside.
  Passed(Wrapped(Reply()).Fragment(0, true), {"pass_no_service"});
  Passed(Wrapped(Reply()).Fragment(64, false), {"pass_fragment"});
  Passed(Wrapped(Reply()).ForceIpChecksum(1), {"pass_malformed"});
}

TEST_P(TunnelTest, WhoseInnerTtlEnds) { Dropped(Wrapped(Reply().Ttl(1)), {"drop.ttl"}); }

// The TTL outside is the tunnel's, spent where it ends.
TEST_P(TunnelTest, WhoseOuterTtlEndsHereHasArrived) {
  Sent(Wrapped(Reply()).Ttl(1), ToClient(Reply()), {"reply_vxlan"});
}

TEST_P(TunnelTest, OnANodeWithoutAnIngressNetwork) {
  node_.self.vni = 0;
  Rewrite();
  Passed(Wrapped(Reply(), 0), {"pass_no_service"});
}

TEST_P(TunnelTest, OnTheDataPathPortThatTheSwarmHas) {
  node_.self.vxlan_port = htons(7789);  // docker swarm init --data-path-port 7789
  Rewrite();
  Passed(Wrapped(Reply()), {"pass_no_service"});
  Sent(Wrapped(Reply()).To("192.0.2.1:7789"), ToClient(Reply()), {"reply_vxlan"});
  const Outcome outcome = Run(GetParam(), ClientTcp("A").Build(), {"forward_vxlan"});
  EXPECT_EQ(Get16(outcome.frame, kEthernetLength + kIpLength + 2), 7789);
}

}  // namespace
}  // namespace xlb::test
