// The flow table by itself (xlb/flow_table.h): what it holds and finds, and what many threads at once may do to it.
#include "dataplane/flow_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "unit/dataplane/flow_fixture.h"
#include "xlb/flow_bytes.h"

namespace xlb::test {
namespace {

TEST(FlowMemoryTest, LowestTagIsWhereItIs) {
  for (uint32_t at = 0; at < XLB_FLOW_ANSWERS; at++) {
    xlb_flow_head head{};
    std::fill(std::begin(head.answer_tags), std::end(head.answer_tags), uint16_t{8});
    head.answer_tags[at] = 9;
    EXPECT_EQ(xlb_answer_of(&head, 9), at);
    EXPECT_EQ(xlb_answer_of(&head, 10), XLB_FLOW_ANSWERS);
    head.answer_tags[at] = 0;
    EXPECT_EQ(xlb_answer_of(&head, 0), at);
    if (at >= XLB_FLOW_WAYS) continue;
    std::fill(std::begin(head.tags), std::end(head.tags), uint16_t{0xffff});
    head.tags[at] = 0xfffe;
    EXPECT_EQ(xlb_way_of(&head, 0xfffe), at);
  }
}

TEST(FlowMemoryTest, TheWayOfAByte) {
  EXPECT_EQ(xlb_way_of_byte(0, 7, XLB_FLOW_WAYS), uint32_t{XLB_FLOW_WAYS});
  for (uint32_t way = 0; way < XLB_FLOW_WAYS; way++) {
    for (const uint8_t byte : {1, 7, 0x80, 0xff}) {
      const uint64_t others = ~uint64_t{0} / 0xff * (byte ^ 1u);  // differ in the bit that carries fall out of
      const uint64_t bytes = (others & ~(uint64_t{0xff} << 8 * way)) | uint64_t{byte} << 8 * way;
      EXPECT_EQ(xlb_way_of_byte(bytes, byte, XLB_FLOW_WAYS), way);
      EXPECT_NE(xlb_way_of_byte(bytes, byte, way), way);
    }
  }
  const uint64_t two = uint64_t{9} << 8 * 6 | uint64_t{9} << 8 * 2;
  EXPECT_EQ(xlb_way_of_byte(two, 9, 2), 6u);
  EXPECT_EQ(xlb_way_of_byte(two, 9, 6), 2u);
}

TEST(FlowMemoryTest, HoldsAsManyAsItIsMadeFor) {
  constexpr uint32_t kFlows = 300'000;
  const Table table(kFlows);
  for (uint32_t i = 0; i < kFlows; i++) ASSERT_TRUE(File(table, ClientKey(i), AnswerKey(i), kNow)) << i;
  for (uint32_t i = 0; i < kFlows; i++) ASSERT_TRUE(IsThere(table, ClientKey(i), AnswerKey(i))) << i;
  ExpectSound(table);
  EXPECT_LE(static_cast<double>(table.buckets()) * (sizeof(xlb_flow_head) + XLB_FLOW_WAYS * sizeof(xlb_flow)) / kFlows,
            192.0);
  for (uint32_t i = 0; i < kFlows; i += 2) ASSERT_TRUE(Remove(table, ClientKey(i)));
  for (uint32_t i = 1; i < kFlows; i += 2) ASSERT_TRUE(IsThere(table, ClientKey(i), AnswerKey(i)));
  ExpectSound(table);
  for (uint32_t i = 1; i < kFlows; i += 2) ASSERT_TRUE(Remove(table, AnswerKey(i)));
  for (uint32_t bucket = 0; bucket < table.buckets(); bucket++) ASSERT_EQ(table.head(bucket).spilled, 0u);
}

// Clients from all over, whose keys do not fill the buckets as evenly as those of neighbours: many flows lie far from
// their homes, and of the last ones a few find no place. Those that did are found, and nobody else's answers get their
// keys.
TEST(FlowMemoryTest, WhatLiesElsewhereIsTaken) {
  constexpr uint32_t kFlows = 300'000;
  const auto scattered = [](xlb_flow_key key, uint64_t i) {
    i = (i + 1) * 0x9e3779b97f4a7c15;  // SplitMix64: as good as drawn by lot, and never the same twice
    i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9;
    i = (i ^ (i >> 27)) * 0x94d049bb133111eb;
    key.saddr = static_cast<uint32_t>(i >> 32);
    key.sport = static_cast<uint16_t>(i);
    return key;
  };
  const auto client = [&](uint32_t i) { return scattered(ClientKey(0), i); };
  const auto answer = [&](uint32_t i) { return scattered(AnswerKey(0), i); };
  const Table table(kFlows);
  std::vector<bool> filed(kFlows);
  for (uint32_t i = 0; i < kFlows; i++) filed[i] = File(table, client(i), answer(i), kNow).has_value();
  EXPECT_GE(std::count(filed.begin(), filed.end(), true), kFlows - kFlows / 10'000);
  EXPECT_EQ(std::count(filed.begin(), filed.begin() + kFlows * 9 / 10, false), 0);

  for (uint32_t i = 0; i < kFlows; i += 2) ASSERT_EQ(Remove(table, client(i)), filed[i]);
  ExpectSound(table);
  size_t elsewhere = 0;
  for (uint32_t i = 1; i < kFlows; i += 2) {
    if (!filed[i]) continue;
    ASSERT_TRUE(IsThere(table, client(i), answer(i)));
    elsewhere += table.Home(client(i)) != table.Search(client(i)) / XLB_FLOW_WAYS;
    for (const xlb_flow_key& taken : {client(i), answer(i)}) {
      uint32_t claim = 0;
      ASSERT_FALSE(File(table, client(kFlows + i), taken, kNow, 0, &claim)) << i;
      ASSERT_EQ(claim, XLB_CLAIM_EXISTS);
    }
  }
  EXPECT_GT(elsewhere, kFlows / 100);
}

TEST(FlowMemoryTest, AKeyIsFiledOnce) {
  const Table table(100);
  uint32_t claim = 0;
  ASSERT_TRUE(File(table, ClientKey(1), AnswerKey(1), kNow));
  EXPECT_FALSE(File(table, ClientKey(1), AnswerKey(2), kNow, 0, &claim));
  EXPECT_EQ(claim, XLB_CLAIM_EXISTS);
  EXPECT_FALSE(File(table, ClientKey(2), AnswerKey(1), kNow, 0, &claim));
  EXPECT_EQ(claim, XLB_CLAIM_EXISTS) << "the other flow's answers have that key";
  EXPECT_FALSE(File(table, AnswerKey(1), AnswerKey(3), kNow, 0, &claim));
  EXPECT_EQ(claim, XLB_CLAIM_EXISTS);
  EXPECT_EQ(table.Search(ClientKey(2)), XLB_SLOT_NONE) << "nothing is left of what failed";
  ExpectSound(table);
}

TEST(FlowMemoryTest, WhatOthersFiledSinceIsSeen) {
  const Table table(100);
  const xlb_flow_key key = ClientKey(1);
  const uint32_t unfiled = LookInVain(table, key);
  ASSERT_NE(unfiled, uint32_t{XLB_UNFILED_UNKNOWN});
  ASSERT_TRUE(File(table, key, AnswerKey(1), kNow));
  EXPECT_EQ(xlb_table_claim(table.get(), &key, kNow, XLB_FLOW_PROBES, unfiled), XLB_CLAIM_EXISTS);
  // And nothing is known of a home in which somebody files at this moment.
  xlb_flow_head& home = table.head(table.Home(key));
  ASSERT_TRUE(xlb_lock(&home));
  EXPECT_EQ(xlb_unfiled(&home), uint32_t{XLB_UNFILED_UNKNOWN});
  xlb_unlock(&home);
}

// Of many CPUs that see a flow's first packet at once, one files it.
TEST(FlowMemoryTest, OneOfManyFilesAKey) {
  constexpr uint32_t kRounds = 20'000, kThreads = 4;
  const Table table(kRounds * 2);
  std::atomic<uint32_t> filed = 0;
  std::vector<std::thread> threads;
  for (uint32_t id = 0; id < kThreads; id++) {
    threads.emplace_back([&, id] {
      // Half of them race for the client's key, half for the answers'.
      for (uint32_t i = 0; i < kRounds; i++) {
        const bool own_client = id % 2 == 0;
        filed += File(table, ClientKey(own_client ? i : i + kRounds * (id + 1)), AnswerKey(i), kNow).has_value();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectSound(table);
  EXPECT_GE(filed, kRounds / 2) << "a claim that fails lets go of its place";
  EXPECT_LE(filed, kRounds);
}

// Flows that are held while others come and go, pin, write and evict on every thread: none is lost, none becomes
// another.
TEST(FlowMemoryTest, HeldFlowsOutliveAnyTraffic) {
  constexpr uint32_t kHeld = 20'000, kThreads = 4, kRounds = 150'000;
  const Table table(kHeld + kHeld / 4);
  for (uint32_t i = 0; i < kHeld; i++) ASSERT_TRUE(File(table, ClientKey(i), AnswerKey(i), kNow));
  std::atomic<uint64_t> mixed = 0, lost = 0, churned = 0;
  const auto work = [&](uint32_t id) {
    std::minstd_rand random(id + 1);
    for (uint32_t i = 0; i < kRounds; i++) {
      // A hit on a held flow: what is read under one life must be all of the same flow.
      const uint32_t held = random() % kHeld;
      const xlb_flow_key key = random() % 2 == 0 ? ClientKey(held) : AnswerKey(held);
      const uint32_t slot = table.Search(key);
      if (slot == XLB_SLOT_NONE) {
        lost++;
      } else {
        xlb_flow& flow = *xlb_slot_flow(table.get(), slot);
        const uint64_t life = XLB_LOAD(flow.life);
        if (xlb_life_note(&flow, life, kNow, 0, 0) == 0 || XLB_LOAD(flow.service) != Mark(ClientKey(held))) mixed++;
        if (random() % 16 == 0 && xlb_pin(&flow, life)) {
          XLB_STORE(flow.hop[0].ifindex, id);
          xlb_unpin(&flow);
        }
      }
      // A flow of a range that all threads share begins or ends; the table is too small for all of them.
      const uint32_t other = kHeld + random() % (2 * kHeld);
      if (random() % 2 == 0) {
        churned += File(table, ClientKey(other), AnswerKey(other), kNow, 0).has_value();
      } else {
        Remove(table, ClientKey(other));
      }
      // A late packet of such a flow, whose place may be another's by now.
      const uint32_t late = kHeld + random() % (2 * kHeld);
      const uint32_t place = table.Search(ClientKey(late));
      if (place == XLB_SLOT_NONE) continue;
      xlb_flow& flow = *xlb_slot_flow(table.get(), place);
      __u64 life = 0;
      if (xlb_flow_if(&flow, xlb_words_of(&flow.key[0]), 0, &life) == nullptr) continue;
      const uint32_t service = XLB_LOAD(flow.service);
      if (random() % 64 == 0) std::this_thread::yield();  // time for its place to become another flow's
      const bool same_service = XLB_LOAD(flow.service) == service;
      xlb_ordered();
      if (xlb_life_same(XLB_LOAD(flow.life), life) && !same_service) mixed++;
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t id = 0; id < kThreads; id++) threads.emplace_back(work, id);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lost, 0u);
  EXPECT_EQ(mixed, 0u);
  EXPECT_GT(churned, kRounds / 4) << "there was traffic";
  for (uint32_t i = 0; i < kHeld; i++) ASSERT_TRUE(IsThere(table, ClientKey(i), AnswerKey(i))) << i;
  ExpectSound(table);
}

}  // namespace
}  // namespace xlb::test
