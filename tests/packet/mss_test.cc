// The MSS in SYN and SYN+ACK of connections through the tunnel (RFC 6691, RFC 9293 3.2).
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr uint16_t kMost = 1450 - 40;

Bytes Mss(uint16_t mss) { return {2, 4, static_cast<uint8_t>(mss >> 8), static_cast<uint8_t>(mss)}; }
Bytes Options(std::initializer_list<Bytes> parts) {
  Bytes options;
  for (const Bytes& part : parts) Append(options, part);
  while (options.size() % 4 != 0) Put8(options, 0);
  return options;
}
const Bytes kNop{1}, kTimestamps{8, 10, 1, 2, 3, 4, 5, 6, 7, 8}, kWindowScale{3, 3, 7}, kSackPermitted{4, 2};

class MssTest : public UplinkTest {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    Use(OneService(Vxlan("10.0.0.7", 80)));
  }
  // A client's SYN with these options must reach the task with those.
  void Syn(const Bytes& options, const Bytes& expected, const char* flags = "S") {
    const std::string client = "203.0.113.7:" + std::to_string(port_);
    const Packet syn = ClientTcp(flags).From(client).TcpOptions(options);
    Names counted{"flow_new", "forward_vxlan"};
    if (options != expected) counted.insert("mss_clamped");
    Tunnelled(syn, ToTask(syn, "10.0.0.2:" + std::to_string(port_), "10.0.0.7:80", kIngressMac).TcpOptions(expected),
              counted);
    port_++;
  }
  int port_ = 40000;
};
XLB_BOTH_UPLINK_PROGRAMS(MssTest);

TEST_P(MssTest, ASynIsLoweredToWhatTheTunnelCarries) {
  for (const uint16_t mss : {kMost + 1, 1460, 8960, 65535}) Syn(Mss(mss), Mss(kMost));
  for (const uint16_t mss : {0, 536, kMost - 1, +kMost}) Syn(Mss(mss), Mss(mss));
  Syn(Mss(1460), Mss(kMost), "SEC");
}

TEST_P(MssTest, WhereverTheOptionLies) {
  for (const Bytes& before : {kNop, kTimestamps, kWindowScale, kSackPermitted, Options({kWindowScale, kNop})}) {
    Syn(Options({before, Mss(1460)}), Options({before, Mss(kMost)}));
    Syn(Options({before, Mss(1460), kTimestamps}), Options({before, Mss(kMost), kTimestamps}));
  }
  for (size_t nops = 0; nops <= 36; nops++) {
    const Bytes before(nops, 1);
    Syn(Options({before, Mss(1460)}), Options({before, Mss(kMost)}));
  }
}

// Values of all sizes, at an even and at an odd place: the checksum is mended, not computed.
TEST_P(MssTest, TheChecksumOfManyValues) {
  const Packet syn = ClientTcp("S");
  Tunnelled(syn, ToTask(syn, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac), {"flow_new", "forward_vxlan"});
  for (unsigned mss = kMost + 1; mss <= 0xffff; mss += 997) {
    for (const Bytes& before : {Bytes{}, kNop}) {
      const Packet again = ClientTcp("S").TcpOptions(Options({before, Mss(static_cast<uint16_t>(mss))}));
      Tunnelled(again,
                ToTask(again, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac).TcpOptions(Options({before, Mss(kMost)})),
                {"forward_vxlan", "mss_clamped"});
    }
  }
}

TEST_P(MssTest, WhatMakesNoSenseIsLeftAlone) {
  for (const Bytes& options : {Bytes{}, Options({{0}, Mss(1460)}),  // after the end of the list
                               Options({{8, 0}, Mss(1460)}),        // a length that leads nowhere
                               Options({{8, 1}, Mss(1460)}), Options({{8, 255}, Mss(1460)}),  // beyond the header
                               Options({{8, 40}, Mss(1460)}), Options({{2, 3, 5, 180}}),      // no MSS's length
                               Options({{2, 5, 5, 180, 0}}), Options({kNop, kNop, {2, 4}}),   // cut off
                               Options({Bytes(37, 1), {2, 4, 5}}), Bytes(40, 1)}) {
    Syn(options, options);
  }
}

TEST_P(MssTest, AnAnswerToASynIsLoweredToo) {
  const Packet syn = ClientTcp("S");
  Tunnelled(syn, ToTask(syn, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac), {"flow_new", "forward_vxlan"});
  const Packet answer = Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Flags("SA").TcpOptions(Options({kNop, Mss(1460)}));
  Sent(Wrapped(answer), ToClient(answer).TcpOptions(Options({kNop, Mss(kMost)})), {"reply_vxlan", "mss_clamped"});
  const Packet small = Packet(answer).TcpOptions(Mss(1400));
  Sent(Wrapped(small), ToClient(small), {"reply_vxlan"});
}

TEST_P(MssTest, OnlyOfSynsAndOnlyThroughTheTunnel) {
  const Packet syn = ClientTcp("S"), data = ClientTcp("A").TcpOptions(Mss(1460));
  Tunnelled(syn, ToTask(syn, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac), {"flow_new", "forward_vxlan"});
  Tunnelled(data, ToTask(data, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac), {"forward_vxlan"});
  SetUp();
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet routed = ClientTcp("S").TcpOptions(Mss(9000));
  Sent(routed, RoutedTo(routed, "192.0.2.1:40000", "10.1.0.5:8080"), {"flow_new", "forward_route"});
}

TEST_P(MssTest, ByTheTunnelThatThereIs) {
  node_.self.tunnel_mtu = 1424;  // an encrypted network's, or one on a smaller link
  Rewrite();
  Syn(Mss(1460), Mss(1424 - 40));
  node_.self.tunnel_mtu = 8950;
  Rewrite();
  Syn(Mss(8960), Mss(8950 - 40));
}

}  // namespace
}  // namespace xlb::test
