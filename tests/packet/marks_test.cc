// Marks of Docker's connections from user space: filed without pushing anything out, swept when idle, counted apart.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <vector>

#include "dataplane/flow_table.h"
#include "packet/flow_entry.h"
#include "packet/loaded_programs.h"
#include "packet/node.h"
#include "packet/skip.h"

namespace xlb::test {
namespace {

constexpr uint32_t kFlows = 1024;  // that the table holds

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
  void SetUp() override {
    auto loaded = LoadedPrograms::Load(LoadedPrograms::TableFor(kFlows));
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    programs_ = *std::move(loaded);
    Node().Write(programs_->maps());
    auto memory =
        FlowMemory::Map(programs_->maps().flow_heads, programs_->maps().flows, FlowConfigOf(programs_->maps()));
    ASSERT_TRUE(memory.ok()) << memory.status();
    table_.emplace(*std::move(memory), programs_->mark_fd());
    now_ = *TickClock(programs_->clock_fd()).Now();
  }

  std::optional<FlowEntry> Find(const xlb_flow_key& key) const { return FindFlow(table_->memory(), key); }
  SweepResult Sweep(uint32_t now) {
    FlowSweeper sweeper(&*table_, 1.0, [](const xlb_flow&) { return false; });
    std::optional<SweepResult> done;
    while (!done) done = sweeper.Step(now);
    return *done;
  }

  std::unique_ptr<LoadedPrograms> programs_;
  std::optional<FlowTable> table_;
  uint32_t now_ = 0;
};

TEST_F(MarksTest, AreNoFlows) {
  const auto marked = table_->MarkDockers(std::vector{Key(1), Key(2), Key(3, IPPROTO_TCP)});
  ASSERT_TRUE(marked.ok()) << marked.status();
  EXPECT_EQ(*marked, 3u);
  ASSERT_TRUE(Find(Key(2)));
  EXPECT_EQ(Find(Key(2))->kind, XLB_KIND_NONE);
  const SweepResult sweep = Sweep(now_);
  EXPECT_EQ(sweep.marks, 3u);
  EXPECT_EQ(sweep.flows, 0u);
  EXPECT_TRUE(sweep.flows_by_backend.empty());
}

TEST_F(MarksTest, AFlowOfOursStays) {
  xlb_flow ours{};
  ours.kind = XLB_KIND_VXLAN;
  ours.backend = 7;
  ours.life = now_;
  ours.key[0] = Key(1);
  ours.key[1] = Key(77);
  ASSERT_TRUE(FileFlow(table_->memory(), ours));
  ASSERT_TRUE(table_->MarkDockers(std::vector{Key(1), Key(77), Key(2)}).ok());
  EXPECT_EQ(Find(Key(1))->backend, 7u);
  EXPECT_EQ(Find(Key(77))->backend, 7u);
  const SweepResult sweep = Sweep(now_);
  EXPECT_EQ(sweep.flows, 1u);
  EXPECT_EQ(sweep.marks, 1u);
}

TEST_F(MarksTest, LeaveRoomForFlows) {
  std::vector<xlb_flow_key> keys;
  for (uint16_t port = 1; port <= kFlows; port++) keys.push_back(Key(port));
  const auto marked = table_->MarkDockers(keys);
  ASSERT_TRUE(marked.ok()) << marked.status();
  EXPECT_EQ(*marked, table_->capacity() / 4);
}

// An xlbd that was killed while it emptied a place.
TEST_F(MarksTest, APlaceThatWasHalfEmptiedIsEmptied) {
  ASSERT_TRUE(table_->MarkDockers(std::vector{Key(1)}).ok());
  for (xlb_flow& flow : table_->memory().flows()) {
    if (xlb_life_is_live(flow.life)) flow.life |= XLB_LIFE_REAPED;
  }
  EXPECT_FALSE(Find(Key(1)));
  EXPECT_EQ(Sweep(now_).marks, 0u);
  ASSERT_TRUE(table_->MarkDockers(std::vector{Key(1)}).ok());
  EXPECT_EQ(Sweep(now_).marks, 1u);
  EXPECT_TRUE(Find(Key(1)));
}

// As long as IPVS itself would remember: 300 s for UDP, 900 s for TCP.
TEST_F(MarksTest, GoWhenIdle) {
  ASSERT_TRUE(table_->MarkDockers(std::vector{Key(1), Key(2, IPPROTO_TCP)}).ok());
  EXPECT_EQ(Sweep(now_ + 300).marks, 2u);
  EXPECT_EQ(Sweep(now_ + 301).removed, 0u) << "no flow of ours ended";
  EXPECT_FALSE(Find(Key(1)));
  EXPECT_TRUE(Find(Key(2, IPPROTO_TCP)));
  Sweep(now_ + 901);
  EXPECT_FALSE(Find(Key(2, IPPROTO_TCP)));
}

}  // namespace
}  // namespace xlb::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!GTEST_FLAG_GET(list_tests) && geteuid() != 0) return xlb::test::Skip(xlb::test::kNeedsRoot);
  return RUN_ALL_TESTS();
}
