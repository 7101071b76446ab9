/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* A flow's life: the one word that says whose its place in the flow table is, and what was seen of it. See
 * flow_table.h. */
#ifndef XLB_FLOW_LIFE_H
#define XLB_FLOW_LIFE_H

#include "xlb/abi.h"

/* A BPF program has no stack to spare for the registers that an unrolled loop needs. The counter of such a loop has 64
 * bits: half a stack slot is too little for the verifier to see that it moves. */
#ifdef __clang__
#define XLB_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define XLB_ROLLED
#endif
#define XLB_INLINE static inline __attribute__((always_inline, unused))
#define xlb_ordered() __asm__ volatile("" ::: "memory")
#define XLB_LOAD(x) (*(const volatile __typeof__(x)*)&(x))
#define XLB_STORE(x, value) (*(volatile __typeof__(x)*)&(x) = (value))

/* ---- life: one word that says whose the place is, and what is known of the flow ---- */

#define XLB_LIFE_STATE_SHIFT 32 /* below: tick of the last packet; from here: enum xlb_flow_state */
#define XLB_LIFE_PHASE_SHIFT 40
#define XLB_LIFE_PHASE (3ULL << XLB_LIFE_PHASE_SHIFT)
#define XLB_LIFE_LIVE (1ULL << XLB_LIFE_PHASE_SHIFT)
#define XLB_LIFE_OWNED (2ULL << XLB_LIFE_PHASE_SHIFT)  /* by a program, for a moment */
#define XLB_LIFE_REAPED (3ULL << XLB_LIFE_PHASE_SHIFT) /* by xlbd, which may be stopped in between */
#define XLB_LIFE_PINNED (1ULL << 42)                   /* somebody writes tunnel or hops: not to be taken away */
#define XLB_LIFE_VERSION (1ULL << 43)                  /* the rest counts the flows that the place has had */
#define XLB_LIFE_IDENTITY (~(XLB_LIFE_VERSION - 1) | XLB_LIFE_PHASE)

XLB_INLINE __u32 xlb_life_seen(__u64 life) { return (__u32)life; }
XLB_INLINE __u8 xlb_life_state(__u64 life) { return (__u8)(life >> XLB_LIFE_STATE_SHIFT); }
XLB_INLINE int xlb_life_is_live(__u64 life) { return (life & XLB_LIFE_PHASE) == XLB_LIFE_LIVE; }
XLB_INLINE int xlb_life_same(__u64 a, __u64 b) { return ((a ^ b) & XLB_LIFE_IDENTITY) == 0; }

/* A SYN may begin a new connection on the ports of one that has ended (RFC 9293 3.6.1 lets TIME-WAIT accept it). */
XLB_INLINE int xlb_state_is_over(__u8 state) {
  /* Bits instead of conditions: each would be a branch, and twice the states for the verifier. */
  return (state / XLB_FLOW_RESET | (state / XLB_FLOW_FIN_CLIENT & state / XLB_FLOW_FIN_BACKEND)) & 1;
}

XLB_INLINE int xlb_life_replace(struct xlb_flow* flow, __u64 from, __u64 to) {
  return __sync_val_compare_and_swap(&flow->life, from, to) == from;
}

#define XLB_PIN_TRIES 64 /* a flow is pinned for some tens of nanoseconds */
#define XLB_LIFE_TRIES 8 /* others write the same word at the same moment; each try lets one of them through */

/* Notes when a packet came and what it said. Returns the life before, 0 when it is not the flow of `known` any more. */
XLB_INLINE __u64 xlb_life_note(struct xlb_flow* flow, __u64 known, __u32 seen, __u8 set, __u8 clear) {
  for (int i = 0; i < XLB_LIFE_TRIES; i++) {
    __u64 before = XLB_LOAD(flow->life);
    if (!xlb_life_same(before, known)) return 0;
    __u64 bits = (xlb_life_state(before) | set) & (__u8)~clear;
    __u64 after = (before & ~((1ULL << XLB_LIFE_PHASE_SHIFT) - 1)) | (bits << XLB_LIFE_STATE_SHIFT) | seen;
    if (xlb_life_replace(flow, before, after)) return before;
  }
  return 0;
}

/* 1: the flow is the one of `known`, and tunnel, hops and in_ifindex are the caller's to write until xlb_unpin. */
XLB_INLINE int xlb_pin(struct xlb_flow* flow, __u64 known) {
  for (int i = 0; i < XLB_PIN_TRIES; i++) {
    __u64 before = XLB_LOAD(flow->life);
    if (!xlb_life_same(before, known)) return 0;
    if (before & XLB_LIFE_PINNED) continue;
    if (xlb_life_replace(flow, before, before | XLB_LIFE_PINNED)) return 1;
  }
  return 0;
}

XLB_INLINE void xlb_unpin(struct xlb_flow* flow) { __sync_fetch_and_and(&flow->life, ~XLB_LIFE_PINNED); }

#endif
