/* SPDX-License-Identifier: GPL-2.0-only */
/* What the program remembers of the flow table's heads in memory of its own, which is so small that most of it stays in
 * a cache: where in its bucket a flow may be, and where a new one will be. Hints alone: what they lead to is compared,
 * and a wrong one, or none, costs a wait for memory. */
#ifndef XLB_BPF_HINTS_H
#define XLB_BPF_HINTS_H

#include "maps.h"
#include "xlb/flow_bytes.h"

#define HINTED_BUCKETS (1 << 18) /* of 1.6 million flows; buckets of a larger table share hints */

/* The hand of each bucket's head. */
static __u8 hint_hands[HINTED_BUCKETS];

static __always_inline void hint_hand(__u32 index, __u32 way) { hint_hands[index & (HINTED_BUCKETS - 1)] = (__u8)way; }
static __always_inline __u32 hinted_hand(__u32 index) {
  return hint_hands[index & (HINTED_BUCKETS - 1)] & (XLB_FLOW_WAYS - 1);
}

/* A part of the tag of the flow in each place; 0: nothing is known. TC has no use for it. */
#define HINTED_PLACES (HINTED_BUCKETS * XLB_FLOW_WAYS)
#if CTX_IS_XDP
static __u8 hint_tags[HINTED_PLACES] __attribute__((aligned(32)));
#endif

static __always_inline __u8 hint_tag(__u16 tag) {
  __u8 part = (__u8)(tag >> 8); /* the bits below say which way the flow asked for */
  return part != 0 ? part : 1;
}

static __always_inline void hint_placed(__u32 slot, __u16 tag) {
#if CTX_IS_XDP
  hint_tags[slot & (HINTED_PLACES - 1)] = hint_tag(tag);
#else
  (void)slot, (void)tag;
#endif
}

#if CTX_IS_XDP
/* The hints of a bucket's places as one number. */
static __always_inline __u64 hints_of(__u32 index) {
  return XLB_LOAD(*(const __u64*)&hint_tags[(index * XLB_FLOW_WAYS) & (HINTED_PLACES - XLB_FLOW_WAYS)]);
}

/* Do many buckets share each hint? Then it is mostly another one's. */
static __always_inline int hints_are_shared(__u32 buckets) { return buckets > HINTED_BUCKETS; }

/* Does the hint of this place lead the tag there? */
static __always_inline int is_hinted_at(__u32 slot, __u16 tag) {
  return XLB_LOAD(hint_tags[slot & (HINTED_PLACES - 1)]) == hint_tag(tag);
}

/* Do the hints of the bucket, or of those that share its page, lead the tag anywhere? */
static __always_inline int is_hinted(__u32 index, __u16 tag) {
  const __u64* group =
      (const void*)&hint_tags[(index * XLB_FLOW_WAYS) & (HINTED_PLACES - XLB_FLOW_GROUP * XLB_FLOW_WAYS)];
  __u64 found = 0;
  for (int i = 0; i < XLB_FLOW_GROUP; i++) found |= xlb_bytes_equal(XLB_LOAD(group[i]), hint_tag(tag));
  return found != 0;
}

/* The way, other than `known`, to which the hints lead a tag; XLB_FLOW_WAYS: none. */
static __always_inline __u32 hinted_way(__u64 hints, __u16 tag, __u32 known) {
  return xlb_way_of_byte(hints, hint_tag(tag), known);
}
#endif

#endif
