// What gives way in a full flow table (xlb/flow_claim.h).
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "unit/dataplane/flow_fixture.h"

namespace xlb::test {
namespace {

TEST(FlowEvictionTest, WhatIsWorthLeastGoesFirst) {
  const auto score = [](uint64_t life, uint8_t proto = IPPROTO_TCP) { return xlb_evict_score(life, kNow, proto); };
  const auto at_once = [&](uint64_t life, uint8_t proto) { return (score(life, proto) & XLB_EVICT_AT_ONCE) != 0; };
  const uint64_t open = XLB_LIFE_LIVE | uint64_t{XLB_FLOW_REPLIED} << XLB_LIFE_STATE_SHIFT;
  const uint64_t unanswered = XLB_LIFE_LIVE;
  const uint64_t reset = XLB_LIFE_LIVE | uint64_t{XLB_FLOW_REPLIED | XLB_FLOW_RESET} << XLB_LIFE_STATE_SHIFT;
  EXPECT_EQ(score(open | kNow), 0u) << "in use";
  EXPECT_EQ(score(open | (kNow + 1)), 0u) << "in use on another CPU";
  EXPECT_GT(score(open | (kNow - 100)), score(open | (kNow - 99)));
  EXPECT_GT(score(unanswered | kNow), score(open | 1));
  EXPECT_GT(score(reset | kNow), score(unanswered | 1));
  EXPECT_EQ(score(reset | XLB_LIFE_PINNED | 1), 0u);
  EXPECT_EQ(score((reset & ~XLB_LIFE_PHASE) | XLB_LIFE_OWNED), 0u);

  EXPECT_TRUE(at_once(reset | kNow, IPPROTO_TCP));
  EXPECT_TRUE(at_once(unanswered | kNow, IPPROTO_TCP));
  EXPECT_FALSE(at_once(unanswered | kNow, IPPROTO_UDP)) << "a stream of datagrams that nobody answers";
  EXPECT_TRUE(at_once(unanswered | (kNow - XLB_EVICT_IDLE), IPPROTO_UDP));
  EXPECT_FALSE(at_once(open | 1, IPPROTO_TCP));
}

// The flows of bucket 0 in a table that is full of answered ones.
class FullBucketTest : public testing::Test {
 protected:
  FullBucketTest() : table_(1) {
    uint32_t filed = 0;
    for (uint32_t i = 0; i < 1000; i++) filed += File(table_, ClientKey(i), AnswerKey(i), kNow).has_value();
    EXPECT_EQ(filed, table_.places());
  }
  xlb_flow& way(uint32_t way) { return table_.at(way); }
  void Set(uint32_t way, uint32_t age, uint8_t state) {
    xlb_flow& flow = table_.at(way);
    flow.life = (flow.life & XLB_LIFE_IDENTITY) | uint64_t{state} << XLB_LIFE_STATE_SHIFT | (kNow - age);
  }
  uint32_t Victim(uint32_t hand) { return xlb_choose_victim(table_.get(), 0, kNow, hand); }

  Table table_;
};

TEST_F(FullBucketTest, TheFirstThatNobodyNeedsGoesInTurn) {
  for (uint32_t i = 0; i < XLB_FLOW_WAYS; i++) Set(i, 0, 0);
  EXPECT_EQ(Victim(5), 5u);
  Set(5, 0, XLB_FLOW_REPLIED);
  EXPECT_EQ(Victim(5), 6u) << "it was answered meanwhile";
  Set(6, 100, XLB_FLOW_REPLIED);
  EXPECT_EQ(Victim(5), 7u) << "an idle connection is worth more than one that begins";
  way(7).key[0].proto = IPPROTO_UDP;
  EXPECT_EQ(Victim(5), 0u) << "and so is a stream of datagrams";
}

// What a flood files goes in the order in which it came: the newest last.
TEST_F(FullBucketTest, ThoseOfAFloodPushOutEachOther) {
  for (uint32_t i = 0; i < XLB_FLOW_WAYS; i++) Set(i, 0, 0);
  std::vector<uint32_t> filed;
  for (uint32_t i = 1000; filed.size() < 3 * XLB_FLOW_WAYS; i++) {
    if (table_.Home(ClientKey(i)) != 0) continue;
    const auto slot = File(table_, ClientKey(i), AnswerKey(i), kNow, 0);
    if (!slot.has_value()) continue;  // the one flow that has its tag is in use
    ASSERT_LT(*slot, uint32_t{XLB_FLOW_WAYS});
    filed.push_back(i);
    const size_t living = std::min<size_t>(filed.size(), XLB_FLOW_WAYS);
    for (size_t back = 1; back <= living; back++) {
      const uint32_t one = filed[filed.size() - back];
      EXPECT_TRUE(IsThere(table_, ClientKey(one), AnswerKey(one))) << back << " before the last of " << filed.size();
    }
  }
}

TEST_F(FullBucketTest, ElseTheOneThatIsWorthLeast) {
  for (uint32_t i = 0; i < XLB_FLOW_WAYS; i++) Set(i, 10 + i % 3, XLB_FLOW_REPLIED);
  Set(7, 12, XLB_FLOW_REPLIED);
  EXPECT_EQ(Victim(0), 2u) << "of 2, 5 and 7, which are as old";
  EXPECT_EQ(Victim(3), 5u);
  EXPECT_EQ(Victim(6), 7u);
  Set(4, 50, XLB_FLOW_REPLIED);
  for (uint32_t hand = 0; hand < 20; hand++) EXPECT_EQ(Victim(hand), 4u);
  way(6).key[0].proto = IPPROTO_UDP;
  Set(6, 0, 0);
  for (uint32_t hand = 0; hand < 20; hand++) EXPECT_EQ(Victim(hand), 6u);
  for (uint32_t i = 0; i < XLB_FLOW_WAYS; i++) Set(i, 1, XLB_FLOW_REPLIED);
  EXPECT_EQ(Victim(0), uint32_t{XLB_FLOW_WAYS}) << "all are in use";
}

TEST(FlowEvictionTest, AFullTableGivesWayButNotWhatIsInUse) {
  const Table table(1000);
  size_t filed = 0;
  uint32_t i = 0;
  for (; i < 20'000; i++) filed += File(table, ClientKey(i), AnswerKey(i), kNow).has_value();
  EXPECT_GE(filed, 1000u);
  EXPECT_LE(filed, table.places());
  for (uint32_t j = 0; j < 1000; j++) ASSERT_TRUE(IsThere(table, ClientKey(j), AnswerKey(j))) << j;
  // An hour later they are idle, and each new one finds a place.
  for (uint32_t j = 0; j < 20'000; j++) ASSERT_TRUE(File(table, ClientKey(i + j), AnswerKey(i + j), kNow + 3600 + j));
  EXPECT_FALSE(IsThere(table, ClientKey(0), AnswerKey(0)));
  ExpectSound(table);
}

}  // namespace
}  // namespace xlb::test
