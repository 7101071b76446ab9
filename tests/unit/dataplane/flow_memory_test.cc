// The flow table by itself (xlb/flow_table.h), in memory of the test's own: what it holds, what gives way, and what
// many threads at once may do to it.
#include "dataplane/flow_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "xlb/flow_bytes.h"

namespace xlb {
namespace {

constexpr uint32_t kNow = 1000;

class Table {
 public:
  explicit Table(uint64_t flows) {
    memory_.config.seed[0] = 0x9e3779b97f4a7c15;
    memory_.config.seed[1] = 0xd1b54a32d192ed03;
    memory_.config.seed[2] = 0x8cb92ba72f3d8dd7;
    memory_.config.seed[3] = 0xaef17502108ef2d9;
    memory_.config.buckets = static_cast<uint32_t>(XLB_FLOW_BUCKETS(flows));
    heads_.reset(new (std::align_val_t{128}) xlb_flow_head[memory_.config.buckets]());
    flows_.reset(new (std::align_val_t{128}) xlb_flow[places()]());
    memory_.heads = heads_.get();
    memory_.flows = flows_.get();
  }

  xlb_table_t get() const { return &memory_; }
  uint32_t places() const { return memory_.config.buckets * XLB_FLOW_WAYS; }
  bool IsTaken(uint32_t slot) const { return XLB_LOAD(heads_[slot / XLB_FLOW_WAYS].tags[slot % XLB_FLOW_WAYS]) != 0; }
  xlb_flow& at(uint32_t slot) const { return flows_[slot]; }
  xlb_flow_head& head(uint32_t bucket) const { return heads_[bucket]; }
  uint32_t buckets() const { return memory_.config.buckets; }
  uint64_t Hash(const xlb_flow_key& key) const { return xlb_flow_hash(&memory_.config, &key); }
  uint32_t Home(const xlb_flow_key& key) const { return xlb_hash_bucket(&memory_.config, Hash(key), 0); }
  uint32_t Search(const xlb_flow_key& key) const { return xlb_table_search(get(), &key, Hash(key)); }

 private:
  struct Free {
    void operator()(void* memory) const { ::operator delete[](memory, std::align_val_t{128}); }
  };
  xlb_mapped_table memory_{};
  std::unique_ptr<xlb_flow_head[], Free> heads_;
  std::unique_ptr<xlb_flow[], Free> flows_;
};

xlb_flow_key ClientKey(uint32_t i) {
  return {.saddr = 0x0b000000 + i, .daddr = 0xc0000201, .sport = 77, .dport = 80, .proto = 6, .zone = 0, .pad = 0};
}

xlb_flow_key AnswerKey(uint32_t i) {
  return {.saddr = 0x0a010000,
          .daddr = 0x0a000002 + (i >> 16),
          .sport = 80,
          .dport = static_cast<uint16_t>(i),
          .proto = 6,
          .zone = 1,
          .pad = 0};
}

// What a flow's other members must be: nobody else's.
uint32_t Mark(const xlb_flow_key& key) { return key.saddr * 2654435761u; }

// Looks for the key first, as programs do, and says what xlb_table_claim may know of that.
uint32_t LookInVain(const Table& table, const xlb_flow_key& key) {
  const uint32_t unfiled = xlb_unfiled(&table.head(table.Home(key)));
  return table.Search(key) == XLB_SLOT_NONE ? unfiled : XLB_UNFILED_UNKNOWN;
}

// The slot; nothing when the flow was not filed, with the reason in `claim`.
std::optional<uint32_t> File(const Table& table, const xlb_flow_key& client, const xlb_flow_key& answer, uint32_t now,
                             uint8_t state = XLB_FLOW_REPLIED, uint32_t* claim = nullptr) {
  uint32_t slot = xlb_table_claim(table.get(), &client, now, XLB_FLOW_PROBES, LookInVain(table, client));
  if (claim != nullptr) *claim = slot;
  if (slot >= XLB_CLAIM_FAILED) return std::nullopt;
  slot &= ~XLB_CLAIM_EVICTED;
  xlb_flow& flow = table.at(slot);
  flow.key[1] = answer;
  flow.service = Mark(client);
  flow.backend = 1;
  const uint32_t answered = xlb_table_answer(table.get(), slot);
  if (answered != slot) {
    if (claim != nullptr) *claim = answered;
    xlb_table_abandon(table.get(), slot);
    return std::nullopt;
  }
  xlb_table_publish(&flow, now, state);
  return slot;
}

bool Remove(const Table& table, const xlb_flow_key& key) {
  const uint32_t slot = table.Search(key);
  if (slot == XLB_SLOT_NONE) return false;
  return xlb_table_remove(table.get(), slot, XLB_LOAD(xlb_slot_flow(table.get(), slot)->life)) != 0;
}

bool IsThere(const Table& table, const xlb_flow_key& client, const xlb_flow_key& answer) {
  const uint32_t slot = table.Search(client), by_answer = table.Search(answer);
  return slot != XLB_SLOT_NONE && by_answer == (slot | XLB_SLOT_ANSWER) && table.at(slot).service == Mark(client);
}

// Every tag, reference and count belongs to a flow, and every flow has its own.
void ExpectSound(const Table& table) {
  std::vector<uint32_t> spilled(table.buckets());
  size_t flows = 0, answers = 0;
  for (uint32_t slot = 0; slot < table.places(); slot++) {
    if (!table.IsTaken(slot)) continue;
    const xlb_flow& flow = table.at(slot);
    flows++;
    ASSERT_TRUE(xlb_life_is_live(flow.life));
    ASSERT_EQ(table.Search(flow.key[0]), slot);
    ASSERT_EQ(table.Search(flow.key[1]), slot | XLB_SLOT_ANSWER);
    ASSERT_EQ(flow.service, Mark(flow.key[0]));
    if (table.Home(flow.key[0]) != slot / XLB_FLOW_WAYS) spilled[table.Home(flow.key[0])]++;
  }
  for (uint32_t bucket = 0; bucket < table.buckets(); bucket++) {
    const xlb_flow_head& head = table.head(bucket);
    ASSERT_EQ(head.lock & XLB_LOCKED, 0u);
    for (uint32_t i = 0; i < XLB_FLOW_ANSWERS; i++) {
      if (head.answer_tags[i] == 0) continue;
      answers++;
      const xlb_flow& flow = table.at(head.answers[i] & ~XLB_SLOT_ANSWER);
      if (table.Home(flow.key[1]) != bucket) spilled[table.Home(flow.key[1])]++;
    }
  }
  EXPECT_EQ(answers, flows);
  for (uint32_t bucket = 0; bucket < table.buckets(); bucket++) ASSERT_EQ(table.head(bucket).spilled, spilled[bucket]);
}

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

TEST(FlowMemoryTest, WhatIsWorthLeastGoesFirst) {
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

TEST(FlowMemoryTest, AFullTableGivesWayButNotWhatIsInUse) {
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
}  // namespace xlb
