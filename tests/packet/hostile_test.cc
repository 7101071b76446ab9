// Floods: state stays bounded, and what lives goes on.
#include <cstdlib>

#include "packet/checksum.h"
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kSnat[] = "192.0.2.1:40000";
constexpr char kBackend[] = "10.1.0.5:8080";

// An emulated machine takes a hundred times as long for each.
uint32_t Million() { return std::getenv("XLB_IN_VM") != nullptr ? 5'000 : 1'000'000; }

class HostileTest : public UplinkTest {
 protected:
  void SetUp() override {
    PacketTest::SetUp();
    Use(OneService(Route("10.1.0.5", 8080)));
  }
  // The `i`th of many senders that never come again.
  static void Disguise(Bytes& frame, uint32_t i) {
    Set16(frame, kEthernetLength + 12, 0x6440);  // 100.64.0.0/10
    Set16(frame, kEthernetLength + 14, i & 0xffff);
    Set16(frame, kEthernetLength + kIpLength, 1024 + (i >> 16));
    Set16(frame, kEthernetLength + 10, 0);
    Set16(frame, kEthernetLength + 10, static_cast<uint16_t>(~OnesSum(frame, kEthernetLength, kIpLength)));
  }
};
XLB_BOTH_UPLINK_PROGRAMS(HostileTest);

TEST_P(HostileTest, AMillionFlowsIntoAFullTableLeaveTheLivingAlone) {
  const Packet syn = ClientTcp("S"), ack = ClientTcp("A");
  const Packet answer = FromClient(Packet::Tcp(kBackend, kSnat).Flags("A"));
  Sent(syn, RoutedTo(syn, kSnat, kBackend), {"flow_new", "forward_route"});
  Sent(answer, ToClient(answer), {"reply_route"});
  Bytes flood = syn.Build();
  const Bytes forward = ack.Build(), back = answer.Build();
  const RunOptions options{.ifindex = ifindex_};
  for (uint32_t i = 0; i < Million(); i++) {
    Disguise(flood, i);
    ASSERT_EQ(Programs().Run(GetParam(), flood, options).verdict, Back()) << i;
    if (i % 64 != 0) continue;
    ASSERT_EQ(Programs().Run(GetParam(), forward, options).verdict, Back()) << i;
    ASSERT_EQ(Programs().Run(GetParam(), back, options).verdict, Back()) << i;
  }
  EXPECT_LE(Flows(), Programs().flows().flows().size());
  ASSERT_TRUE(FlowOf(syn));
  EXPECT_EQ(FlowOf(syn)->backend, 1u);
  EXPECT_EQ(FlowOf(answer)->daddr, AddressBe("203.0.113.7"));
}

TEST_P(HostileTest, BeyondTheLimitAFloodTakesNoRoomAtAll) {
  node_.self.new_flow_limit = 100;
  Rewrite();
  const Packet syn = ClientTcp("S"), ack = ClientTcp("A");
  Sent(syn, RoutedTo(syn, kSnat, kBackend), {"flow_new", "forward_route"});
  Bytes flood = syn.Build();
  const Counts before = ReadCounts();
  for (uint32_t i = 0; i < 3000; i++) {
    Disguise(flood, i);
    Programs().Run(GetParam(), flood, {.ifindex = ifindex_});
  }
  EXPECT_EQ(Flows(), 100u);
  const std::string hook = IsXdp() ? "xdp" : "tc";
  EXPECT_EQ(Difference(before, ReadCounts()).at(hook + ".drop.new_flow_limit").packets, 2901u);
  Sent(ack, RoutedTo(ack, kSnat, kBackend), {"forward_route"});
}

// First fragments without end, of a client that is let in: the table of fragments is bounded as well.
TEST_P(HostileTest, FragmentsThatNeverEndPushOutOneAnotherAlone) {
  const Packet first = ClientUdp().PayloadOf(100).Fragment(0, true);
  Bytes frame = first.Build();
  Run(GetParam(), frame, {"flow_new", "forward_route"});
  for (uint32_t id = 0; id < 3000; id++) {
    Set16(frame, kEthernetLength + 4, id);
    Set16(frame, kEthernetLength + 10, 0);
    Set16(frame, kEthernetLength + 10, static_cast<uint16_t>(~OnesSum(frame, kEthernetLength, kIpLength)));
    ASSERT_EQ(Programs().Run(GetParam(), frame, {.ifindex = ifindex_}).verdict, Back());
  }
  EXPECT_EQ(Flows(), 1u);
}

}  // namespace
}  // namespace xlb::test
