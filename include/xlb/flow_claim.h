/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Filing a flow in the flow table, whose rules are in flow_table.h. The includer has IPPROTO_TCP: <linux/in.h> and
 * <netinet/in.h> do not go together. */
#ifndef XLB_FLOW_CLAIM_H
#define XLB_FLOW_CLAIM_H

#include "xlb/flow_table.h"

/* ---- filing: a place is claimed, filled by the caller, given its answers' key, and published ---- */

#define XLB_CLAIM_EXISTS 0xfffffff0u /* there is such a flow: another CPU was faster */
#define XLB_CLAIM_BUSY 0xfffffff1u   /* another CPU is about to make it, or does not let go of a lock */
#define XLB_CLAIM_FULL 0xfffffff2u
#define XLB_CLAIM_FAILED 0xfffffff0u  /* from here on */
#define XLB_CLAIM_EVICTED 0x80000000u /* beside the slot: another flow had to go for it */

#define XLB_EVICT_IDLE 2 /* ticks that an answered, open flow is idle at the least before a new one may push it out */
#define XLB_EVICT_AGE_MOST ((1u << 26) - 1) /* ticks; what is older is as old */
#define XLB_EVICT_UNANSWERED (1u << 26)
#define XLB_EVICT_OVER (1u << 27)
#define XLB_EVICT_AT_ONCE (1u << 28) /* whose turn it is goes, without a look at the others */

/* How little is lost with the flow: 0 is too much. Ended ones first, then those that nothing answered, then by age. Of
 * a TCP connection that has ended, or is not answered yet when its turn comes, nobody misses anything; of datagrams
 * that nothing answers there may be more to come, unless they have stopped. */
XLB_LARGE __u32 xlb_evict_score(__u64 life, __u32 now, __u8 proto) {
  if ((life & (XLB_LIFE_PHASE | XLB_LIFE_PINNED)) != XLB_LIFE_LIVE) return 0;
  __u32 age = now - xlb_life_seen(life);
  if ((__s32)age < 0) age = 0; /* another CPU's clock may be a tick ahead */
  if (age > XLB_EVICT_AGE_MOST) age = XLB_EVICT_AGE_MOST;
  __u8 state = xlb_life_state(life);
  if (xlb_state_is_over(state)) return XLB_EVICT_AT_ONCE + XLB_EVICT_OVER + age;
  if (state & XLB_FLOW_REPLIED) return age >= XLB_EVICT_IDLE ? age : 0;
  __u32 at_once = proto == IPPROTO_TCP || age >= XLB_EVICT_IDLE ? XLB_EVICT_AT_ONCE : 0;
  return at_once + XLB_EVICT_UNANSWERED + age;
}

/* The way whose flow goes, XLB_FLOW_WAYS when none may: the first from `hand` on that nobody needs, for each look at a
 * flow is a wait for memory; if there is none, the one with which the least is lost. So those that a flood files push
 * out each other in the order in which they came, and a client has as long as that takes to get its answer. */
XLB_LARGE __u32 xlb_choose_victim(xlb_table_t table, __u32 index, __u32 now, __u32 hand) {
  if (table == NULL) return XLB_FLOW_WAYS; /* never */
  __u32 most = 0;
  XLB_ROLLED
  for (__u64 i = 0; i < XLB_FLOW_WAYS; i++) {
    __u32 way = (hand + (__u32)i) & (XLB_FLOW_WAYS - 1);
    const struct xlb_flow* flow = xlb_table_flow(table, xlb_slot(index, way));
    if (flow == NULL) break; /* never */
    __u32 score = xlb_evict_score(XLB_LOAD(flow->life), now, flow->key[0].proto);
    if (score & XLB_EVICT_AT_ONCE) return way;
    /* In one number, so that the verifier has less to keep apart; of equals the one whose turn is next. */
    score = score * XLB_FLOW_WAYS + XLB_FLOW_WAYS - 1 - (__u32)i;
    if (score > most) most = score;
  }
  return most >= XLB_FLOW_WAYS ? (hand + XLB_FLOW_WAYS - 1 - most) & (XLB_FLOW_WAYS - 1) : XLB_FLOW_WAYS;
}

/* Makes a way of the locked home, bucket `index`, free for `tag`: the slot, or XLB_SLOT_NONE. The tag of whoever was
 * there stays, so that nobody else takes it. */
XLB_LARGE __u32 xlb_evict(xlb_table_t table, __u32 index, __u16 tag, __u32 now) {
  struct xlb_flow_head* home = table != NULL ? xlb_table_head(table, index) : NULL;
  if (home == NULL) return XLB_SLOT_NONE; /* never */
  __u32 way = xlb_way_of(home, tag);      /* what has the tag has to go: a bucket has none twice */
  if (way >= XLB_FLOW_WAYS) way = xlb_choose_victim(table, index, now, home->hand);
  struct xlb_flow* flow = way < XLB_FLOW_WAYS ? xlb_table_flow(table, xlb_slot(index, way)) : NULL;
  if (flow == NULL) return XLB_SLOT_NONE;
  __u64 life = XLB_LOAD(flow->life);
  if (xlb_evict_score(life, now, flow->key[0].proto) == 0) return XLB_SLOT_NONE;
  if (!xlb_life_replace(flow, life, (life & ~XLB_LIFE_PHASE) | XLB_LIFE_OWNED)) return XLB_SLOT_NONE;
  home->hand = way + 1;
  xlb_table_hand(table, index, way + 1);
  xlb_table_evicted(table, flow, life);
  xlb_remove_answer(table, flow, xlb_slot(index, way));
  xlb_unspill(table, xlb_flow_hash(xlb_table_config(table), &flow->key[0]), index);
  return xlb_slot(index, way);
}

/* A free way of the bucket that this tag may have; XLB_FLOW_WAYS: none. */
XLB_INLINE __u32 xlb_free_way(const struct xlb_flow_head* head, __u16 tag) {
  if (xlb_ways_equal(head, tag) != 0) return XLB_FLOW_WAYS;
  if (XLB_LOAD(head->tags[xlb_tag_way(tag)]) == 0) return xlb_tag_way(tag);
  return xlb_way_of(head, 0);
}

XLB_INLINE void xlb_take_place(xlb_table_t table, struct xlb_flow_head* head, __u32 slot,
                               const struct xlb_flow_key* key, __u16 tag) {
  struct xlb_flow* flow = xlb_table_flow(table, slot);
  if (flow == NULL) return;
  __u64 life = XLB_LOAD(flow->life);
  XLB_STORE(flow->life, ((life & XLB_LIFE_IDENTITY & ~XLB_LIFE_PHASE) + XLB_LIFE_VERSION) | XLB_LIFE_OWNED);
  xlb_ordered();
  flow->key[0] = *key;
  xlb_ordered();
  XLB_STORE(head->tags[slot & (XLB_FLOW_WAYS - 1)], tag);
  xlb_table_placed(table, slot, tag);
}

/* xlb_table_claim, with the home locked. */
XLB_INLINE __u32 xlb_claim_locked(xlb_table_t table, struct xlb_flow_head* home, const struct xlb_flow_key* key,
                                  __u64 hash, __u32 now, __u32 probes, __u32 unfiled) {
  const struct xlb_flow_config* config = xlb_table_config(table);
  __u16 tag = xlb_hash_tag(hash);
  __u32 known = XLB_LOAD(home->lock) == unfiled ? XLB_SLOT_NONE : xlb_table_search(table, key, hash);
  if (known != XLB_SLOT_NONE) {
    return xlb_life_is_live(xlb_slot_life(table, known, key)) ? XLB_CLAIM_EXISTS : XLB_CLAIM_BUSY;
  }
  __u32 way = xlb_free_way(home, tag);
  if (way < XLB_FLOW_WAYS) {
    __u32 slot = xlb_slot(xlb_hash_bucket(config, hash, 0), way);
    xlb_take_place(table, home, slot, key, tag);
    return slot;
  }
  XLB_ROLLED
  for (__u64 probe = 1; probe < XLB_FLOW_PROBES; probe++) {
    if (probe >= probes) break;
    __u32 index = xlb_hash_bucket(config, hash, probe);
    struct xlb_flow_head* head = xlb_table_head(table, index);
    if (head == NULL || head == home || xlb_free_way(head, tag) >= XLB_FLOW_WAYS) continue;
    if (!xlb_try_lock(head)) continue;
    way = xlb_free_way(head, tag);
    if (way < XLB_FLOW_WAYS) {
      __sync_fetch_and_add(&home->spilled, 1u);
      xlb_take_place(table, head, xlb_slot(index, way), key, tag);
    }
    xlb_unlock(head);
    if (way < XLB_FLOW_WAYS) return xlb_slot(index, way);
  }
  __u32 slot = xlb_evict(table, xlb_hash_bucket(config, hash, 0), tag, now);
  if (slot == XLB_SLOT_NONE) return XLB_CLAIM_FULL;
  xlb_take_place(table, home, slot, key, tag);
  return slot | XLB_CLAIM_EVICTED;
}

/* A place for a flow with this key of the client's: its slot, or one of XLB_CLAIM_*. The caller owns the place: it
 * fills it, but for life and key[0], and publishes or abandons it. `probes`: buckets to look for a free place in,
 * before another flow has to go for it; XLB_FLOW_PROBES, or less when there will be none. `unfiled`: what xlb_unfiled
 * said before the key was looked for in vain, or XLB_UNFILED_UNKNOWN. */
XLB_INLINE __u32 xlb_table_claim(xlb_table_t table, const struct xlb_flow_key* key, __u32 now, __u32 probes,
                                 __u32 unfiled) {
  const struct xlb_flow_config* config = xlb_table_config(table);
  __u64 hash = xlb_flow_hash(config, key);
  struct xlb_flow_head* home = xlb_table_head(table, xlb_hash_bucket(config, hash, 0));
  if (home == NULL) return XLB_CLAIM_FULL;
  if (!xlb_lock(home)) return XLB_CLAIM_BUSY;
  __u32 slot = xlb_claim_locked(table, home, key, hash, now, probes, unfiled);
  xlb_unlock(home);
  return slot;
}

/* In a bucket that has no answer with this tag yet. */
XLB_INLINE int xlb_put_answer(struct xlb_flow_head* head, __u16 tag, __u32 slot) {
  __u32 answer = xlb_tag_answer(tag);
  if (XLB_LOAD(head->answer_tags[answer]) != 0) answer = xlb_answer_of(head, 0);
  if (answer >= XLB_FLOW_ANSWERS) return 0;
  XLB_STORE(head->answers[answer & (XLB_FLOW_ANSWERS - 1)], slot | XLB_SLOT_ANSWER);
  xlb_ordered();
  XLB_STORE(head->answer_tags[answer & (XLB_FLOW_ANSWERS - 1)], tag);
  return 1;
}

/* xlb_table_answer, with the home of key[1] locked. */
XLB_INLINE __u32 xlb_answer_locked(xlb_table_t table, struct xlb_flow_head* home, __u32 slot,
                                   const struct xlb_flow_key* key, __u64 hash) {
  const struct xlb_flow_config* config = xlb_table_config(table);
  __u16 tag = xlb_hash_tag(hash);
  __u64 equal = xlb_answers_equal(home, tag);
  /* Mostly there is nothing with this tag, and nothing elsewhere. */
  if ((equal | xlb_ways_equal(home, tag) | XLB_LOAD(home->spilled)) != 0 &&
      xlb_table_search(table, key, hash) != XLB_SLOT_NONE) {
    return XLB_CLAIM_EXISTS;
  }
  if (equal == 0 && xlb_put_answer(home, tag, slot)) return slot;
  XLB_ROLLED
  for (__u64 probe = 1; probe < XLB_FLOW_PROBES; probe++) {
    struct xlb_flow_head* head = xlb_table_head(table, xlb_hash_bucket(config, hash, probe));
    if (head == NULL || head == home || !xlb_try_lock(head)) continue;
    __sync_fetch_and_add(&home->spilled, 1u);
    int put = xlb_answers_equal(head, tag) == 0 && xlb_put_answer(head, tag, slot);
    if (!put) __sync_fetch_and_add(&home->spilled, ~0u);
    xlb_unlock(head);
    if (put) return slot;
  }
  return XLB_CLAIM_FULL;
}

/* Claims key[1], which the owner has written, for the flow's answers: `slot`, or one of XLB_CLAIM_*; EXISTS when a
 * packet with that key would already belong to a flow. */
XLB_INLINE __u32 xlb_table_answer(xlb_table_t table, __u32 slot) {
  const struct xlb_flow_config* config = xlb_table_config(table);
  struct xlb_flow* flow = xlb_slot_flow(table, slot);
  if (flow == NULL) return XLB_CLAIM_FULL;
  __u64 hash = xlb_flow_hash(config, &flow->key[1]);
  struct xlb_flow_head* home = xlb_table_head(table, xlb_hash_bucket(config, hash, 0));
  if (home == NULL) return XLB_CLAIM_FULL;
  if (!xlb_lock(home)) return XLB_CLAIM_BUSY;
  __u32 result = xlb_answer_locked(table, home, slot, &flow->key[1], hash);
  xlb_unlock(home);
  return result;
}

/* From here on packets find the flow. */
XLB_INLINE void xlb_table_publish(struct xlb_flow* flow, __u32 seen, __u8 state) {
  __u64 identity = XLB_LOAD(flow->life) & XLB_LIFE_IDENTITY & ~XLB_LIFE_PHASE;
  xlb_ordered();
  XLB_STORE(flow->life, identity | XLB_LIFE_LIVE | ((__u64)state << XLB_LIFE_STATE_SHIFT) | seen);
}

/* There will be no flow in the claimed place, which has no answers' key. */
XLB_INLINE void xlb_table_abandon(xlb_table_t table, __u32 slot) { xlb_free_place(table, slot); }

#endif
