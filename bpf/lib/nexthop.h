/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a flow's packets leave: asked of the kernel's FIB when the flow is new or the node changed, then kept in the
 * flow. */
#ifndef XLB_BPF_NEXTHOP_H
#define XLB_BPF_NEXTHOP_H

#include "lib/flow.h"

#define LOOPBACK_IFINDEX 1 /* of `lo`, in every network namespace */
#define AF_INET_FAMILY 2   /* AF_INET; <sys/socket.h> is not for BPF */

enum hop_state {
  HOP_KNOWN,      /* device and MAC addresses are in the flow */
  HOP_UNRESOLVED, /* the device is known, the neighbour is not: the kernel has to ask (TC only) */
  HOP_NONE,       /* no route */
};

struct hop {
  enum hop_state state;
  __u32 ifindex;
  __be32 gateway; /* HOP_UNRESOLVED: the neighbour to ask for; 0: let the kernel route */
  __u8 dmac[XLB_ETH_ALEN];
  __u8 smac[XLB_ETH_ALEN];
};

static __always_inline void hop_of_flow(const struct xlb_flow_hop* kept, struct hop* hop) {
  hop->state = HOP_KNOWN;
  hop->ifindex = kept->ifindex;
  __builtin_memcpy(hop->dmac, kept->dmac, XLB_ETH_ALEN);
  __builtin_memcpy(hop->smac, kept->smac, XLB_ETH_ALEN);
}

/* All but the epoch. */
static __always_inline void hop_write(const struct hop* hop, struct xlb_flow_hop* kept) {
  kept->ifindex = hop->ifindex;
  __builtin_memcpy(kept->dmac, hop->dmac, XLB_ETH_ALEN);
  __builtin_memcpy(kept->smac, hop->smac, XLB_ETH_ALEN);
}

/* To a task on this node, by its veth. */
static __always_inline void hop_of_local(__u32 id, struct hop* hop) {
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, &id);
  if (backend == NULL) return;
  hop->ifindex = backend->ifindex;
  __builtin_memcpy(hop->dmac, backend->dmac, XLB_ETH_ALEN);
  __builtin_memcpy(hop->smac, backend->smac, XLB_ETH_ALEN);
}

static __always_inline int is_zero_mac(const __u8* mac) {
  return (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) == 0;
}

/* Where what the FIB says of the way to the flow's backend is kept: of this question, be it that nothing is known yet
 * (epoch 0). NULL never. */
static __always_inline struct xlb_next_hop* hop_kept(const struct xlb_flow* flow, const struct xlb_next_hop* asked) {
  __u32 index = flow->backend % XLB_NEXT_HOPS;
  struct xlb_next_hop* kept = bpf_map_lookup_elem(&next_hops, &index);
  if (kept == NULL) return NULL;
  if (kept->dst == asked->dst && kept->src == asked->src && kept->in_ifindex == asked->in_ifindex &&
      kept->proto == asked->proto) {
    return kept;
  }
  kept->hop.epoch = 0;
  kept->dst = asked->dst;
  kept->src = asked->src;
  kept->in_ifindex = asked->in_ifindex;
  kept->proto = asked->proto;
  return kept;
}

static __always_inline void hop_keep_for_others(struct xlb_next_hop* kept, __u32 epoch, __u32 now,
                                                const struct hop* hop) {
  kept->tick = now;
  hop_write(hop, &kept->hop);
  kept->hop.epoch = epoch;
}

/* What the FIB says of the flow's direction `reply`, now or when it was last asked in this tick and this epoch of the
 * node's. (A global function: see begin() in begin.h.) */
__noinline int hop_resolve(ctx_t* ctx, __u32 epoch, const struct xlb_flow* flow, __u8 reply, struct hop* hop) {
  const struct xlb_node* node = node_lookup();
  if (node == NULL || flow == NULL || hop == NULL) return 0;
  __u32 now = tick_now(node);
  hop->state = HOP_NONE;
  int tunnelled = flow_wraps(flow, reply);
  const struct xlb_flow_key* away = flow_away(flow, reply);
  /* The rules see the packet as one that came by the uplink, also when it comes out of a task. A client on the node is
   * answered without a route, and what it sends leaves as the node's own packet, which rules see as from `lo`. */
  int from_node = !reply && is_on_node(flow->key[0].zone);
  struct xlb_next_hop asked;
  asked.src = tunnelled ? flow->tunnel.src : away->daddr;
  asked.dst = tunnelled ? flow->tunnel.dst : away->saddr;
  asked.in_ifindex = from_node ? LOOPBACK_IFINDEX : flow->in_ifindex;
  asked.proto = tunnelled ? IPPROTO_UDP : away->proto;
  struct xlb_next_hop* kept = reply ? NULL : hop_kept(flow, &asked);
  if (kept != NULL && kept->hop.epoch == epoch && kept->tick == now) {
    hop_of_flow(&kept->hop, hop);
    return 0;
  }
  struct bpf_fib_lookup fib = {.family = AF_INET_FAMILY};
  fib.l4_protocol = (__u8)asked.proto;
  fib.ipv4_src = asked.src;
  fib.ipv4_dst = asked.dst;
  fib.ifindex = asked.in_ifindex;
  long result = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
  /* For TC the kernel compares the packet with the device, when it has answered all else. What a tunnel does not carry
   * is for fit_tunnel() to say. */
  if (tunnelled && result == BPF_FIB_LKUP_RET_FRAG_NEEDED) result = BPF_FIB_LKUP_RET_SUCCESS;
  /* Older kernels call a neighbour known while its address is still asked for. */
  if (result == BPF_FIB_LKUP_RET_SUCCESS && is_zero_mac(fib.dmac)) result = BPF_FIB_LKUP_RET_NO_NEIGH;
  if (result == BPF_FIB_LKUP_RET_SUCCESS) {
    hop->state = HOP_KNOWN;
    hop->ifindex = fib.ifindex;
    __builtin_memcpy(hop->dmac, fib.dmac, XLB_ETH_ALEN);
    __builtin_memcpy(hop->smac, fib.smac, XLB_ETH_ALEN);
    if (kept != NULL) hop_keep_for_others(kept, epoch, now, hop);
  } else if (result == BPF_FIB_LKUP_RET_NO_NEIGH) {
    hop->state = HOP_UNRESOLVED;
    hop->ifindex = fib.ifindex;
    hop->gateway = fib.ipv4_dst; /* the helper put the gateway here if the route has one */
  } else if (result == BPF_FIB_LKUP_RET_FWD_DISABLED && !from_node) {
    /* The FIB helper refuses where IP forwarding is off; out of the device that the client came by, the kernel still
     * routes. */
    hop->state = HOP_UNRESOLVED;
    hop->ifindex = flow->in_ifindex;
  }
  return 0;
}

static __always_inline void hop_ask(ctx_t* ctx, __u32 epoch, const struct xlb_flow* flow, __u8 reply, struct hop* hop) {
  if (answers_node(flow, reply)) {
    hop->ifindex = flow->in_ifindex;
  } else if (enters_task(flow, reply)) {
    hop_of_local(flow->backend, hop);
  } else {
    hop_resolve(ctx, epoch, flow, reply, hop);
  }
}

/* Where the packets of a flow that nobody knows yet will leave: once it is filed, this takes a lock. (A global
 * function: see begin() in begin.h.) */
__noinline int hop_of_fresh(ctx_t* ctx, __u32 epoch, struct xlb_flow* fresh) {
  if (fresh == NULL) return 0;
  struct hop hop = {};
  hop_ask(ctx, epoch, fresh, 0, &hop);
  if (hop.state != HOP_KNOWN) return 0;
  hop_write(&hop, &fresh->hop[0]);
  fresh->hop[0].epoch = epoch;
  return 0;
}

#endif
