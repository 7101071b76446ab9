/* SPDX-License-Identifier: GPL-2.0-only */
/* Every packet is accounted for: the counters, and the two ways out that are not forwarding. `hook` (enum xlb_hook) is
 * a constant in every program, so that each count is one inlined array access. */
#ifndef XLB_BPF_COUNT_H
#define XLB_BPF_COUNT_H

#include "maps.h"

/* No verdict yet, of a function that else returns one: none of XDP's nor of TC's. */
#define UNDECIDED 100

static __always_inline struct xlb_node* node_lookup(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&this_node, &zero);
}

/* What this CPU keeps for new flows. NULL never. */
static __always_inline struct xlb_new_flows* new_flows_lookup(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&new_flows, &zero);
}

static __always_inline void traffic_add(struct xlb_traffic* traffic, __u32 bytes) {
  traffic->packets++;
  traffic->bytes += bytes;
}

static __always_inline void count(__u32 hook, __u32 counter, __u32 bytes) {
  __u32 index = hook * XLB_COUNTERS + counter;
  struct xlb_traffic* traffic = bpf_map_lookup_elem(&counters, &index);
  if (traffic) traffic_add(traffic, bytes);
}

/* The packet goes up the stack as it came, counted under its reason. */
static __always_inline int pass(ctx_t* ctx, __u32 hook, __u32 counter) {
  count(hook, counter, ctx_length(ctx));
  return CTX_PASS;
}

/* The one exit for drops. */
static __always_inline int drop(ctx_t* ctx, __u32 hook, __u32 reason) {
  __u32 index = hook * XLB_DROP_REASONS + reason;
  struct xlb_traffic* traffic = bpf_map_lookup_elem(&drops, &index);
  if (traffic) traffic_add(traffic, ctx_length(ctx));
  return CTX_DROP;
}

static __always_inline void count_flow(__u32 service, __u32 backend) {
  struct xlb_stats* stats = bpf_map_lookup_elem(&service_stats, &service);
  if (stats) stats->flows++;
  stats = bpf_map_lookup_elem(&backend_stats, &backend);
  if (stats) stats->flows++;
}

static __always_inline void count_flow_traffic(const struct xlb_flow* flow, __u8 reply, __u32 bytes) {
  struct xlb_stats* stats = bpf_map_lookup_elem(&service_stats, &flow->service);
  if (stats) traffic_add(reply ? &stats->out : &stats->in, bytes);
  stats = bpf_map_lookup_elem(&backend_stats, &flow->backend);
  if (stats) traffic_add(reply ? &stats->out : &stats->in, bytes);
}

#endif
