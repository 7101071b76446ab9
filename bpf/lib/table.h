/* SPDX-License-Identifier: GPL-2.0-only */
/* The flow table in the maps flow_heads and flows. What is large or rare is a global function: the verifier looks at it
 * once. */
#ifndef XLB_BPF_TABLE_H
#define XLB_BPF_TABLE_H

#include "lib/count.h"
#include "lib/hints.h"
#include "lib/load.h"
#include "lib/parse.h"

typedef const struct xlb_flow_config* xlb_table_t;
#define xlb_table_config(table) (table)
#define xlb_table_head(table, index) ((void)(table), flow_head(index))
#define xlb_table_flow(table, index) ((void)(table), flow_place(index))
#define xlb_table_evicted(table, flow, life) ((void)(table), flow_evicted(flow, life))
#define xlb_table_hand(table, index, way) ((void)(table), hint_hand(index, way))

#define xlb_table_placed(table, slot, tag) ((void)(table), hint_placed(slot, tag))

#define XLB_LARGE __noinline

static __always_inline struct xlb_flow_head* flow_head(__u32 index) { return bpf_map_lookup_elem(&flow_heads, &index); }
static __always_inline struct xlb_flow* flow_place(__u32 index) { return bpf_map_lookup_elem(&flows, &index); }
static __always_inline void flow_evicted(const struct xlb_flow* flow, __u64 life);

#include "xlb/flow_claim.h"

static __always_inline void flow_evicted(const struct xlb_flow* flow, __u64 life) {
  if (!xlb_state_is_over(xlb_life_state(life))) load_count(flow, LOAD_FLOW_ENDS);
}

/* What a new flow needs is far away in memory, and BPF has no prefetch. Values that are loaded and not used bring it
 * closer while something else is done. */
static __always_inline void touch(const void* at) { (void)XLB_LOAD(*(const __u64*)at); }

static __always_inline void touch_head(const struct xlb_flow_head* head) {
  touch(head);
  touch(head->answers);
}

/* The place that a flow with this home will get, if the bucket is full. The line that is read of it before it is
 * written: a wait for the other one, too, costs a tenth of a new flow's time. */
static __always_inline void touch_place(__u32 index) {
  struct xlb_flow* place = flow_place(xlb_slot(index, hinted_hand(index)));
  if (place != NULL) touch(place);
}

/* The flow to which packets with this key belong; NULL. `life`, `reply` and `unfiled` are for struct packet's members.
 * `is_new`: most likely there is none yet, but will be. */
static __always_inline struct xlb_flow* flow_lookup(const struct xlb_node* node, const struct xlb_flow_key* key,
                                                    int is_new, __u64* life, __u8* reply, __u32* unfiled) {
  xlb_table_t table = &node->flow_table;
  __u64 hash = xlb_flow_hash(table, key);
  __u32 index = xlb_hash_bucket(table, hash, 0);
  struct xlb_flow_head* home = flow_head(index);
  if (home == NULL) return NULL;
  *unfiled = xlb_unfiled(home);
  if (is_new) touch_place(index);
  __u32 slot = xlb_bucket_find(home, index, xlb_hash_tag(hash));
  if (slot == XLB_SLOT_NONE && home->spilled == 0) return NULL;
  if (!xlb_life_is_live(xlb_slot_life(table, slot, key))) {
    slot = xlb_table_search(table, key, hash);
    if (slot < XLB_SLOT_ANSWER) hint_placed(slot, xlb_hash_tag(hash));
  }
  struct xlb_flow* flow = slot != XLB_SLOT_NONE ? xlb_slot_flow(table, slot) : NULL;
  if (flow == NULL) return NULL;
  *unfiled = XLB_UNFILED_UNKNOWN;
  *reply = (__u8)(slot >> 31);
  /* Compared once more: what has this life must have this key, or the packet would go another flow's way. */
  return xlb_flow_if(flow, xlb_words_of(key), slot >> 31, life);
}

/* The packet's flow, noted in the packet. */
static __always_inline struct xlb_flow* flow_find(const struct xlb_node* node, struct packet* packet) {
  return flow_lookup(node, &packet->key, is_first_syn(packet), &packet->life, &packet->reply, &packet->unfiled);
}

/* The flow that was just filed in this slot for the packet; NULL: it was pushed out at once. */
static __always_inline struct xlb_flow* flow_filed(const struct xlb_node* node, __u32 slot, struct packet* packet) {
  if (slot >= XLB_CLAIM_FAILED) return flow_find(node, packet); /* by another CPU */
  struct xlb_flow* flow = flow_place(slot & ~XLB_CLAIM_EVICTED);
  packet->reply = 0;
  return flow != NULL ? xlb_flow_if(flow, xlb_words_of(&packet->key), 0, &packet->life) : NULL;
}

/* Did the flow end since the packet found it? Then its place may be another flow's by now. */
static __always_inline int flow_changed(const struct xlb_flow* flow, const struct packet* packet) {
  xlb_ordered();
  return !xlb_life_same(XLB_LOAD(flow->life), packet->life);
}

/* The flow is forgotten, in both directions. (Its place is found by its key: a pointer does not say which one it is.)
 */
__noinline int flow_forget(const struct xlb_flow_key* key, __u64 life) {
  const struct xlb_node* node = node_lookup();
  if (node == NULL || key == NULL) return 0;
  __u32 slot = xlb_table_search(&node->flow_table, key, xlb_flow_hash(&node->flow_table, key));
  struct xlb_flow* flow = slot != XLB_SLOT_NONE ? xlb_slot_flow(&node->flow_table, slot) : NULL;
  if (flow == NULL) return 0;
  struct xlb_flow known = {.kind = flow->kind, .backend = flow->backend, .tunnel.vni = flow->tunnel.vni};
  __u64 last = xlb_table_remove(&node->flow_table, slot, life);
  if (last != 0 && !xlb_state_is_over(xlb_life_state(last))) load_count(&known, LOAD_FLOW_ENDS);
  return 0;
}

#define FLOW_CROWDED 64     /* flows of a tick that found no free place, until nobody looks beyond the home any more */
#define FLOW_CLAIM_TRIES 16 /* how often a place is asked for while another CPU makes the same flow */

/* Where the new flow's answers will be filed, and those of the one that has to go for it are. */
__noinline int flow_touch_answers(const struct xlb_flow* fresh) {
  const struct xlb_node* node = node_lookup();
  if (node == NULL || fresh == NULL) return 0;
  struct xlb_flow_head* head =
      flow_head(xlb_hash_bucket(&node->flow_table, xlb_flow_hash(&node->flow_table, &fresh->key[1]), 0));
  if (head != NULL) touch_head(head);
  __u32 index = xlb_hash_bucket(&node->flow_table, xlb_flow_hash(&node->flow_table, &fresh->key[0]), 0);
  struct xlb_flow_head* home = flow_head(index);
  if (home == NULL) return 0;
  __u32 way = home->hand & (XLB_FLOW_WAYS - 1);
  struct xlb_flow* victim = home->tags[way] != 0 ? flow_place(xlb_slot(index, way)) : NULL;
  if (victim == NULL) return 0;
  head = flow_head(xlb_hash_bucket(&node->flow_table, xlb_flow_hash(&node->flow_table, &victim->key[1]), 0));
  if (head != NULL) touch_head(head);
  return 0;
}

/* xlb_table_claim. */
__noinline __u32 flow_try_claim(const struct xlb_flow_key* key, __u32 now, __u32 unfiled, struct xlb_new_flows* made) {
  const struct xlb_node* node = node_lookup();
  if (node == NULL || key == NULL || made == NULL) return XLB_CLAIM_FULL;
  /* Where no bucket has room, a flood would look at all of them for each packet. */
  __u32 probes = made->crowded >= FLOW_CROWDED ? 1 : XLB_FLOW_PROBES;
  __u32 slot = xlb_table_claim(&node->flow_table, key, now, probes, unfiled);
  if (slot == XLB_CLAIM_FULL || (slot < XLB_CLAIM_FAILED && (slot & XLB_CLAIM_EVICTED))) made->crowded++;
  return slot;
}

__noinline __u32 flow_claim(const struct xlb_flow_key* key, __u32 now, __u32 unfiled, struct xlb_new_flows* made) {
  if (key == NULL || made == NULL) return XLB_CLAIM_FULL;
  __u32 slot = XLB_CLAIM_BUSY;
  for (int i = 0; i < FLOW_CLAIM_TRIES && slot == XLB_CLAIM_BUSY; i++) slot = flow_try_claim(key, now, unfiled, made);
  return slot;
}

/* xlb_table_answer. */
__noinline __u32 flow_claim_answers(__u32 slot) {
  const struct xlb_node* node = node_lookup();
  if (node == NULL) return XLB_CLAIM_FULL;
  return xlb_table_answer(&node->flow_table, slot);
}

/* xlb_table_abandon. */
__noinline int flow_abandon(__u32 slot) {
  const struct xlb_node* node = node_lookup();
  if (node != NULL) xlb_table_abandon(&node->flow_table, slot);
  return 0;
}

#endif
