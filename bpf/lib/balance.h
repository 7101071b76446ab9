/* SPDX-License-Identifier: GPL-2.0-only */
/* The packet core: from a parsed packet to a verdict, the same for XDP and TC. */
#ifndef XLB_BPF_BALANCE_H
#define XLB_BPF_BALANCE_H

#include "lib/count.h"
#include "lib/flow.h"
#include "lib/icmp.h"
#include "lib/nexthop.h"
#include "lib/pick.h"
#include "lib/vxlan.h"

/* How much of a frame must be linear: a TCP header inside a tunnel. */
#define HEADERS_LENGTH (TUNNEL_LENGTH + sizeof(struct iphdr) + sizeof(struct tcphdr))

XLB_STATIC_ASSERT(XLB_COUNT_FORWARD_LOCAL - XLB_COUNT_FORWARD_ROUTE == XLB_KIND_LOCAL - XLB_KIND_ROUTE &&
                      XLB_COUNT_REPLY_LOCAL - XLB_COUNT_REPLY_ROUTE == XLB_KIND_LOCAL - XLB_KIND_ROUTE,
                  "the path counters follow enum xlb_kind");

static __always_inline __u32 path_counter(const struct xlb_flow* flow) {
  __u32 first = flow->reply ? XLB_COUNT_REPLY_ROUTE : XLB_COUNT_FORWARD_ROUTE;
  __u32 counter = first + flow->kind - XLB_KIND_ROUTE;
  /* Never true; it keeps the sum of a byte in a map within bounds for the verifier. */
  return counter < XLB_COUNTERS ? counter : first;
}

/* Does the flow's backend still stand as the flow knows it? Asked when the node's epoch moved. What may change under a
 * living flow (veth, tunnel end, MAC addresses) is taken over; what is part of its tuples may not change. */
static __always_inline int flow_takes_backend(const struct xlb_flow_key* key, struct xlb_flow* flow) {
  __u32 id = flow->backend;
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, &id);
  if (backend == NULL || backend->generation != flow->generation) return 0;
  if (backend->state != XLB_BACKEND_ACTIVE && backend->state != XLB_BACKEND_DRAINING) return 0;
  if (backend->kind != flow->kind) return 0;
  __be32 sends_to = flow->reply ? key->saddr : flow->daddr;
  __be32 sent_from = flow->reply ? key->daddr : flow->saddr;
  if (backend->addr != sends_to || (backend->snat_addr != 0 && backend->snat_addr != sent_from)) return 0;
  flow->tunnel_dst = backend->tunnel_dst;
  flow->tunnel_src = backend->tunnel_src;
  flow->vni = backend->vni;
  __builtin_memcpy(flow->inner_dmac, backend->dmac, XLB_ETH_ALEN);
  __builtin_memcpy(flow->inner_smac, backend->smac, XLB_ETH_ALEN);
  if (flow->kind == XLB_KIND_LOCAL && !flow->reply) hop_of_local(flow, backend);
  return 1;
}

/* The flow's next hop: as kept, or asked anew if the node changed since. */
static __always_inline struct hop flow_hop(ctx_t* ctx, __u32 hook, const struct xlb_node* node,
                                           const struct packet* packet, struct xlb_flow* flow) {
  struct hop hop = {.state = HOP_KNOWN, .ifindex = flow->ifindex};
  __u32 epoch = node->epoch;
  if (flow->epoch == epoch) return hop;
  if (flow->kind != XLB_KIND_LOCAL || flow->reply) hop = hop_resolve(ctx, &packet->key, flow);
  if (hop.state == HOP_KNOWN) {
    if (flow->epoch != 0) count(hook, XLB_COUNT_FLOW_REVALIDATED, packet->frame_length);
    flow->epoch = epoch;
    hop.ifindex = flow->ifindex;
  }
  return hop;
}

/* May this program send the packet itself? XDP leaves to TC what needs the stack's devices or its neighbour discovery.
 */
static __always_inline int can_send(const ctx_t* ctx, const struct xlb_flow* flow, const struct hop* hop) {
  if (!CTX_IS_XDP) return 1;
  if (hop->state != HOP_KNOWN || (flow->kind == XLB_KIND_LOCAL && !flow->reply)) return 0;
  if (hop->ifindex == ctx_ifindex(ctx)) return 1;
  __u32 ifindex = hop->ifindex;
  struct xlb_uplink* uplink = bpf_map_lookup_elem(&uplinks, &ifindex);
  return uplink != NULL && uplink->native_xdp;
}

/* The packet is rewritten: out with it. */
static __always_inline int send(ctx_t* ctx, const struct xlb_flow* flow, const struct hop* hop) {
#if CTX_IS_XDP
  (void)flow;
  return hop->ifindex == ctx_ifindex(ctx) ? XDP_TX : (int)bpf_redirect(hop->ifindex, 0);
#else
  (void)ctx;
  if (flow->kind == XLB_KIND_LOCAL && !flow->reply) return (int)bpf_redirect_peer(hop->ifindex, 0);
  if (hop->state == HOP_KNOWN) return (int)bpf_redirect(hop->ifindex, 0);
  if (hop->gateway == 0) return (int)bpf_redirect_neigh(hop->ifindex, NULL, 0, 0);
  struct bpf_redir_neigh neighbour = {.nh_family = AF_INET_FAMILY, .ipv4_nh = hop->gateway};
  return (int)bpf_redirect_neigh(hop->ifindex, &neighbour, sizeof(neighbour), 0);
#endif
}

/* Takes the tunnel off, rewrites, puts the tunnel on: 0 or a negative error, after which the packet can only be
 * dropped. */
static __always_inline long transform(ctx_t* ctx, const struct xlb_node* node, const struct packet* packet,
                                      const struct xlb_flow* flow) {
  __u8 tos = packet->tos;
  long error = 0;
  if (packet->key.zone == XLB_ZONE_TUNNEL) {
    tos = vxlan_inner_tos(packet);
    error = ctx_remove_tunnel(ctx);
  }
  if (error == 0) error = nat_rewrite(ctx, packet, flow, tos);
  if (error == 0 && flow->kind == XLB_KIND_VXLAN && !flow->reply) error = vxlan_encapsulate(ctx, node, packet, flow);
  if (error == 0) error = nat_set_macs(ctx, flow->dmac, flow->smac);
  return error;
}

/* A packet of a known flow whose backend stands. */
static __always_inline int forward(ctx_t* ctx, __u32 hook, const struct xlb_node* node, const struct packet* packet,
                                   struct xlb_flow* flow) {
  if (packet->ttl <= 1) return icmp_ttl_exceeded(ctx, hook, packet);
  if (flow->kind == XLB_KIND_VXLAN && !flow->reply && packet->ip_length > node->tunnel_mtu && ctx_gso_size(ctx) == 0) {
    return icmp_too_big(ctx, hook, packet, node->tunnel_mtu);
  }
  struct hop hop = flow_hop(ctx, hook, node, packet, flow);
  /* Not passed up: the host would reset a connection that lives through a moment without a route. */
  if (hop.state == HOP_NONE) return drop(ctx, hook, XLB_DROP_NO_ROUTE);
  if (!can_send(ctx, flow, &hop)) return pass(ctx, hook, XLB_COUNT_PASS_TO_TC);

  flow_sync(hook, &packet->key, flow, packet, tick_now(node));
  count(hook, path_counter(flow), packet->frame_length);
  count_flow_traffic(flow, packet->frame_length);
  if (transform(ctx, node, packet, flow) != 0) return drop(ctx, hook, XLB_DROP_REWRITE_FAILED);
  return send(ctx, flow, &hop);
}

static __always_inline __u8 zone_of_replies(__u8 kind) {
  if (kind == XLB_KIND_VXLAN) return XLB_ZONE_TUNNEL;
  return kind == XLB_KIND_LOCAL ? XLB_ZONE_TASK : XLB_ZONE_UPLINK;
}

static __always_inline void flow_begin(const ctx_t* ctx, const struct xlb_flow_key* key,
                                       const struct xlb_service* service, __u32 id, const struct xlb_backend* backend,
                                       __u32 now, struct xlb_flow* flow) {
  flow->saddr = backend->snat_addr != 0 ? backend->snat_addr : key->saddr;
  flow->daddr = backend->addr;
  flow->dport = backend->port != 0 ? backend->port : key->dport;
  flow->seen = now;
  flow->service = service->id;
  flow->backend = id;
  flow->generation = backend->generation;
  flow->kind = backend->kind;
  flow->peer_zone = zone_of_replies(backend->kind);
  flow->in_ifindex = ctx_ifindex(ctx);
}

/* No flow yet: if the packet may begin one, chooses its backend and files both entries. Else NULL and the packet's
 * verdict. */
static __always_inline struct xlb_flow* begin(ctx_t* ctx, __u32 hook, const struct xlb_node* node,
                                              const struct packet* packet, int* verdict) {
  const struct xlb_flow_key* key = &packet->key;
  struct xlb_service* service = service_lookup(key);
  if (service == NULL) return *verdict = pass(ctx, hook, XLB_COUNT_PASS_NO_SERVICE), NULL;
  if (key->proto == IPPROTO_TCP && !is_first_syn(packet)) {
    return *verdict = pass(ctx, hook, XLB_COUNT_PASS_NO_FLOW), NULL;
  }
  __u32 id = pick_backend(service, key);
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, &id);
  if (id == 0 || backend == NULL || backend->state != XLB_BACKEND_ACTIVE) {
    return *verdict = pass(ctx, hook, XLB_COUNT_PASS_NO_BACKEND), NULL;
  }
  __u32 now = tick_now(node);
  if (!flow_admit(node, now)) return *verdict = drop(ctx, hook, XLB_DROP_NEW_FLOW_LIMIT), NULL;

  struct xlb_flow fresh = {};
  flow_begin(ctx, key, service, id, backend, now, &fresh);
  int refused = flow_insert(ctx, hook, key, &fresh);
  if (refused >= 0) return *verdict = drop(ctx, hook, (__u32)refused), NULL;
  struct xlb_flow* flow = flow_lookup(key);
  if (flow == NULL || !flow_takes_backend(key, flow)) {
    return *verdict = drop(ctx, hook, XLB_DROP_FLOW_TABLE_FULL), NULL;
  }
  count(hook, XLB_COUNT_FLOW_NEW, packet->frame_length);
  count_flow(fresh.service, id);
  return flow;
}

/* The packet's flow, if it has one that is still good for it. */
static __always_inline struct xlb_flow* find(__u32 hook, const struct xlb_node* node, const struct packet* packet) {
  const struct xlb_flow_key* key = &packet->key;
  struct xlb_flow* flow = flow_lookup(key);
  if (flow == NULL) return NULL;
  if (!flow->reply && flow_is_over(flow) && is_first_syn(packet)) {
    flow_forget(key, flow);
    return NULL;
  }
  int ends = flow->epoch != node->epoch && !flow_takes_backend(key, flow);
  /* Once a tick, when flow_sync looks the other direction up as well. */
  if (!ends && !flow->reply && flow->seen != tick_now(node)) ends = flow_lost_port(key, flow);
  if (ends) {
    count(hook, XLB_COUNT_FLOW_GONE, packet->frame_length);
    flow_forget(key, flow);
    return NULL;
  }
  return flow;
}

/* Is the frame VXLAN of the ingress network, by its port? Then the packet that counts is the one inside. */
static __always_inline int is_tunnel(const struct xlb_node* node, const struct packet* packet) {
  return node->vni != 0 && packet->udp_destination != 0 && packet->udp_destination == node->vxlan_port;
}

/* Did the tunnel frame come from the node that runs the flow's task, to this one? A stranger's frames go up to the
 * kernel like any other. */
static __always_inline int tunnel_fits(const struct packet* packet, const struct xlb_flow* flow) {
  return flow->tunnel_dst == packet->outer_source && flow->tunnel_src == packet->outer_destination;
}

/* Any frame that comes in by an uplink: a client's packet, a routed backend's reply, or the reply of a task on another
 * node inside VXLAN. */
static __always_inline int from_uplink(ctx_t* ctx, __u32 hook, const struct xlb_node* node) {
  struct packet packet = {};
  ctx_make_linear(ctx, HEADERS_LENGTH);
  int result = parse_frame(ctx_data(ctx), ctx_data_end(ctx), ctx_length(ctx), &packet);
  if (result != PARSED) return pass(ctx, hook, (__u32)result);
  int tunnelled = is_tunnel(node, &packet);
  if (tunnelled) {
    result = parse_tunnel(ctx_data(ctx), ctx_data_end(ctx), packet.frame_length, node->vni, &packet);
    if (result != PARSED) return pass(ctx, hook, (__u32)result);
    packet.key.zone = XLB_ZONE_TUNNEL;
  }
  struct xlb_flow* flow = find(hook, node, &packet);
  if (tunnelled && (flow == NULL || !tunnel_fits(&packet, flow))) return pass(ctx, hook, XLB_COUNT_PASS_TUNNEL);
  if (flow == NULL) {
    int verdict = CTX_PASS;
    flow = begin(ctx, hook, node, &packet, &verdict);
    if (flow == NULL) return verdict;
  }
  return forward(ctx, hook, node, &packet, flow);
}

/* Any frame that a local task sends by its docker_gwbridge leg: a reply of one of our flows, or its own affair. */
static __always_inline int from_task(ctx_t* ctx, __u32 hook, const struct xlb_node* node) {
  struct packet packet = {};
  ctx_make_linear(ctx, HEADERS_LENGTH);
  int result = parse_frame(ctx_data(ctx), ctx_data_end(ctx), ctx_length(ctx), &packet);
  if (result != PARSED) return pass(ctx, hook, (__u32)result);
  packet.key.zone = XLB_ZONE_TASK;
  struct xlb_flow* flow = find(hook, node, &packet);
  if (flow == NULL) return pass(ctx, hook, XLB_COUNT_PASS_NO_SERVICE);
  return forward(ctx, hook, node, &packet, flow);
}

#endif
