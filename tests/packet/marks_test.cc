// Marks of Docker's connections from user space: filed without pushing anything out, swept when idle, counted apart.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "dataplane/flow_table.h"
#include "packet/skip.h"

namespace xlb::test {
namespace {

constexpr uint32_t kEntries = 4096;
constexpr uint32_t kNow = 1000000;  // ticks of a second

xlb_flow_key Key(uint16_t port, uint8_t protocol = IPPROTO_UDP) {
  xlb_flow_key key{};
  key.saddr = htonl(0xcb007107);
  key.daddr = htonl(0xc0000201);
  key.sport = htons(port);
  key.proto = protocol;
  return key;
}

class MarksTest : public testing::Test {
 protected:
  MarksTest()
      : map_(bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "marks_test", sizeof(xlb_flow_key), sizeof(xlb_flow), kEntries,
                            nullptr)),
        table_(map_.get(), kEntries) {}

  std::optional<xlb_flow> Find(const xlb_flow_key& key) const {
    xlb_flow flow;
    if (bpf_map_lookup_elem(map_.get(), &key, &flow) != 0) return std::nullopt;
    return flow;
  }
  SweepResult Sweep(uint32_t now) {
    FlowSweeper sweeper(&table_, 1.0, [](const xlb_flow&) { return false; });
    for (;;) {
      const auto done = sweeper.Step(now);
      EXPECT_TRUE(done.ok()) << done.status();
      if (!done.ok()) return {};
      if (done->has_value()) return **done;
    }
  }

  UniqueFd map_;
  FlowTable table_;
};

TEST_F(MarksTest, AreNoFlows) {
  const auto marked = table_.MarkDockers(std::vector{Key(1), Key(2), Key(3, IPPROTO_TCP)}, kNow);
  ASSERT_TRUE(marked.ok()) << marked.status();
  EXPECT_EQ(*marked, 3u);
  ASSERT_TRUE(Find(Key(2)));
  EXPECT_EQ(Find(Key(2))->kind, XLB_KIND_NONE);
  const SweepResult sweep = Sweep(kNow);
  EXPECT_EQ(sweep.marks, 3u);
  EXPECT_EQ(sweep.flows, 0u);
  EXPECT_TRUE(sweep.flows_by_backend.empty());
}

TEST_F(MarksTest, AFlowOfOursStays) {
  xlb_flow ours{};
  ours.kind = XLB_KIND_VXLAN;
  ours.backend = 7;
  ours.seen = kNow;
  const xlb_flow_key key = Key(1);
  ASSERT_EQ(bpf_map_update_elem(map_.get(), &key, &ours, BPF_ANY), 0);
  ASSERT_TRUE(table_.MarkDockers(std::vector{key, Key(2)}, kNow).ok());
  EXPECT_EQ(Find(key)->backend, 7u);
  const SweepResult sweep = Sweep(kNow);
  EXPECT_EQ(sweep.flows, 1u);
  EXPECT_EQ(sweep.marks, 1u);
}

TEST_F(MarksTest, LeaveRoomForFlows) {
  std::vector<xlb_flow_key> keys;
  for (uint16_t port = 1; port <= kEntries / 2; port++) keys.push_back(Key(port));
  const auto marked = table_.MarkDockers(keys, kNow);
  ASSERT_TRUE(marked.ok()) << marked.status();
  EXPECT_EQ(*marked, kEntries / 4);
}

// As long as IPVS itself would remember: 300 s for UDP, 900 s for TCP.
TEST_F(MarksTest, GoWhenIdle) {
  ASSERT_TRUE(table_.MarkDockers(std::vector{Key(1), Key(2, IPPROTO_TCP)}, kNow).ok());
  EXPECT_EQ(Sweep(kNow + 300).marks, 2u);
  EXPECT_EQ(Sweep(kNow + 301).removed, 0u) << "no flow of ours ended";
  EXPECT_FALSE(Find(Key(1)));
  EXPECT_TRUE(Find(Key(2, IPPROTO_TCP)));
  Sweep(kNow + 901);
  EXPECT_FALSE(Find(Key(2, IPPROTO_TCP)));
}

}  // namespace
}  // namespace xlb::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!GTEST_FLAG_GET(list_tests) && geteuid() != 0) return xlb::test::Skip(xlb::test::kNeedsRoot);
  return RUN_ALL_TESTS();
}
