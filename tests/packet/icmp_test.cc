// Packets that cannot go on and whose sender is told so.
#include "packet/icmp_error.h"
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr size_t kIcmpAt = 34;  // where the ICMP header begins

class IcmpTest : public UplinkTest {
 protected:
  // The frame must be answered by an ICMP error with this type and code, and this MTU in it.
  void Answered(const Packet& packet, const Names& counted, uint8_t type, uint8_t code, uint16_t mtu) {
    const Bytes frame = packet.Build();
    const Outcome outcome = Run(GetParam(), frame, counted);
    ASSERT_EQ(outcome.verdict, Back());
    ASSERT_EQ(IcmpErrorFlaws(frame, outcome.frame), "");
    EXPECT_EQ(outcome.frame.at(kIcmpAt), type);
    EXPECT_EQ(outcome.frame.at(kIcmpAt + 1), code);
    EXPECT_EQ(Get16(outcome.frame, kIcmpAt + 6), mtu);
  }
  void TooBig(const Packet& packet, const Names& counted, uint16_t mtu) { Answered(packet, counted, 3, 4, mtu); }
  void Expired(const Packet& packet, const Names& counted) { Answered(packet, counted, 11, 0, 0); }
};
XLB_BOTH_UPLINK_PROGRAMS(IcmpTest);

TEST_P(IcmpTest, LargerThanTheTunnelCarries) {
  Use(OneService(Vxlan("10.0.0.7", 80)));
  node_.self.max_frame = 1600;
  Rewrite();
  TooBig(ClientUdp().DontFragment().PayloadOf(1451 - 28), {"flow_new", "answer_too_big"}, 1450);
  TooBig(ClientUdp().DontFragment().PayloadOf(1500 - 28), {"answer_too_big"}, 1450);
  const Packet fits = ClientUdp().PayloadOf(1450 - 28);
  Tunnelled(fits, ToTask(fits, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac), {"forward_vxlan"});

  const Packet syn = ClientTcp("S");
  Tunnelled(syn, ToTask(syn, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac), {"flow_new", "forward_vxlan"});
  TooBig(ClientTcp("A").DontFragment().PayloadOf(1451 - 40), {"answer_too_big"}, 1450);
  // The connection lives on.
  const Packet ack = ClientTcp("A");
  Tunnelled(ack, ToTask(ack, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac), {"forward_vxlan"});
}

// The first packet of a flow asks the kernel for the way, which at TC compares it with the device as well.
TEST_P(IcmpTest, LargerThanTheDeviceBelowTheTunnel) {
  Use(OneService(Vxlan("10.0.0.7", 80)));
  node_.self.tunnel_mtu = 1350;
  Rewrite();
  ASSERT_TRUE(ChangeNetwork("link set up0 mtu 1400\n").ok());
  TooBig(ClientUdp().DontFragment().PayloadOf(1500 - 28), {"flow_new", "answer_too_big"}, 1350);
  const Packet fits = ClientUdp().PayloadOf(1350 - 28);
  Tunnelled(fits, ToTask(fits, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac), {"forward_vxlan"});
  ASSERT_TRUE(ChangeNetwork("link set up0 mtu 1500\n").ok());
}

TEST_P(IcmpTest, TtlThatEndsHere) {
  Use(OneService(Route("10.1.0.5", 8080)));
  Expired(ClientTcp("S").Ttl(1), {"flow_new", "answer_ttl"});
  Expired(ClientTcp("A").Ttl(0), {"answer_ttl"});
  Expired(ClientUdp().Ttl(1), {"flow_new", "answer_ttl"});
  const Packet alive = ClientTcp("A").Ttl(2);
  Sent(alive, RoutedTo(alive, "192.0.2.1:40000", "10.1.0.5:8080").Ttl(1), {"forward_route"});
  Packet dying = FromClient(Packet::Tcp("10.1.0.5:8080", "192.0.2.1:40000").Flags("SA"));
  Expired(dying.Ttl(1), {"answer_ttl"});
}

}  // namespace
}  // namespace xlb::test
