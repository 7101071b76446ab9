// ICMP errors about packets of our flows: what they say must arrive on the flow's other side, about the packet that was
// sent there (RFC 792, RFC 5508 4.2).
#include <algorithm>
#include <cstring>

#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kRouter[] = "203.0.113.99";  // somewhere on the way
constexpr uint8_t kUnreachable = 3, kNeedsFragmentation = 4, kTimeExceeded = 11, kParameterProblem = 12;
constexpr size_t kAll = 576;

struct Error {
  uint8_t type = kUnreachable;
  uint8_t code = 3;
  uint32_t rest = 0;
  size_t quoted = kAll;  // bytes of the packet, its IP header included
};

// The error that quotes this packet's first bytes.
Packet ErrorAbout(const Packet& quoted, std::string_view from, const Error& error = {}) {
  const Bytes frame = quoted.Build();
  const size_t end = std::min(kEthernetLength + error.quoted, frame.size());
  return Packet::Icmp(from, IpText(quoted.source()))
      .IcmpType(error.type, error.code, error.rest)
      .Payload(Bytes(frame.begin() + kEthernetLength, frame.begin() + static_cast<long>(end)))
      .Id(0x7777)
      .Tos(0xc0);
}

class TranslateTest : public UplinkTest {
 protected:
  void Begin(const xlb_backend& backend) {
    SetUp();
    Use(OneService(backend));
    for (const Packet& packet : {ClientTcp("S"), ClientUdp()}) {
      ASSERT_NE(Programs().Run(GetParam(), packet.Build(), {.ifindex = ifindex_}).verdict, Verdict::kDrop);
    }
    MarkAnswered();
  }
};
XLB_BOTH_UPLINK_PROGRAMS(TranslateTest);

const Names kTranslated = {"icmp_error"};

// What a routed backend sent, and what its client got of it, some hops on.
Packet RoutedReply(Packet packet) { return packet.From("10.1.0.5:8080").To("192.0.2.1:40000").Ttl(60); }
Packet AtClient(Packet packet) { return packet.From(kService).To(kClient).Ttl(60); }
Packet TaskReply(Packet packet) { return packet.From("10.0.0.7:80").To("10.0.0.2:40000").Ttl(60); }
const Packet kTcpAnswer = Packet::Tcp("0.0.0.0", "0.0.0.0").Flags("PA").TcpOptions({1, 1, 1, 0}).PayloadOf(300).Id(9);
const Packet kUdpAnswer = Packet::Udp("0.0.0.0", "0.0.0.0").PayloadOf(300).Id(9);

TEST_P(TranslateTest, OfTheClientsSideToARoutedBackend) {
  ASSERT_NO_FATAL_FAILURE(Begin(Route("10.1.0.5", 8080)));
  for (const Packet& answer : {kTcpAnswer, kUdpAnswer, Packet(kUdpAnswer).NoUdpChecksum()}) {
    for (const size_t quoted : {28u, 36u, 38u, 40u, 44u, 128u, 348u}) {
      const Packet error = FromClient(ErrorAbout(AtClient(answer), kRouter, {.quoted = quoted}));
      const Packet expected =
          RoutedTo(ErrorAbout(RoutedReply(answer), "192.0.2.1", {.quoted = quoted}), "192.0.2.1", "10.1.0.5");
      Sent(error, expected, kTranslated);
    }
  }
}

TEST_P(TranslateTest, OfARoutedBackendsSideToTheClient) {
  ASSERT_NO_FATAL_FAILURE(Begin(Route("10.1.0.5", 8080)));
  for (const Packet& question : {ClientTcp("PA").PayloadOf(100).Ttl(60), ClientUdp().Ttl(60)}) {
    for (const size_t quoted : {28u, 40u, 128u}) {
      const Packet sent = Packet(question).From("192.0.2.1:40000").To("10.1.0.5:8080");
      for (const char* sender : {"10.1.0.5", kRouter}) {
        const Packet error = FromClient(ErrorAbout(sent, sender, {.quoted = quoted}));
        // The client knows the service alone.
        Sent(error, RoutedTo(ErrorAbout(question, "192.0.2.1", {.quoted = quoted}), "192.0.2.1", "203.0.113.7"),
             kTranslated);
      }
    }
  }
}

TEST_P(TranslateTest, OfTheClientsSideIntoTheTunnel) {
  ASSERT_NO_FATAL_FAILURE(Begin(Vxlan("10.0.0.7", 80)));
  for (const Packet& answer : {kTcpAnswer, kUdpAnswer}) {
    const Packet error = FromClient(ErrorAbout(AtClient(answer), kRouter));
    const Packet inner = ToTask(ErrorAbout(TaskReply(answer), "10.0.0.2"), "10.0.0.2", "10.0.0.7", kIngressMac);
    Tunnelled(error, inner, kTranslated);
  }
}

TEST_P(TranslateTest, OutOfTheTunnelToTheClient) {
  ASSERT_NO_FATAL_FAILURE(Begin(Vxlan("10.0.0.7", 80)));
  const Packet question = ClientUdp().Ttl(63);
  const Packet error = ErrorAbout(Packet(question).From("10.0.0.2:40000").To("10.0.0.7:80"), "10.0.0.7");
  Sent(Wrapped(error), RoutedTo(ErrorAbout(question, "192.0.2.1"), "192.0.2.1", "203.0.113.7"), kTranslated);
  // From the task's node alone.
  Passed(Wrapped(error).From("192.0.2.21:51000"), {"pass_tunnel"});
  Passed(Wrapped(Packet(error).IcmpType(0, 0)), {"pass_tunnel"});
}

TEST_P(TranslateTest, EveryErrorAndNothingElse) {
  ASSERT_NO_FATAL_FAILURE(Begin(Route("10.1.0.5", 8080)));
  const auto both = [&](const Error& error) {
    return std::pair(FromClient(ErrorAbout(AtClient(kUdpAnswer), kRouter, error)),
                     RoutedTo(ErrorAbout(RoutedReply(kUdpAnswer), "192.0.2.1", error), "192.0.2.1", "10.1.0.5"));
  };
  for (uint8_t code = 0; code <= 15; code++) {
    const auto [in, out] = both({.code = code, .rest = code == kNeedsFragmentation ? 1400u : 0});
    Sent(in, out, kTranslated);
  }
  for (const Error& error :
       {Error{kTimeExceeded, 0}, Error{kTimeExceeded, 1}, Error{kParameterProblem, 0, 12u << 24}}) {
    const auto [in, out] = both(error);
    Sent(in, out, kTranslated);
  }
  for (const uint8_t type : {0, 4, 5, 8, 9, 10, 13, 17, 30, 255}) Passed(both({.type = type}).first, {"pass_protocol"});
}

TEST_P(TranslateTest, TheMtuOfATunnelIsNoMoreThanItCarries) {
  const struct {
    uint32_t said, passed_on;
  } kCases[] = {{1480, 1450}, {1451, 1450}, {1450, 1450}, {1300, 1300}, {0, 0}, {65535, 1450}};
  for (const auto& [said, passed_on] : kCases) {
    ASSERT_NO_FATAL_FAILURE(Begin(Vxlan("10.0.0.7", 80)));
    const Packet error =
        FromClient(ErrorAbout(AtClient(kTcpAnswer), kRouter, {.code = kNeedsFragmentation, .rest = said}));
    const Packet expected =
        ErrorAbout(TaskReply(kTcpAnswer), "10.0.0.2", {.code = kNeedsFragmentation, .rest = passed_on});
    Tunnelled(error, ToTask(expected, "10.0.0.2", "10.0.0.7", kIngressMac), kTranslated);
  }
  ASSERT_NO_FATAL_FAILURE(Begin(Route("10.1.0.5", 8080)));
  const Packet error =
      FromClient(ErrorAbout(AtClient(kTcpAnswer), kRouter, {.code = kNeedsFragmentation, .rest = 1480}));
  const Packet expected = ErrorAbout(RoutedReply(kTcpAnswer), "192.0.2.1", {.code = kNeedsFragmentation, .rest = 1480});
  Sent(error, RoutedTo(expected, "192.0.2.1", "10.1.0.5"), kTranslated);
}

// A checksum that came wrong must arrive wrong: who made the error is to blame, and its receiver drops it.
TEST_P(TranslateTest, AWrongChecksumStaysWrong) {
  ASSERT_NO_FATAL_FAILURE(Begin(Route("10.1.0.5", 8080)));
  Bytes frame = FromClient(ErrorAbout(AtClient(kUdpAnswer), kRouter)).Build();
  Bytes expected = RoutedTo(ErrorAbout(RoutedReply(kUdpAnswer), "192.0.2.1"), "192.0.2.1", "10.1.0.5").Build();
  constexpr size_t kLast = kEthernetLength + kIpLength + 8 + 100;
  frame.at(kLast) ^= 0x40;
  expected.at(kLast) ^= 0x40;
  EXPECT_EQ(Run(GetParam(), frame, kTranslated).frame, expected);
}

TEST_P(TranslateTest, WhatIsNotAboutAFlowPassesUp) {
  ASSERT_NO_FATAL_FAILURE(Begin(Route("10.1.0.5", 8080)));
  const Packet answer = AtClient(kUdpAnswer);
  const auto passed = [&](const Packet& quoted, const Error& error = {}) {
    Passed(FromClient(ErrorAbout(quoted, kRouter, error)), {"pass_protocol"});
  };
  passed(Packet(answer).From("192.0.2.1:8092"));
  passed(Packet(answer).To("203.0.113.7:40001"));
  passed(Packet(answer).To("203.0.113.8:40000"));
  passed(Packet::Icmp("192.0.2.1", "203.0.113.7").PayloadOf(64));
  passed(Packet(answer).Fragment(1480, false));
  passed(Packet(answer).IpOptions({1, 1, 1, 0}));
  passed(Packet(answer).ForceVersion(6));
  for (size_t quoted = 0; quoted < 28; quoted++) passed(answer, {.quoted = quoted});
  // To another address than the one that sent what is quoted.
  Passed(FromClient(ErrorAbout(answer, kRouter)).To(kNodeIp2), {"pass_protocol"});
  Passed(FromClient(Packet::Icmp("203.0.113.7", kNodeIp)).PayloadOf(56), {"pass_protocol"});
  const Packet whole = FromClient(ErrorAbout(answer, kRouter));
  Passed(Packet(whole).Fragment(0, true), {"pass_fragment"});
  Passed(Packet(whole).IpOptions({1, 1, 1, 0}), {"pass_options"});
}

// Anybody can send one.
TEST_P(TranslateTest, NothingInTheFlowChanges) {
  ASSERT_NO_FATAL_FAILURE(Begin(Route("10.1.0.5", 8080)));
  const Packet error = FromClient(ErrorAbout(AtClient(kTcpAnswer), kRouter));
  const Packet about_question =
      FromClient(ErrorAbout(ClientTcp("A").From("192.0.2.1:40000").To("10.1.0.5:8080"), kRouter));
  const auto flow = FlowOf(ClientTcp("")), reply = FlowOf(RoutedReply(kTcpAnswer));
  ASSERT_TRUE(flow && reply);
  const auto unchanged = [&] {
    const auto flow_now = FlowOf(ClientTcp("")), reply_now = FlowOf(RoutedReply(kTcpAnswer));
    return flow_now == flow && reply_now == reply;
  };
  RaiseEpoch();
  NextTick();
  Run(GetParam(), error.Build(), kTranslated);
  Run(GetParam(), about_question.Build(), kTranslated);
  EXPECT_TRUE(unchanged());
  // Not even when the backend is gone: the next packet of either side finds out.
  node_.backend(1).state = XLB_BACKEND_GONE;
  RaiseEpoch();
  Passed(error, {"pass_protocol"});
  Passed(about_question, {"pass_protocol"});
  EXPECT_TRUE(unchanged());
}

TEST_P(TranslateTest, ItsOwnWayMayEndHere) {
  ASSERT_NO_FATAL_FAILURE(Begin(Route("10.1.0.5", 8080)));
  Dropped(FromClient(ErrorAbout(AtClient(kTcpAnswer), kRouter)).Ttl(1), {"drop.ttl"});  // no error about an error
  ASSERT_NO_FATAL_FAILURE(Begin(Vxlan("10.0.0.7", 80)));
  const Packet large = AtClient(kTcpAnswer).PayloadOf(1420);
  Passed(FromClient(ErrorAbout(large, kRouter, {.quoted = 1460})), {"pass_protocol"});
}

class LocalTranslateTest : public PacketTest {};

TEST_F(LocalTranslateTest, ToATaskOfThisNodeAndFromIt) {
  Use(OneService(Local("172.18.0.3", 80)));
  Programs().Run(Program::kUplink, ClientUdp().Build(), {.ifindex = ifindex_});
  MarkAnswered();  // else the error is a refusal (failover_test.cc)
  const Packet sent = Packet(kUdpAnswer).From("172.18.0.3:80").To(kClient).Ttl(60);
  const Packet error = FromClient(ErrorAbout(AtClient(kUdpAnswer), kRouter));
  ExpectPassed(Program::kXdp, error.Build(), {"pass_to_tc"});
  // A task on this node sees who said it, as it sees its clients.
  ExpectSent(Program::kUplink, Verdict::kRedirect, error.Build(),
             ToTask(ErrorAbout(sent, kRouter), kRouter, "172.18.0.3", kBridgeMac).Build(), kTranslated);

  ifindex_ = Network().task;
  const Packet question = ClientUdp().Ttl(63);
  const Packet refused = ErrorAbout(Packet(question).To("172.18.0.3:80"), "172.18.0.3").Macs(kTaskMac, kBridgeMac);
  ExpectSent(Program::kTask, Verdict::kRedirect, refused.Build(),
             RoutedTo(ErrorAbout(question, "192.0.2.1"), "192.0.2.1", "203.0.113.7").Build(), kTranslated);
  const Packet own = ErrorAbout(Packet(question).To("172.18.0.3:81"), "172.18.0.3").Macs(kTaskMac, kBridgeMac);
  ExpectPassed(Program::kTask, own.Build(), {"pass_protocol"});
}

}  // namespace
}  // namespace xlb::test
