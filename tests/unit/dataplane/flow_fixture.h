// A flow table in memory of the test's own, and flows for it.
#ifndef XLB_TESTS_UNIT_DATAPLANE_FLOW_FIXTURE_H_
#define XLB_TESTS_UNIT_DATAPLANE_FLOW_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "dataplane/flow_memory.h"

namespace xlb::test {

inline constexpr uint32_t kNow = 1000;

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

inline xlb_flow_key ClientKey(uint32_t i) {
  return {.saddr = 0x0b000000 + i, .daddr = 0xc0000201, .sport = 77, .dport = 80, .proto = 6, .zone = 0, .pad = 0};
}

inline xlb_flow_key AnswerKey(uint32_t i) {
  return {.saddr = 0x0a010000,
          .daddr = 0x0a000002 + (i >> 16),
          .sport = 80,
          .dport = static_cast<uint16_t>(i),
          .proto = 6,
          .zone = 1,
          .pad = 0};
}

// What a flow's other members must be: nobody else's.
inline uint32_t Mark(const xlb_flow_key& key) { return key.saddr * 2654435761u; }

// Looks for the key first, as programs do, and says what xlb_table_claim may know of that.
inline uint32_t LookInVain(const Table& table, const xlb_flow_key& key) {
  const uint32_t unfiled = xlb_unfiled(&table.head(table.Home(key)));
  return table.Search(key) == XLB_SLOT_NONE ? unfiled : XLB_UNFILED_UNKNOWN;
}

// The slot; nothing when the flow was not filed, with the reason in `claim`.
inline std::optional<uint32_t> File(const Table& table, const xlb_flow_key& client, const xlb_flow_key& answer,
                                    uint32_t now, uint8_t state = XLB_FLOW_REPLIED, uint32_t* claim = nullptr) {
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

inline bool Remove(const Table& table, const xlb_flow_key& key) {
  const uint32_t slot = table.Search(key);
  if (slot == XLB_SLOT_NONE) return false;
  return xlb_table_remove(table.get(), slot, XLB_LOAD(xlb_slot_flow(table.get(), slot)->life)) != 0;
}

inline bool IsThere(const Table& table, const xlb_flow_key& client, const xlb_flow_key& answer) {
  const uint32_t slot = table.Search(client), by_answer = table.Search(answer);
  return slot != XLB_SLOT_NONE && by_answer == (slot | XLB_SLOT_ANSWER) && table.at(slot).service == Mark(client);
}

// Every tag, reference and count belongs to a flow, and every flow has its own.
inline void ExpectSound(const Table& table) {
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

}  // namespace xlb::test

#endif  // XLB_TESTS_UNIT_DATAPLANE_FLOW_FIXTURE_H_
