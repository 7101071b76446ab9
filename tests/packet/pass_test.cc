// What is not for xlb goes up the stack: as it came, and counted under the name that says why.
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

class PassTest : public UplinkTest {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    Use(OneService(Route("10.1.0.5", 8080)));
  }
  // Nothing of what passes may leave a flow behind.
  void TearDown() override { EXPECT_EQ(Flows(), 0u); }
};
XLB_BOTH_UPLINK_PROGRAMS(PassTest);

TEST_P(PassTest, OtherLinkProtocols) {
  Passed(Packet::ArpRequest("192.0.2.10", "192.0.2.1").Macs(kGatewayMac, kUplinkMac), {"pass_link"});
  Passed(Packet::Ethernet(kEtherIpv6).PayloadOf(60), {"pass_link"});
  Passed(Packet::Ethernet(0x88cc).PayloadOf(46), {"pass_link"});  // LLDP
  Passed(Packet::Ethernet(40).PayloadOf(46), {"pass_link"});      // 802.3: a length, not a type
}

TEST_P(PassTest, GroupAddressesOnTheLink) {
  Passed(ClientTcp("S").Macs(kGatewayMac, "ff:ff:ff:ff:ff:ff"), {"pass_link"});
  Passed(ClientUdp().Macs(kGatewayMac, "01:00:5e:00:00:01"), {"pass_link"});
}

TEST_P(PassTest, VlanTags) {
  Passed(ClientTcp("S").Vlan(5), {"pass_vlan"});
  Passed(ClientTcp("S").Vlan(0), {"pass_vlan"});  // a priority tag alone
  Passed(ClientTcp("S").Vlan(5, kEtherVlanService), {"pass_vlan"});
  Passed(ClientTcp("S").Vlan(5, kEtherVlanService).Vlan(6), {"pass_vlan"});
}

TEST_P(PassTest, IpHeadersThatAreWrong) {
  Passed(ClientTcp("S").ForceVersion(5), {"pass_malformed"});
  Passed(ClientTcp("S").ForceVersion(6), {"pass_malformed"});
  Passed(ClientTcp("S").ForceVersion(0), {"pass_malformed"});
  for (const uint8_t words : {0, 1, 4}) Passed(ClientTcp("S").ForceHeaderWords(words), {"pass_malformed"});
  Passed(ClientTcp("S").ForceIpChecksum(0x1234), {"pass_malformed"});
  Passed(ClientTcp("S").ForceIpChecksum(0), {"pass_malformed"});
}

TEST_P(PassTest, TotalLengthsThatAreWrong) {
  const uint16_t right = static_cast<uint16_t>(ClientTcp("S").IpLength());
  Passed(ClientTcp("S").ForceTotalLength(static_cast<uint16_t>(right + 1)), {"pass_malformed"});
  Passed(ClientTcp("S").ForceTotalLength(0xffff), {"pass_malformed"});
  Passed(ClientTcp("S").ForceTotalLength(0), {"pass_malformed"});
  Passed(ClientTcp("S").ForceTotalLength(19), {"pass_malformed"});
  Passed(ClientTcp("S").ForceTotalLength(20), {"pass_malformed"});  // room for no TCP header
  Passed(ClientTcp("S").ForceTotalLength(39), {"pass_malformed"});
  Passed(ClientUdp().ForceTotalLength(27), {"pass_malformed"});
  // The frame has more bytes than the packet says; its UDP length reaches into them.
  Passed(ClientUdp().ForceTotalLength(30), {"pass_malformed"});
}

TEST_P(PassTest, IpOptions) {
  Passed(ClientTcp("S").IpOptions({0x94, 4, 0, 0}), {"pass_options"});  // router alert
  Passed(ClientUdp().IpOptions(Bytes(40, 1)), {"pass_options"});
  // Options that would be there if the frame were longer.
  Passed(ClientTcp("S").ForceHeaderWords(15), {"pass_options"});
}

TEST_P(PassTest, Fragments) {
  Passed(FromClient(Packet::Icmp("203.0.113.7", kNodeIp)).Fragment(0, true), {"pass_fragment"});
  Passed(FromClient(Packet::Icmp("203.0.113.7", kNodeIp)).Fragment(64, false), {"pass_fragment"});
  Passed(FromClient(Packet::Ip(50, "203.0.113.7", kNodeIp)).PayloadOf(40).Fragment(0, true), {"pass_fragment"});
  Passed(ClientUdp().Fragment(1480, true), {"pass_fragment"});
  Passed(ClientUdp().Fragment(1480, false), {"pass_fragment"});
  Passed(ClientTcp("S").Fragment(8, false), {"pass_fragment"});
}

TEST_P(PassTest, OtherProtocols) {
  Passed(FromClient(Packet::Icmp("203.0.113.7", kNodeIp)), {"pass_protocol"});
  for (const uint8_t protocol : {0, 2, 4, 41, 47, 50, 132, 255}) {
    Passed(FromClient(Packet::Ip(protocol, "203.0.113.7", kNodeIp)).PayloadOf(40), {"pass_protocol"});
  }
}

TEST_P(PassTest, TransportHeadersThatAreWrong) {
  for (const uint8_t words : {0, 4, 6, 15}) Passed(ClientTcp("S").ForceDataOffset(words), {"pass_malformed"});
  for (const uint16_t length : {0, 7, 17, 0xffff}) Passed(ClientUdp().ForceUdpLength(length), {"pass_malformed"});
  Passed(FromClient(Packet::Ip(kTcp, kClient, kService)).ForceTotalLength(30), {"pass_malformed"});
}

TEST_P(PassTest, NoServiceThere) {
  Passed(ClientTcp("S").To("192.0.2.1:8092"), {"pass_no_service"});
  Passed(ClientTcp("A").To("192.0.2.1:22"), {"pass_no_service"});
  Passed(FromClient(Packet::Udp(kClient, "192.0.2.1:53")), {"pass_no_service"});
  // A service on every address of the node is not one on every address of the world.
  Passed(ClientTcp("S").To("192.0.2.77:8091"), {"pass_no_service"});
  Passed(ClientTcp("S").To("0.0.0.0:8091"), {"pass_no_service"});
  Passed(ClientTcp("S").To("255.255.255.255:8091"), {"pass_no_service"});
}

TEST_P(PassTest, TheProtocolIsPartOfTheService) {
  ClearMaps(Programs().maps());
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Route("10.1.0.5")}));
  Passed(ClientUdp(), {"pass_no_service"});
}

TEST_P(PassTest, AServiceWithoutBackends) {
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {}).Service("udp", "*", 8091, {}, XLB_PICK_HASH));
  Passed(ClientTcp("S"), {"pass_no_backend"});
  Passed(ClientUdp(), {"pass_no_backend"});
}

TEST_P(PassTest, ARingThatNamesABackendThatTakesNoNewFlows) {
  for (const xlb_backend_state state : {XLB_BACKEND_GONE, XLB_BACKEND_DRAINING, XLB_BACKEND_DOWN}) {
    node_.backend(1).state = static_cast<uint8_t>(state);
    Rewrite();
    Passed(ClientTcp("S"), {"pass_no_backend"});
  }
}

TEST_P(PassTest, TcpThatBelongsToNoFlowAndIsNoSyn) {
  for (const char* flags : {"A", "PA", "FA", "R", "RA", "SA", "SF", "SR", "F", ""}) {
    Passed(ClientTcp(flags), {"pass_no_flow"});
  }
}

TEST_P(PassTest, NoNodeRecordNoWork) {
  ClearMaps(Programs().maps());
  Passed(ClientTcp("S"), IsXdp() ? Names{"pass_to_tc"} : Names{"pass_no_service"});
}

// The flow is made all the same; the packet is the kernel's to answer.
class PassWithFlowTest : public UplinkTest {};
XLB_BOTH_UPLINK_PROGRAMS(PassWithFlowTest);

TEST_P(PassWithFlowTest, RepliesMayBeLargerThanTheTunnelCarries) {
  Use(OneService(Vxlan("10.0.0.7", 80)));
  const Packet fits = ClientUdp().PayloadOf(1450 - 28);
  Tunnelled(fits, ToTask(fits, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac), {"flow_new", "forward_vxlan"});
  // Replies take the tunnel off: no limit there.
  node_.self.max_frame = 1600;
  Rewrite();
  const Packet answer = Packet::Udp("10.0.0.7:80", "10.0.0.2:40000").Macs(kTaskMac, kIngressMac).PayloadOf(1451 - 28);
  Sent(Wrapped(answer), ToClient(answer), {"reply_vxlan"});
}

TEST_P(PassWithFlowTest, AServiceAtAVirtualAddressIsServedThereAlone) {
  Use(Node().Address(kNodeIp).Service("tcp", "192.0.2.200", 8091, {Route("10.1.0.5", 8080)}));
  Passed(ClientTcp("S"), {"pass_no_service"});
  const Packet syn = ClientTcp("S").To("192.0.2.200:8091");
  Sent(syn, RoutedTo(syn, "192.0.2.1:40000", "10.1.0.5:8080"), {"flow_new", "forward_route"});
  const Packet answer = FromClient(Packet::Tcp("10.1.0.5:8080", "192.0.2.1:40000").Flags("SA"));
  Sent(answer, RoutedTo(answer, "192.0.2.200:8091", kClient), {"reply_route"});
}

TEST_P(PassWithFlowTest, TheExactAddressGoesBeforeTheWildcard) {
  Use(Node()
          .Address(kNodeIp)
          .Address(kNodeIp2)
          .Service("tcp", "*", 8091, {Route("10.1.0.5", 8080)})
          .Service("tcp", kNodeIp2, 8091, {Route("10.1.0.6", 8080)}));
  const Packet one = ClientTcp("S");
  Sent(one, RoutedTo(one, "192.0.2.1:40000", "10.1.0.5:8080"), {"flow_new", "forward_route"});
  const Packet other = ClientTcp("S").To("198.51.100.1:8091");
  Sent(other, RoutedTo(other, "192.0.2.1:40000", "10.1.0.6:8080"), {"flow_new", "forward_route"});
}

// What only one of the two programs sees.
class OneProgramPassTest : public PacketTest {};

TEST_F(OneProgramPassTest, FramesThatGroPutTogetherAreLeftToTc) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet longest = ClientUdp().PayloadOf(1514 - 14 - 28);
  ExpectSent(Program::kXdp, Verdict::kTransmit, longest.Build(),
             RoutedTo(longest, "192.0.2.1:40000", "10.1.0.5:8080").Build(), {"flow_new", "forward_route"});
  ExpectPassed(Program::kXdp, ClientUdp().PayloadOf(1515 - 14 - 28).Build(), {"pass_to_tc"});
  EXPECT_EQ(Flows(), 1u);
}

TEST_F(OneProgramPassTest, FramesForOtherMacAddressesAreNotTcs) {
  Use(OneService(Route("10.1.0.5", 8080)));
  ExpectPassed(Program::kUplink, ClientTcp("S").Macs(kGatewayMac, "02:00:00:00:00:99").Build(), {"pass_link"});
  EXPECT_EQ(Flows(), 0u);
}

}  // namespace
}  // namespace xlb::test
