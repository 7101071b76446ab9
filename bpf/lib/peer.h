/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames of xlb's own VNI, from xlb on other nodes: clients' packets for tasks here, replies to clients that came here.
 * A frame counts as a peer's by its outer source and the cookie that the two nodes share. */
#ifndef XLB_BPF_PEER_H
#define XLB_BPF_PEER_H

#include "lib/backend.h"
#include "lib/begin.h"
#include "lib/count.h"
#include "lib/flow.h"
#include "lib/reset.h"

/* Is the frame what it says, of a node that shares a cookie with this one? */
static __always_inline int peer_is_known(const struct packet* packet) {
  __be32 address = packet->outer_source;
  struct xlb_peer* peer = bpf_map_lookup_elem(&peers, &address);
  if (peer == NULL) return 0;
  if (same_mac(packet->inner_smac, peer->cookie)) return 1;
  return !is_zero_mac(peer->old_cookie) && same_mac(packet->inner_smac, peer->old_cookie);
}

/* Where the client's packets come from now. */
static __always_inline void peer_take_way(const struct packet* packet, struct xlb_tunnel* tunnel) {
  tunnel->dst = packet->outer_source;
  tunnel->src = packet->outer_destination;
  tunnel->vni = packet->vni;
  __builtin_memcpy(tunnel->inner_dmac, packet->inner_dmac, XLB_ETH_ALEN);
  __builtin_memcpy(tunnel->inner_smac, packet->inner_smac, XLB_ETH_ALEN);
}

/* A client's packet came another way than its flow knows: by another peer or by itself in place of a peer, since its
 * routing or the swarm's DNS record changed. Its connection goes on, and its replies take the new way. UNDECIDED. */
static __always_inline int peer_move(ctx_t* ctx, __u32 hook, const struct packet* packet, struct xlb_flow* flow) {
  if (!xlb_pin(flow, packet->life)) return drop(ctx, hook, XLB_DROP_FLOW_BUSY);
  peer_take_way(packet, &flow->tunnel);
  flow->in_ifindex = ctx_ifindex(ctx);
  flow->hop[1].epoch = 0; /* replies have to find their next hop anew */
  xlb_unpin(flow);
  count(hook, XLB_COUNT_FLOW_CONTINUED, packet->frame_length);
  return UNDECIDED;
}

/* A packet whose way (came_as_known) is not that of the flow which was found for it: UNDECIDED if it is the flow's now;
 * else NO_FLOW, or the packet's verdict. (A global function: see begin().) */
__noinline int peer_review(ctx_t* ctx, __u32 hook, const struct packet* packet, struct xlb_flow* flow) {
  if (packet == NULL || flow == NULL) return NO_FLOW;
  if (packet->key.zone == XLB_ZONE_TUNNEL) return NO_FLOW;
  if (!is_tunnelled(packet)) {
    /* By itself, to a flow that a peer's frames began: only where the address is this node's as well, or anybody's
     * packet that is routed through here could turn a peer's flow. */
    struct xlb_flow_key copy = packet->key;
    return service_lookup(&copy) != NULL ? peer_move(ctx, hook, packet, flow) : NO_FLOW;
  }
  if (!peer_is_known(packet)) return peer_stranger(ctx, hook, packet);
  if (packet->key.zone == XLB_ZONE_PEER) {
    if (flow->tunnel.dst != packet->outer_source) return drop(ctx, hook, XLB_DROP_PEER_NO_FLOW);
    if (!xlb_pin(flow, packet->life)) return UNDECIDED;
    __builtin_memcpy(flow->tunnel.inner_smac, packet->inner_smac, XLB_ETH_ALEN); /* the peer's cookie is a newer one */
    xlb_unpin(flow);
    return UNDECIDED;
  }
  struct xlb_flow_key copy = packet->key;
  if (flow->kind != XLB_KIND_LOCAL) return flow_forget(&copy, packet->life), NO_FLOW;
  __u32 id = flow->backend;
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, &id);
  if (backend == NULL || !same_mac(backend->uid, packet->inner_dmac)) return flow_forget(&copy, packet->life), NO_FLOW;
  return peer_move(ctx, hook, packet, flow);
}

/* The local backend that a peer's frame names; NULL: there is none that takes packets. */
static __always_inline struct xlb_backend* peer_backend(const struct packet* packet, __u32* id) {
  struct xlb_delivery_key key = {};
  __builtin_memcpy(key.uid, packet->inner_dmac, XLB_UID_PREFIX);
  __u32* found = bpf_map_lookup_elem(&deliveries, &key);
  if (found == NULL) return NULL;
  *id = *found;
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, id);
  if (backend == NULL || backend->kind != XLB_KIND_LOCAL) return NULL;
  if (backend->state != XLB_BACKEND_ACTIVE && backend->state != XLB_BACKEND_DRAINING) return NULL;
  return backend;
}

/* begin() for a client's packet that a peer sends to a task here. The peer has chosen and decided who may come in; and
 * the connection may be under way there, so that any segment begins a flow here. */
__noinline int peer_begin(ctx_t* ctx, __u32 hook, const struct packet* packet, struct xlb_new_flows* made) {
  const struct xlb_node* node = node_lookup();
  if (node == NULL || packet == NULL || made == NULL) return CTX_DROP;
  if (!peer_is_known(packet)) return peer_stranger(ctx, hook, packet);
  __u32 id = 0;
  struct xlb_backend* backend = peer_backend(packet, &id);
  if (backend == NULL) {
    /* A SYN is sent again, and the peer then chooses another task. */
    int answer = packet->key.proto == IPPROTO_TCP && !(packet->tcp_flags & (TCP_RST | TCP_SYN));
    return answer ? reset_answer(ctx, hook, packet) : drop(ctx, hook, XLB_DROP_PEER_NO_TASK);
  }
  struct xlb_flow_key copy = packet->key, *key = &copy;
  __u32 now = tick_now(node);
  if (!flow_admit(node, made, now)) return drop(ctx, hook, XLB_DROP_NEW_FLOW_LIMIT);
  __be32 source = source_towards(ctx, node, key, backend);
  if (source == 0) return drop(ctx, hook, XLB_DROP_PEER_NO_TASK);
  struct xlb_flow* flow = &made->fresh;
  flow_begin(ctx, key, backend->service, id, backend, source, flow);
  peer_take_way(packet, &flow->tunnel);
  if (packet->key.proto == IPPROTO_TCP && !is_first_syn(packet)) flow_set_state(flow, XLB_FLOW_REPLIED);
  return UNDECIDED;
}

#endif
