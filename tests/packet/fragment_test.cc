// Datagrams in fragments, and datagrams that have to be cut for the tunnel.
#include "packet/checksum.h"
#include "packet/packet_test.h"
#include "packet/packet_text.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kSnat[] = "192.0.2.1:40000";
constexpr char kBackend[] = "10.1.0.5:8080";
constexpr uint32_t kSplitMark = 0x786c6266;

class FragmentTest : public UplinkTest {
 protected:
  // Each fragment must come out as the one of `expected` beside it.
  void AllSent(const Bytes& whole, const Bytes& expected, Names first, Names later, size_t mtu = 1444) {
    const std::vector<Bytes> in = FragmentsOf(whole, mtu), out = FragmentsOf(expected, mtu);
    ASSERT_EQ(in.size(), out.size());
    ASSERT_GT(in.size(), 1u);
    for (size_t i = 0; i < in.size(); i++) ExpectRaw(Back(), in[i], out[i], i == 0 ? first : later);
  }
  // Fragments' L4 checksums are the whole datagram's, so that the common expectation does not do.
  void ExpectRaw(Verdict verdict, const Bytes& in, const Bytes& out, const Names& counted) {
    const Outcome outcome = Run(GetParam(), in, counted);
    EXPECT_EQ(ToString(outcome.verdict), ToString(verdict));
    EXPECT_EQ(Difference(out, outcome.frame), "");
  }
  static Bytes InTunnel(const Bytes& inner, const Bytes& like) {
    Packet outer = Packet::Udp("192.0.2.1:1", "192.0.2.20:4789").Macs(kUplinkMac, kWorkerMac);
    outer.From("192.0.2.1:" + std::to_string(Get16(like, kEthernetLength + kIpLength)));
    return outer.Id(Get16(like, kEthernetLength + 4)).Vxlan(kVni, inner).Build();
  }
  void ExpectTunnelledRaw(const Bytes& in, const Bytes& inner, const Names& counted) {
    const Outcome outcome = Run(GetParam(), in, counted);
    EXPECT_EQ(ToString(outcome.verdict), ToString(Back()));
    ASSERT_GT(outcome.frame.size(), 50u);
    EXPECT_EQ(Difference(InTunnel(inner, outcome.frame), outcome.frame), "");
  }
};
XLB_BOTH_UPLINK_PROGRAMS(FragmentTest);

TEST_P(FragmentTest, GoTheWayOfTheFirstToARoutedBackendAndBack) {
  Use(OneService(Route("10.1.0.5", 8080)));
  for (const size_t length : {1500u, 4000u, 8000u, 1425u}) {  // the last: one byte in the last fragment
    const Packet question = ClientUdp().PayloadOf(length).Id(static_cast<uint16_t>(length));
    AllSent(question.Build(), RoutedTo(question, kSnat, kBackend).Build(),
            length == 1500 ? Names{"flow_new", "forward_route"} : Names{"forward_route"},
            {"forward_route", "fragment"});
    const Packet answer = FromClient(Packet::Udp(kBackend, kSnat)).PayloadOf(length).Id(static_cast<uint16_t>(length));
    AllSent(answer.Build(), ToClient(answer).Build(), {"reply_route"}, {"reply_route", "fragment"});
  }
  const Packet syn = ClientTcp("S"), data = ClientTcp("A").PayloadOf(3000);
  Sent(syn, RoutedTo(syn, kSnat, kBackend), {"flow_new", "forward_route"});
  AllSent(data.Build(), RoutedTo(data, kSnat, kBackend).Build(), {"forward_route"}, {"forward_route", "fragment"});
}

TEST_P(FragmentTest, WithoutAUdpChecksum) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet question = ClientUdp().PayloadOf(3000).NoUdpChecksum();
  AllSent(question.Build(), RoutedTo(question, kSnat, kBackend).Build(), {"flow_new", "forward_route"},
          {"forward_route", "fragment"});
}

TEST_P(FragmentTest, GoThroughTheTunnelAndBack) {
  Use(OneService(Vxlan("10.0.0.7", 53)));
  const Packet question = ClientUdp().PayloadOf(4000).Tos(0xb8);
  const std::vector<Bytes> in = FragmentsOf(question.Build(), 1444);
  const std::vector<Bytes> inner =
      FragmentsOf(ToTask(question, "10.0.0.2:40000", "10.0.0.7:53", kIngressMac).Build(), 1444);
  std::set<uint16_t> ids;
  for (size_t i = 0; i < in.size(); i++) {
    const Outcome outcome =
        Run(GetParam(), in[i], i == 0 ? Names{"flow_new", "forward_vxlan"} : Names{"forward_vxlan", "fragment"});
    ASSERT_GT(outcome.frame.size(), 50u);
    Bytes expected = InTunnel(inner[i], outcome.frame);
    Packet tos = Packet::Udp("192.0.2.1:1", "192.0.2.20:4789").Macs(kUplinkMac, kWorkerMac).Tos(0xb8);
    tos.From("192.0.2.1:" + std::to_string(Get16(outcome.frame, kEthernetLength + kIpLength)));
    expected = tos.Id(Get16(outcome.frame, kEthernetLength + 4)).Vxlan(kVni, inner[i]).Build();
    EXPECT_EQ(Difference(expected, outcome.frame), "");
    ids.insert(Get16(outcome.frame, kEthernetLength + 4));
  }
  EXPECT_EQ(ids.size(), in.size()) << "outer packets with one ID would be put together wrongly, if fragmented";

  const Packet answer = Packet::Udp("10.0.0.7:53", "10.0.0.2:40000").Macs(kTaskMac, kIngressMac).PayloadOf(4000);
  const std::vector<Bytes> replies = FragmentsOf(answer.Build(), 1450),
                           out = FragmentsOf(ToClient(answer).Build(), 1450);
  for (size_t i = 0; i < replies.size(); i++) {
    const Bytes frame =
        Packet::Udp("192.0.2.20:51000", "192.0.2.1:4789").Macs(kWorkerMac, kUplinkMac).Vxlan(kVni, replies[i]).Build();
    ExpectRaw(Back(), frame, out[i], i == 0 ? Names{"reply_vxlan"} : Names{"reply_vxlan", "fragment"});
  }
  // Not by a stranger's hand.
  const Bytes forged =
      Packet::Udp("192.0.2.21:51000", "192.0.2.1:4789").Macs(kWorkerMac, kUplinkMac).Vxlan(kVni, replies[1]).Build();
  ExpectPassed(GetParam(), forged, {"pass_tunnel"});
}

TEST_P(FragmentTest, ThatComeBeforeTheFirstPassUp) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet question = ClientUdp().PayloadOf(3000);
  const std::vector<Bytes> in = FragmentsOf(question.Build(), 1444);
  const std::vector<Bytes> out = FragmentsOf(RoutedTo(question, kSnat, kBackend).Build(), 1444);
  ExpectPassed(GetParam(), in[1], {"pass_fragment"});
  ExpectRaw(Back(), in[0], out[0], {"flow_new", "forward_route"});
  ExpectRaw(Back(), in[2], out[2], {"forward_route", "fragment"});  // in any order
  ExpectRaw(Back(), in[1], out[1], {"forward_route", "fragment"});
  // Of another datagram, protocol or sender.
  for (const Packet& other : {Packet(question).Id(0x4321), Packet(question).From("203.0.113.8:40000"),
                              Packet(question).To("192.0.2.77:8091")}) {
    ExpectPassed(GetParam(), FragmentsOf(other.Build(), 1444)[1], {"pass_fragment"});
  }
}

TEST_P(FragmentTest, AreForgottenInTimeAndByAnotherDatagram) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet question = ClientUdp().PayloadOf(3000);
  const std::vector<Bytes> in = FragmentsOf(question.Build(), 1444);
  const std::vector<Bytes> out = FragmentsOf(RoutedTo(question, kSnat, kBackend).Build(), 1444);
  ExpectRaw(Back(), in[0], out[0], {"flow_new", "forward_route"});
  node_.self.tick_shift -= 20;  // far on
  Rewrite();
  ExpectPassed(GetParam(), in[1], {"pass_fragment"});
  ExpectRaw(Back(), in[0], out[0], {"forward_route"});
  ExpectRaw(Back(), in[1], out[1], {"forward_route", "fragment"});
  // The host's own datagram with the same ID.
  const std::vector<Bytes> hosts = FragmentsOf(Packet(question).To("192.0.2.1:9999").Build(), 1444);
  ExpectPassed(GetParam(), hosts[0], {"pass_no_service"});
  ExpectPassed(GetParam(), hosts[1], {"pass_fragment"});
}

TEST_P(FragmentTest, MadeToDeceivePassUp) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const Packet syn = ClientTcp("S");
  Sent(syn, RoutedTo(syn, kSnat, kBackend), {"flow_new", "forward_route"});
  // A first fragment without a whole header.
  for (const size_t length : {8u, 16u}) {
    Packet tiny = ClientTcp("A").Fragment(0, true);
    Bytes frame = tiny.Build();
    frame.resize(kEthernetLength + kIpLength + length);
    frame = FragmentsOf(tiny.ForceTotalLength(static_cast<uint16_t>(kIpLength + length)).Build(), 1500).at(0);
    Set16(frame, kEthernetLength + 6, 0x2000);
    Set16(frame, kEthernetLength + 10, 0);
    Set16(frame, kEthernetLength + 10, static_cast<uint16_t>(~OnesSum(frame, kEthernetLength, kIpLength)));
    ExpectPassed(GetParam(), frame, {"pass_malformed"});
  }
  // One that would write over the header of the first.
  const Packet first = ClientTcp("A").PayloadOf(3000);
  const std::vector<Bytes> in = FragmentsOf(first.Build(), 1444);
  ExpectRaw(Back(), in[0], FragmentsOf(RoutedTo(first, kSnat, kBackend).Build(), 1444)[0], {"forward_route"});
  for (const uint16_t offset : {8, 16}) Passed(ClientTcp("A").Fragment(offset, true), {"pass_fragment"});
  Passed(ClientUdp().Fragment(8, false).ForceTotalLength(20), {"pass_malformed"});
}

TEST_P(FragmentTest, WhoseTtlEndsAreAnsweredOnce) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const std::vector<Bytes> alive = FragmentsOf(ClientUdp().PayloadOf(3000).Build(), 1444);
  const std::vector<Bytes> in = FragmentsOf(ClientUdp().PayloadOf(3000).Ttl(1).Build(), 1444);
  Run(GetParam(), alive[0], {"flow_new", "forward_route"});
  EXPECT_EQ(Run(GetParam(), in[0], {"answer_ttl"}).verdict, Back());
  ExpectDropped(GetParam(), in[1], {"drop.ttl"});
}

TEST_P(FragmentTest, OfAConnectionThatIsGoneAreNotReset) {
  Use(OneService(Route("10.1.0.5", 8080)));
  Run(GetParam(), ClientTcp("S").Build(), {"flow_new", "forward_route"});
  const std::vector<Bytes> in = FragmentsOf(ClientTcp("A").PayloadOf(3000).Build(), 1444);
  Run(GetParam(), in[0], {"forward_route"});
  for (uint32_t id : {1, 2}) node_.backend(id).state = XLB_BACKEND_GONE;
  RaiseEpoch();
  ExpectPassed(GetParam(), in[1], {"flow_gone", "pass_fragment"});
}

// What comes larger than the tunnel carries.
class SplitTest : public FragmentTest {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    Use(OneService(Vxlan("10.0.0.7", 53)));
    node_.self.max_frame = 9014;
    Rewrite();
    Programs().Run(GetParam(), ClientUdp().Build(), {.ifindex = ifindex_});
    Programs().Run(GetParam(), ClientTcp("S").Build(), {.ifindex = ifindex_});
  }
  // The first part must leave; the whole of it, marked, then becomes the second, and so on until nothing is too large.
  void CutInto(const Bytes& frame, const std::vector<Bytes>& inner, bool later = false) {
    if (IsXdp()) {
      ExpectPassed(Program::kXdp, frame, {"pass_to_tc"});
      return;
    }
    Bytes rest = frame;
    for (size_t i = 0; i < inner.size(); i++) {
      const bool last = i + 1 == inner.size();
      Counts before = ReadCounts();
      const Outcome outcome =
          Programs().Run(Program::kUplink, rest, {.ifindex = ifindex_, .mark = i == 0 ? 0 : kSplitMark});
      const Counts moved = Difference(before, ReadCounts());
      ASSERT_EQ(outcome.error, 0);
      EXPECT_EQ(ToString(outcome.verdict), "redirect");
      EXPECT_EQ(outcome.mark, 0u);
      EXPECT_EQ(Difference(InTunnel(inner[i], outcome.frame), outcome.frame), "");
      EXPECT_EQ(moved.count("tc.fragment_split"), last ? 0u : 1u);
      EXPECT_EQ(moved.count("tc.fragment"), i == 0 && !later ? 0u : 1u);
      EXPECT_EQ(moved.at("tc.forward_vxlan"), (Traffic{1, inner[i].size()}));
      if (i > 0) rest = Rest(rest);
    }
  }
  // A third part is cut from what the second run was given, less the first part.
  static Bytes Rest(const Bytes& frame) {
    Bytes rest = frame;
    rest.erase(rest.begin() + 34, rest.begin() + 34 + 1424);
    Set16(rest, 16, static_cast<unsigned>(Get16(rest, 16) - 1424));
    Set16(rest, 20, static_cast<unsigned>(Get16(rest, 20) + 1424 / 8));
    Set16(rest, 24, 0);
    Set16(rest, 24, static_cast<uint16_t>(~OnesSum(rest, kEthernetLength, kIpLength)));
    return rest;
  }
  static std::vector<Bytes> Inner(const Packet& packet) {
    return FragmentsOf(ToTask(packet, "10.0.0.2:40000", "10.0.0.7:53", kIngressMac).Build(), 1450);
  }
};
XLB_BOTH_UPLINK_PROGRAMS(SplitTest);

TEST_P(SplitTest, AWholeDatagram) {
  for (const size_t length : {1451u, 1452u, 1500u}) {
    const Packet question = ClientUdp().PayloadOf(length - 28).Id(static_cast<uint16_t>(length));
    CutInto(question.Build(), Inner(question));
  }
}

TEST_P(SplitTest, ASegment) {
  const Packet data = ClientTcp("PA").PayloadOf(1460);
  CutInto(data.Build(), Inner(data));
}

TEST_P(SplitTest, ADatagramOfALargerLinkIntoMoreParts) {
  const Packet question = ClientUdp().PayloadOf(3000);
  CutInto(question.Build(), Inner(question));
}

TEST_P(SplitTest, EachFragmentOfALargerLink) {
  const Packet question = ClientUdp().PayloadOf(4000);
  const Packet inner = ToTask(question, "10.0.0.2:40000", "10.0.0.7:53", kIngressMac);
  const std::vector<Bytes> in = FragmentsOf(question.Build(), 1500), out = FragmentsOf(inner.Build(), 1500);
  for (size_t i = 0; i < in.size(); i++) {
    if (in[i].size() <= 1464) continue;
    std::vector<Bytes> parts = FragmentsOf(out[i], 1450);
    for (Bytes& part : parts) {
      // FragmentsOf takes what it is given for a whole packet: in the last of its parts, too, more may follow.
      Set16(part, 20, Get16(part, 20) | (i + 1 < in.size() ? 0x2000u : 0u));
      Set16(part, 24, 0);
      Set16(part, 24, static_cast<uint16_t>(~OnesSum(part, kEthernetLength, kIpLength)));
    }
    CutInto(in[i], parts, i > 0);
  }
}

TEST_P(SplitTest, NotWhatMayNotBeCut) {
  const Packet question = ClientUdp().PayloadOf(3000).DontFragment();
  const std::vector<Bytes> in = FragmentsOf(question.Build(), 1500);
  EXPECT_EQ(Run(GetParam(), in[0], {"answer_too_big"}).verdict, Back());
  ExpectDropped(GetParam(), in[1], {"drop.too_big"});
}

// Cut, such a checksum would be finished over the first part alone. Its sender can cut by itself.
TEST_P(SplitTest, NotWhatHasNoChecksumYet) {
  if (IsXdp()) return;
  Packet question = ClientUdp().PayloadOf(1472);
  const uint16_t pseudo = PseudoHeaderSum(question.Build(), kEthernetLength, 1480);
  EXPECT_EQ(Run(GetParam(), question.ForceL4Checksum(pseudo).Build(), {"answer_too_big"}).verdict, Back());
}

TEST_P(SplitTest, AForeignMarkStaysAndMeansNothing) {
  if (IsXdp()) return;
  const Packet question = ClientUdp();
  mark_ = 0xd0c4e3;
  const Outcome outcome = Run(Program::kUplink, question.Build(), {"forward_vxlan"});
  EXPECT_EQ(outcome.mark, mark_);
  const Outcome first =
      Programs().Run(Program::kUplink, ClientUdp().PayloadOf(1472).Build(), {.ifindex = ifindex_, .mark = mark_});
  EXPECT_EQ(ToString(first.verdict), "redirect");
  EXPECT_EQ(first.mark, mark_);
}

// Its first part is gone already: it must not come to the host.
TEST_P(SplitTest, ASecondPartWithoutAFlowIsDropped) {
  if (IsXdp()) return;
  mark_ = kSplitMark;
  const Bytes whole = Packet(ClientUdp()).Id(77).PayloadOf(1472).Build();
  const Counts before = ReadCounts();
  EXPECT_EQ(Programs().Run(Program::kUplink, whole, {.ifindex = ifindex_, .mark = kSplitMark}).verdict, Verdict::kDrop);
  EXPECT_EQ(Difference(before, ReadCounts()).count("tc.drop.rewrite_failed"), 1u);
  ExpectDropped(Program::kUplink, ClientUdp().Build(), {"drop.rewrite_failed"});  // marked, and nothing to cut
}

class LocalFragmentTest : public PacketTest {};

TEST_F(LocalFragmentTest, ReachATaskOfThisNodeAndComeBack) {
  Use(OneService(Local("172.18.0.3", 53)));
  const Packet question = ClientUdp().PayloadOf(4000).Id(5);
  const std::vector<Bytes> in = FragmentsOf(question.Build(), 1500);
  const std::vector<Bytes> out = FragmentsOf(ToTask(question, kClient, "172.18.0.3:53", kBridgeMac).Build(), 1500);
  for (size_t i = 0; i < in.size(); i++) {
    ExpectPassed(Program::kXdp, in[i], i == 0 ? Names{"flow_new", "pass_to_tc"} : Names{"pass_to_tc"});
    const Outcome outcome =
        Run(Program::kUplink, in[i], i == 0 ? Names{"forward_local"} : Names{"forward_local", "fragment"});
    EXPECT_EQ(Difference(out[i], outcome.frame), "");
  }
  ifindex_ = Network().task;
  const Packet answer = Packet::Udp("172.18.0.3:53", kClient).Macs(kTaskMac, kBridgeMac).PayloadOf(4000).Id(6);
  const std::vector<Bytes> replies = FragmentsOf(answer.Build(), 1500),
                           back = FragmentsOf(ToClient(answer).Build(), 1500);
  for (size_t i = 0; i < replies.size(); i++) {
    const Outcome outcome =
        Run(Program::kTask, replies[i], i == 0 ? Names{"reply_local"} : Names{"reply_local", "fragment"});
    EXPECT_EQ(Difference(back[i], outcome.frame), "");
  }
  const Packet own = Packet::Udp("172.18.0.3:5353", kClient).Macs(kTaskMac, kBridgeMac).PayloadOf(3000).Id(6);
  ExpectPassed(Program::kTask, FragmentsOf(own.Build(), 1500)[0], {"pass_no_service"});
  ExpectPassed(Program::kTask, FragmentsOf(own.Build(), 1500)[1], {"pass_fragment"});
}

}  // namespace
}  // namespace xlb::test
