// Schedulers that look at more than turns: load, weights, the client's address, and the backend that it had before.
#include <arpa/inet.h>
#include <bpf/bpf.h>

#include <array>
#include <string>

#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

class BalanceTest : public UplinkTest {
 protected:
  void UseThree(xlb_pick pick) {
    Use(Node().Address(kNodeIp).Service("tcp", "*", 8091,
                                        {Route("10.1.0.1", 80), Route("10.1.0.2", 80), Route("10.1.0.3", 80)}, pick));
  }
  void SetAffinity(uint32_t ticks) {
    node_.service(1).affinity = ticks;
    Rewrite();
  }
  uint32_t BackendFor(const Packet& syn) {
    Programs().Run(GetParam(), syn.Build(), {.ifindex = ifindex_});
    const auto flow = FlowOf(syn);
    return flow ? flow->backend : 0;
  }
  void Send(Packet packet, std::string_view flags) {
    Programs().Run(GetParam(), packet.Flags(flags).Build(), {.ifindex = ifindex_});
  }
  // The backend's half of the connection's end, and the client's.
  void End(const Packet& syn) {
    const auto flow = FlowOf(syn);
    ASSERT_TRUE(flow);
    const Packet reply = FromClient(Packet::Tcp(IpText(ntohl(flow->daddr)) + ":80",
                                                std::string(kNodeIp) + ":" + std::to_string(ntohs(flow->sport))));
    Send(reply, "SA");
    Send(syn, "FA");
    Send(reply, "FA");
  }
  static Packet Syn(int i, int host = 7) {
    return FromClient(Packet::Tcp("203.0.113." + std::to_string(host) + ":" + std::to_string(20000 + i), kService))
        .Flags("S");
  }
  void MuchLater() {
    node_.self.tick_shift -= 20;
    Rewrite();
  }

  const Counts before_ = ReadCounts();
  uint32_t Live(uint32_t backend) const {
    xlb_backend_load load{};
    EXPECT_EQ(bpf_map_lookup_elem(Programs().maps().backend_load, &backend, &load), 0);
    return load.live;
  }
};
XLB_BOTH_UPLINK_PROGRAMS(BalanceTest);

TEST_P(BalanceTest, LeastConnectionsEvensOutWhatLives) {
  UseThree(XLB_PICK_LEAST);
  for (int i = 0; i < 300; i++) ASSERT_NE(BackendFor(Syn(i)), 0u);
  for (uint32_t id = 1; id <= 3; id++) {
    EXPECT_GT(Live(id), 90u) << id;
    EXPECT_LT(Live(id), 110u) << id;
  }
  // Every connection of the first one ends: it gets what comes until it is level with the others.
  int ended = 0;
  for (int i = 0; i < 300; i++) {
    if (FlowOf(Syn(i))->backend == 1) ended++, End(Syn(i));
  }
  EXPECT_EQ(Live(1), 0u);
  std::array<int, 4> got{};
  for (int i = 300; i < 330; i++) got.at(BackendFor(Syn(i)))++;
  // Two of the three pairs have the idle one in them.
  EXPECT_GT(got[1], 10) << ended;
  EXPECT_EQ(Live(1), static_cast<uint32_t>(got[1]));
}

TEST_P(BalanceTest, LeastConnectionsMindsWeights) {
  UseThree(XLB_PICK_LEAST);
  node_.backend(1).weight = 4;
  node_.backend(2).weight = 2;
  node_.backend(3).weight = 2;
  Rewrite();
  for (int i = 0; i < 400; i++) ASSERT_NE(BackendFor(Syn(i)), 0u);
  EXPECT_NEAR(Live(1), 200, 25);
  EXPECT_NEAR(Live(2), 100, 25);
}

TEST_P(BalanceTest, ALiveFlowIsCountedOnce) {
  UseThree(XLB_PICK_NEXT);
  const uint32_t first = BackendFor(Syn(0));
  EXPECT_EQ(Live(first), 1u);
  const uint32_t second = BackendFor(Syn(0));  // sent again, to another one
  EXPECT_EQ(Live(first), 0u);
  EXPECT_EQ(Live(second), 1u);
  End(Syn(0));
  EXPECT_EQ(Live(second), 0u);
  Send(Syn(0), "A");
  Send(Syn(0), "R");
  EXPECT_EQ(Live(second), 0u);
  const uint32_t third = BackendFor(Syn(0));  // on the same ports
  EXPECT_EQ(Live(third), 1u);
}

TEST_P(BalanceTest, SourceHashKeepsAClientsBackend) {
  UseThree(XLB_PICK_SOURCE);
  std::array<int, 4> chosen{};
  for (int host = 1; host < 200; host++) {
    const uint32_t backend = BackendFor(Syn(0, host));
    chosen.at(backend)++;
    for (int i = 1; i < 4; i++) EXPECT_EQ(BackendFor(Syn(i, host)), backend);
  }
  EXPECT_EQ(chosen[0], 0);
  for (int id = 1; id <= 3; id++) EXPECT_GT(chosen.at(id), 30);
}

TEST_P(BalanceTest, AffinityKeepsAClientsBackendUntilItIsSilent) {
  UseThree(XLB_PICK_NEXT);
  SetAffinity(3);
  for (int host = 1; host <= 6; host++) {
    const uint32_t backend = BackendFor(Syn(0, host));
    EXPECT_EQ(backend, static_cast<uint32_t>((host - 1) % 3 + 1)) << "by turns";
    for (int i = 1; i < 4; i++) EXPECT_EQ(BackendFor(Syn(i, host)), backend);
  }
  const Counts counts = Difference(before_, ReadCounts());
  EXPECT_EQ(counts.at(IsXdp() ? "xdp.affinity" : "tc.affinity").packets, 18u);
}

TEST_P(BalanceTest, AffinityEndsWithItsTime) {
  UseThree(XLB_PICK_NEXT);
  SetAffinity(2);
  const uint32_t backend = BackendFor(Syn(0));
  End(Syn(0));
  EXPECT_EQ(BackendFor(Syn(1)), backend);
  End(Syn(1));
  MuchLater();
  EXPECT_EQ(BackendFor(Syn(2)), backend + 1) << "the next turn";
}

TEST_P(BalanceTest, AffinityLastsWhileAConnectionIsUsed) {
  UseThree(XLB_PICK_NEXT);
  SetAffinity(2);
  const uint32_t backend = BackendFor(Syn(0));
  End(Syn(0));
  BackendFor(Syn(1));
  MuchLater();
  Send(Syn(1), "A");
  EXPECT_EQ(BackendFor(Syn(2)), backend);
}

TEST_P(BalanceTest, AffinityYieldsWhenTheBackendDoes) {
  UseThree(XLB_PICK_NEXT);
  SetAffinity(100);
  const uint32_t backend = BackendFor(Syn(0));
  node_.backend(backend).state = XLB_BACKEND_DRAINING;
  node_.Ring(8091, 6, {backend % 3 + 1, (backend + 1) % 3 + 1});
  RaiseEpoch();
  const uint32_t next = BackendFor(Syn(1));
  EXPECT_NE(next, backend);
  EXPECT_EQ(BackendFor(Syn(2)), next) << "the client keeps the new one";
}

TEST_P(BalanceTest, HidesTheClientFromATaskHereIfTheServiceAsksForIt) {
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Local("172.18.0.3", 80)}).Flags(XLB_SERVICE_SNAT));
  ASSERT_EQ(BackendFor(Syn(0)), 0u) << "without an address on the bridge there is none to show";
  node_.self.bridge_addr = AddressBe("172.18.0.1");
  Rewrite();
  Programs().Run(Program::kUplink, Syn(0).Build(), {.ifindex = ifindex_});
  ASSERT_TRUE(FlowOf(Syn(0)));
  EXPECT_EQ(IpText(ntohl(FlowOf(Syn(0))->saddr)), "172.18.0.1");
}

}  // namespace
}  // namespace xlb::test
