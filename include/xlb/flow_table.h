/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The flow table: how buckets (struct xlb_flow_head in abi.h) are searched, filled and emptied, by many CPUs at once.
 * Compiles for BPF, and as C and C++ for xlbd and for tests that race threads on it. The includer defines, before:
 *
 *   xlb_table_t                         a table; a pointer, handed through
 *   xlb_table_config(table)             its struct xlb_flow_config
 *   xlb_table_head(table, index)        the head of a bucket, NULL beyond the last one
 *   xlb_table_flow(table, index)        a place for a flow, NULL beyond the last one
 *   xlb_table_evicted(table, flow, life)  told of each living flow that is taken away to make room
 *   xlb_table_hand(table, index, way)   told at which way of its bucket the next flow to go will be looked for
 *   xlb_table_placed(table, slot, tag)  told which tag's flow a place has now
 *
 *   XLB_LARGE                           what stands before functions that are better called than inlined
 *
 * A key is hashed to its home bucket. A flow lies in the home of its client's key (key[0]), in one of XLB_FLOW_WAYS
 * places, with all that both directions need; the home of its answers' key (key[1]) has a reference to that place.
 * Where a home is full, the flow or the reference goes to one of XLB_FLOW_PROBES - 1 other buckets, and the home counts
 * it as spilled: only then is there more than one bucket to look at.
 *
 * Who may write what:
 * - A place belongs to whoever brought its life (bits below) from LIVE to OWNED or REAPED, or took a free place (tag 0)
 *   under the home's lock. The owner alone writes keys, tag and reference. A place is given back by its tag: 0 is the
 *   last thing written.
 * - Of a living flow, life changes by compare-and-exchange alone; tunnel, hops and in_ifindex by who has it pinned.
 * - Whoever uses a flow remembers its life, and compares it with the flow's at the end (xlb_life_same): the place may
 * have been given to another flow meanwhile. Every change before that is one that fails when the life is another's.
 * - A key is claimed under the lock of its home, so that two CPUs cannot both have it. A lock is waited for with no
 * other one held, and those of further buckets are only tried, so that nobody waits in a ring. It counts how often it
 * was held: who looked for a key in vain need not look again when nobody has filed one since (xlb_unfiled).
 *
 * Loads are ordered with loads and stores with stores, as x86 does by itself; xlb_ordered() marks the places where
 * other processors need a barrier. */
#ifndef XLB_FLOW_TABLE_H
#define XLB_FLOW_TABLE_H

#include "xlb/abi.h"
#include "xlb/flow_life.h"

/* ---- keys, hashes, slots ---- */

/* A key as the numbers that it is compared and hashed by. */
struct xlb_key_words {
  __u64 addresses;
  __u64 rest;
};

XLB_INLINE struct xlb_key_words xlb_words_of(const struct xlb_flow_key* key) {
  struct xlb_key_words words;
  __builtin_memcpy(&words, key, sizeof(words));
  return words;
}

XLB_INLINE int xlb_key_is(const struct xlb_flow_key* key, struct xlb_key_words words) {
  struct xlb_key_words its = xlb_words_of(key);
  return its.addresses == words.addresses && its.rest == words.rest;
}

/* Multilinear-HM (Lemire and Kaser, "Strongly universal string hashing is fast", 2014): whoever does not know the seed
 * cannot choose keys that meet in one bucket. The upper 32 bits are the universal ones. */
XLB_INLINE __u64 xlb_words_hash(const struct xlb_flow_config* config, struct xlb_key_words words) {
  return (config->seed[0] + (__u32)words.addresses) * (config->seed[1] + (words.addresses >> 32)) +
         (config->seed[2] + (__u32)words.rest) * (config->seed[3] + (words.rest >> 32));
}

XLB_INLINE __u64 xlb_flow_hash(const struct xlb_flow_config* config, const struct xlb_flow_key* key) {
  return xlb_words_hash(config, xlb_words_of(key));
}

/* Tells a bucket's keys apart; 0 is a free place. */
XLB_INLINE __u16 xlb_hash_tag(__u64 hash) {
  __u16 tag = (__u16)(hash >> 32);
  return tag != 0 ? tag : 1;
}

/* The buckets in which a key may be: its home, those beside it on the same page of memory, and two more such groups. */
XLB_INLINE __u32 xlb_hash_bucket(const struct xlb_flow_config* config, __u64 hash, __u64 probe) {
  __u64 half = (__u32)(hash >> (32 - probe / XLB_FLOW_GROUP * 16));
  __u32 base = (__u32)((half * config->buckets) >> 32);
  return (base & ~(XLB_FLOW_GROUP - 1)) | ((base + (__u32)probe) & (XLB_FLOW_GROUP - 1));
}

/* The way of its bucket, and the reference, that a tag gets if they are free: so that most lookups go there at once and
 * need not wait for the tags, which lie on another cache line. */
XLB_INLINE __u32 xlb_tag_way(__u16 tag) { return tag & (XLB_FLOW_WAYS - 1); }
XLB_INLINE __u32 xlb_tag_answer(__u16 tag) { return tag & (XLB_FLOW_ANSWERS - 1); }

/* A place, as references name it. */
#define XLB_SLOT_ANSWER 0x80000000u /* it was found by key[1] */
#define XLB_SLOT_NONE 0xffffffffu
XLB_INLINE __u32 xlb_slot(__u32 bucket, __u32 way) { return bucket * XLB_FLOW_WAYS + way; }

XLB_INLINE struct xlb_flow* xlb_slot_flow(xlb_table_t table, __u32 slot) {
  return xlb_table_flow(table, slot & ~XLB_SLOT_ANSWER);
}

/* ---- tags: four to a word, compared at once and without a branch ---- */

#define XLB_LANES 0x0001000100010001ULL
typedef __u64 __attribute__((may_alias)) xlb_four_tags;

/* The top bit of each 16-bit lane that equals `tag`. Above the lowest one others may be set in vain. */
XLB_INLINE __u64 xlb_lanes_equal(const __u16* tags, __u16 tag) {
  __u64 word = XLB_LOAD(*(const xlb_four_tags*)tags) ^ tag * XLB_LANES;
  return (word - XLB_LANES) & ~word & (XLB_LANES << 15);
}

/* Where the lowest of up to 16 tags was found: `found` has bit 16 * lane + word for each. */
XLB_INLINE __u32 xlb_lowest_tag(__u64 found) {
  __u64 bit = found & (~found + 1);
  __u32 power = (__u32)((bit * XLB_LANES) >> 48); /* 2^word */
  __u32 word = (power >> 1) - (power >> 3);
  __u32 lane = (__u32)((bit * 0x0000000100020003ULL) >> 48) >> word;
  return word * 4 + lane;
}

XLB_INLINE __u64 xlb_ways_equal(const struct xlb_flow_head* head, __u16 tag) {
  return (xlb_lanes_equal(&head->tags[0], tag) >> 15) | (xlb_lanes_equal(&head->tags[4], tag) >> 14);
}

XLB_INLINE __u64 xlb_answers_equal(const struct xlb_flow_head* head, __u16 tag) {
  return (xlb_lanes_equal(&head->answer_tags[0], tag) >> 15) | (xlb_lanes_equal(&head->answer_tags[4], tag) >> 14) |
         (xlb_lanes_equal(&head->answer_tags[8], tag) >> 13) | (xlb_lanes_equal(&head->answer_tags[12], tag) >> 12);
}

/* The way that holds `tag`; XLB_FLOW_WAYS: none. A bucket never has a tag twice, but for 0. */
XLB_INLINE __u32 xlb_way_of(const struct xlb_flow_head* head, __u16 tag) {
  __u64 found = xlb_ways_equal(head, tag);
  return found != 0 ? xlb_lowest_tag(found) & (XLB_FLOW_WAYS - 1) : XLB_FLOW_WAYS;
}

XLB_INLINE __u32 xlb_answer_of(const struct xlb_flow_head* head, __u16 tag) {
  __u64 found = xlb_answers_equal(head, tag);
  return found != 0 ? xlb_lowest_tag(found) & (XLB_FLOW_ANSWERS - 1) : XLB_FLOW_ANSWERS;
}

/* ---- looking up ---- */

#define XLB_LOCKED 1u /* bit of xlb_flow_head.lock */
#define XLB_UNFILED_UNKNOWN 0

/* Taken before a key is looked for in its home: what the home's lock will be when it is next held. If it is that indeed
 * and the key was not there, neither living nor on its way in, it still is not. */
XLB_INLINE __u32 xlb_unfiled(const struct xlb_flow_head* home) {
  __u32 lock = XLB_LOAD(home->lock);
  xlb_ordered();
  return (lock & XLB_LOCKED) ? XLB_UNFILED_UNKNOWN : lock | XLB_LOCKED;
}

/* What a bucket has for `tag`: a slot, still to be compared by its key, or XLB_SLOT_NONE. */
XLB_INLINE __u32 xlb_bucket_find(const struct xlb_flow_head* head, __u32 index, __u16 tag) {
  __u64 found = xlb_ways_equal(head, tag);
  if (found != 0) return xlb_slot(index, xlb_lowest_tag(found) & (XLB_FLOW_WAYS - 1));
  found = xlb_answers_equal(head, tag);
  if (found != 0) return XLB_LOAD(head->answers[xlb_lowest_tag(found) & (XLB_FLOW_ANSWERS - 1)]);
  return XLB_SLOT_NONE;
}

/* Is the flow in this slot one with this key, of either direction? Then its life, else 0. */
XLB_INLINE __u64 xlb_slot_life(xlb_table_t table, __u32 slot, const struct xlb_flow_key* key) {
  struct xlb_flow* flow = slot != XLB_SLOT_NONE ? xlb_slot_flow(table, slot) : NULL;
  if (flow == NULL) return 0;
  __u64 life = XLB_LOAD(flow->life);
  xlb_ordered();
  return xlb_key_is(&flow->key[slot >> 31], xlb_words_of(key)) ? life : 0;
}

/* The flow in this place if it is a living one with this key in direction `reply`: then `life` is its life, else NULL.
 * The place alone decides, whatever led to it. */
XLB_INLINE struct xlb_flow* xlb_flow_if(struct xlb_flow* flow, struct xlb_key_words words, __u32 reply, __u64* life) {
  *life = XLB_LOAD(flow->life);
  xlb_ordered();
  return xlb_life_is_live(*life) && xlb_key_is(&flow->key[reply], words) ? flow : NULL;
}

/* The slot of the key's flow, in whatever phase it is but REAPED; XLB_SLOT_NONE. Looks everywhere: for when the home
 * has spilled, or its tag was another key's. */
XLB_LARGE __u32 xlb_table_search(xlb_table_t table, const struct xlb_flow_key* key, __u64 hash) {
  if (table == NULL || key == NULL) return XLB_SLOT_NONE; /* never, but the BPF verifier knows no callers */
  const struct xlb_flow_config* config = xlb_table_config(table);
  __u16 tag = xlb_hash_tag(hash);
  struct xlb_flow_head* home = xlb_table_head(table, xlb_hash_bucket(config, hash, 0));
  if (home == NULL) return XLB_SLOT_NONE;
  __u32 probes = XLB_LOAD(home->spilled) != 0 ? XLB_FLOW_PROBES : 1;
  XLB_ROLLED
  for (__u64 probe = 0; probe < XLB_FLOW_PROBES; probe++) {
    if (probe >= probes) break;
    __u32 index = xlb_hash_bucket(config, hash, probe);
    struct xlb_flow_head* head = xlb_table_head(table, index);
    if (head == NULL) break;
    __u32 way = xlb_way_of(head, tag);
    __u32 slot = way < XLB_FLOW_WAYS ? xlb_slot(index, way) : XLB_SLOT_NONE;
    __u64 phase = xlb_slot_life(table, slot, key) & XLB_LIFE_PHASE;
    if (phase == XLB_LIFE_LIVE || phase == XLB_LIFE_OWNED) return slot;
    __u32 answer = xlb_answer_of(head, tag);
    slot = answer < XLB_FLOW_ANSWERS ? XLB_LOAD(head->answers[answer & (XLB_FLOW_ANSWERS - 1)]) : XLB_SLOT_NONE;
    phase = xlb_slot_life(table, slot, key) & XLB_LIFE_PHASE;
    if (phase == XLB_LIFE_LIVE || phase == XLB_LIFE_OWNED) return slot;
  }
  return XLB_SLOT_NONE;
}

/* ---- locks ---- */

#define XLB_LOCK_TRIES \
  256 /* a holder needs a few hundred nanoseconds; a CPU that a hypervisor took away, much longer */

XLB_INLINE int xlb_try_lock(struct xlb_flow_head* head) {
  __u32 free = XLB_LOAD(head->lock) & ~XLB_LOCKED;
  return __sync_val_compare_and_swap(&head->lock, free, free | XLB_LOCKED) == free;
}

XLB_INLINE int xlb_lock(struct xlb_flow_head* head) {
  for (int i = 0; i < XLB_LOCK_TRIES; i++) {
    if (xlb_try_lock(head)) return 1;
  }
  return 0;
}

XLB_INLINE void xlb_unlock(struct xlb_flow_head* head) {
  xlb_ordered();
  XLB_STORE(head->lock, (XLB_LOAD(head->lock) | XLB_LOCKED) + 1); /* the bit carries into the count */
}

/* ---- taking away: by the owner of the place ---- */

/* One that was counted as spilled by `hash`'s home is gone from another bucket. */
XLB_INLINE void xlb_unspill(xlb_table_t table, __u64 hash, __u32 bucket) {
  __u32 home = xlb_hash_bucket(xlb_table_config(table), hash, 0);
  struct xlb_flow_head* at = home != bucket ? xlb_table_head(table, home) : NULL;
  if (at != NULL) __sync_fetch_and_add(&at->spilled, ~0u);
}

/* Takes away the reference by which answers find the flow, if it has one. */
XLB_INLINE void xlb_remove_answer(xlb_table_t table, const struct xlb_flow* flow, __u32 slot) {
  const struct xlb_flow_config* config = xlb_table_config(table);
  __u64 hash = xlb_flow_hash(config, &flow->key[1]);
  __u16 tag = xlb_hash_tag(hash);
  XLB_ROLLED
  for (__u64 probe = 0; probe < XLB_FLOW_PROBES; probe++) {
    __u32 index = xlb_hash_bucket(config, hash, probe);
    struct xlb_flow_head* head = xlb_table_head(table, index);
    if (head == NULL) return;
    __u32 answer = xlb_answer_of(head, tag);
    if (answer >= XLB_FLOW_ANSWERS) continue;
    if (XLB_LOAD(head->answers[answer & (XLB_FLOW_ANSWERS - 1)]) != (slot | XLB_SLOT_ANSWER)) continue;
    XLB_STORE(head->answer_tags[answer & (XLB_FLOW_ANSWERS - 1)], 0);
    xlb_unspill(table, hash, index);
    return;
  }
}

/* Gives the place back. Nothing of it may be written afterwards. */
XLB_INLINE void xlb_free_place(xlb_table_t table, __u32 slot) {
  __u32 index = (slot & ~XLB_SLOT_ANSWER) / XLB_FLOW_WAYS;
  struct xlb_flow_head* head = xlb_table_head(table, index);
  const struct xlb_flow* flow = xlb_slot_flow(table, slot);
  if (head == NULL || flow == NULL) return;
  __u64 hash = xlb_flow_hash(xlb_table_config(table), &flow->key[0]);
  xlb_ordered();
  XLB_STORE(head->tags[slot & (XLB_FLOW_WAYS - 1)], 0);
  xlb_unspill(table, hash, index);
}

/* Gives a place back that the caller brought from LIVE to OWNED or REAPED, with all that led to it. */
XLB_INLINE void xlb_table_release(xlb_table_t table, __u32 slot) {
  const struct xlb_flow* flow = xlb_slot_flow(table, slot);
  if (flow == NULL) return;
  xlb_remove_answer(table, flow, slot & ~XLB_SLOT_ANSWER);
  xlb_free_place(table, slot & ~XLB_SLOT_ANSWER);
}

/* The living flow of `known` ends. Returns its life as it was, 0 when another one has ended it or does
 * not let go of it. */
XLB_INLINE __u64 xlb_table_remove(xlb_table_t table, __u32 slot, __u64 known) {
  struct xlb_flow* flow = xlb_slot_flow(table, slot);
  if (flow == NULL) return 0;
  for (int i = 0; i < XLB_PIN_TRIES; i++) {
    __u64 life = XLB_LOAD(flow->life);
    if (!xlb_life_is_live(life) || !xlb_life_same(life, known)) return 0;
    if (life & XLB_LIFE_PINNED) continue;
    if (!xlb_life_replace(flow, life, (life & ~XLB_LIFE_PHASE) | XLB_LIFE_OWNED)) continue;
    xlb_table_release(table, slot);
    return life;
  }
  return 0;
}

#endif
