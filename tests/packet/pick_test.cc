// Which backend a new flow goes to.
#include <fmt/core.h>

#include <array>

#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

class PickTest : public UplinkTest {
 protected:
  // The backend that this client's SYN is given, by the flow that it made.
  uint32_t BackendFor(const Packet& syn) {
    const Outcome outcome = Programs().Run(GetParam(), syn.Build(), {.ifindex = ifindex_});
    EXPECT_NE(outcome.verdict, Verdict::kDrop);
    const auto flow = FlowOf(syn);
    return flow ? flow->backend : 0;
  }
};
XLB_BOTH_UPLINK_PROGRAMS(PickTest);

Packet Client(int i, std::string_view to = kService) {
  return FromClient(Packet::Tcp(fmt::format("203.0.113.{}:{}", i % 200, 30000 + i), to)).Flags("S");
}

TEST_P(PickTest, BackendsTakeTurns) {
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Route("10.1.0.1"), Route("10.1.0.2"), Route("10.1.0.3")}));
  for (int i = 0; i < 30; i++) EXPECT_EQ(BackendFor(Client(i)), static_cast<uint32_t>(i % 3 + 1));
}

TEST_P(PickTest, APacketOfAFlowTakesNoTurn) {
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Route("10.1.0.1"), Route("10.1.0.2")}));
  EXPECT_EQ(BackendFor(Client(0)), 1u);
  for (int i = 0; i < 5; i++) Programs().Run(GetParam(), Client(0).Flags("A").Build(), {.ifindex = ifindex_});
  EXPECT_EQ(BackendFor(Client(1)), 2u);
  EXPECT_EQ(BackendFor(Client(2)), 1u);
}

TEST_P(PickTest, ServicesTakeTurnsEachForItself) {
  // The second ring begins at an odd slot and ends at an even one.
  Use(Node()
          .Address(kNodeIp)
          .Service("tcp", "*", 8091, {Route("10.1.0.1"), Route("10.1.0.2"), Route("10.1.0.3")})
          .Service("tcp", "*", 8092, {Route("10.1.0.4"), Route("10.1.0.5")}));
  const char* other = "192.0.2.1:8092";
  EXPECT_EQ(BackendFor(Client(0)), 1u);
  EXPECT_EQ(BackendFor(Client(0, other)), 4u);
  EXPECT_EQ(BackendFor(Client(1, other)), 5u);
  EXPECT_EQ(BackendFor(Client(2, other)), 4u);
  EXPECT_EQ(BackendFor(Client(1)), 2u);
  EXPECT_EQ(BackendFor(Client(2)), 3u);
  EXPECT_EQ(ServiceStats(1).flows, 3u);
  EXPECT_EQ(ServiceStats(2).flows, 3u);
  EXPECT_EQ(BackendStats(4).flows, 2u);
}

TEST_P(PickTest, OneTurnForBothPrograms) {
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Route("10.1.0.1"), Route("10.1.0.2")}));
  for (int i = 0; i < 8; i++) {
    const Packet syn = Client(i);
    Programs().Run(i % 4 < 2 ? Program::kXdp : Program::kUplink, syn.Build(), {.ifindex = ifindex_});
    ASSERT_TRUE(FlowOf(syn));
    EXPECT_EQ(FlowOf(syn)->backend, static_cast<uint32_t>(i % 2 + 1));
  }
}

// The documented choice, written down a second time: the finalizer of splitmix64 over the client's address, then over
// protocol and ports, and the ring's slot in proportion. Addresses and ports as they lie in memory.
uint64_t SplitMix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint32_t HashedSlot(const Packet& packet, uint32_t slots) {
  const uint64_t address = AddressBe(IpText(packet.source()));
  const uint64_t ports = uint64_t{packet.protocol()} << 32 | uint64_t{PortBe(packet.source_port())} << 16 |
                         PortBe(packet.destination_port());
  const uint64_t hash = SplitMix64(SplitMix64(address) + ports) >> 32;
  return static_cast<uint32_t>(hash * slots >> 32);
}

Node Hashed() {
  return Node()
      .Address(kNodeIp)
      .Address(kNodeIp2)
      .Service("tcp", "*", 8090, {Route("10.1.0.9")})
      .Service("tcp", "*", 8091,
               {Route("10.1.0.1"), Route("10.1.0.2"), Route("10.1.0.3"), Route("10.1.0.4"), Route("10.1.0.5")},
               XLB_PICK_HASH);
}

TEST_P(PickTest, TheHashIsTheDocumentedOne) {
  Use(Hashed());
  std::array<int, 5> chosen{};
  for (int i = 0; i < 500; i++) {
    const uint32_t slot = HashedSlot(Client(i), 5);
    ASSERT_EQ(BackendFor(Client(i)), slot + 2) << i;
    chosen[slot]++;
  }
  for (const int flows : chosen) EXPECT_GT(flows, 60);
}

TEST_P(PickTest, TheHashForgetsNothingAndKnowsNoNode) {
  Use(Hashed());
  for (int i = 0; i < 50; i++) {
    const uint32_t first = BackendFor(Client(i));
    EvictFlow(Client(i));
    EXPECT_EQ(BackendFor(Client(i)), first) << "the same client, later";
    EXPECT_EQ(BackendFor(Client(i, "198.51.100.1:8091")), first) << "the same client, by another node's address";
  }
}

}  // namespace
}  // namespace xlb::test
