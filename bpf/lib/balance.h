/* SPDX-License-Identifier: GPL-2.0-only */
/* The packet core: from a parsed packet to a verdict, the same for XDP and TC. */
#ifndef XLB_BPF_BALANCE_H
#define XLB_BPF_BALANCE_H

#include "lib/backend.h"
#include "lib/begin.h"
#include "lib/count.h"
#include "lib/flow.h"
#include "lib/fragment.h"
#include "lib/hello.h"
#include "lib/icmp.h"
#include "lib/mss.h"
#include "lib/nexthop.h"
#include "lib/peer.h"
#include "lib/pick.h"
#include "lib/reset.h"
#include "lib/sources.h"
#include "lib/vxlan.h"

/* How much of a frame must be linear: a TCP header inside a tunnel. */
#define HEADERS_LENGTH (TUNNEL_LENGTH + sizeof(struct iphdr) + sizeof(struct tcphdr))

XLB_STATIC_ASSERT(XLB_COUNT_FORWARD_PEER - XLB_COUNT_FORWARD_ROUTE == XLB_KIND_PEER - XLB_KIND_ROUTE &&
                      XLB_COUNT_REPLY_PEER - XLB_COUNT_REPLY_ROUTE == XLB_KIND_PEER - XLB_KIND_ROUTE,
                  "the path counters follow enum xlb_kind");

static __always_inline __u32 path_counter(const struct xlb_flow* flow, __u8 reply) {
  __u32 first = reply ? XLB_COUNT_REPLY_ROUTE : XLB_COUNT_FORWARD_ROUTE;
  __u32 counter = first + flow->kind - XLB_KIND_ROUTE;
  /* Never true; it keeps the sum of a byte in a map within bounds for the verifier. */
  return counter < XLB_COUNTERS ? counter : first;
}

/* Where packets of this direction leave: as kept, or asked anew if the node changed since. */
static __always_inline void hop_find(ctx_t* ctx, __u32 epoch, const struct xlb_flow* flow, __u8 reply,
                                     struct hop* hop) {
  __u32 kept = XLB_LOAD(flow->hop[reply & 1].epoch);
  xlb_ordered(); /* it is written last */
  hop_of_flow(&flow->hop[reply & 1], hop);
  if (kept != epoch) hop_ask(ctx, epoch, flow, reply, hop);
}

/* What was found is kept for the packets that follow. */
static __always_inline void hop_keep(__u32 hook, const struct packet* packet, struct xlb_flow* flow,
                                     const struct hop* hop) {
  struct xlb_flow_hop* kept = &flow->hop[packet->reply & 1];
  if (hop->state != HOP_KNOWN || kept->epoch == packet->epoch) return;
  if (!xlb_pin(flow, packet->life)) return;
  if (kept->epoch != 0) count(hook, XLB_COUNT_FLOW_REVALIDATED, packet->frame_length);
  hop_write(hop, kept);
  xlb_ordered();
  XLB_STORE(kept->epoch, packet->epoch);
  xlb_unpin(flow);
}

/* Does the device, which is not the one that the packet came by, take frames from XDP? */
static __always_inline int takes_frames(__u32 ifindex) {
  struct xlb_uplink* uplink = bpf_map_lookup_elem(&uplinks, &ifindex);
  return uplink != NULL && uplink->native_xdp;
}

/* May this program send the packet itself? XDP leaves to TC what needs the stack's devices or its neighbour discovery.
 */
static __always_inline int can_send(const ctx_t* ctx, const struct xlb_flow* flow, __u8 reply, const struct hop* hop) {
  if (!CTX_IS_XDP) return 1;
  if (hop->state != HOP_KNOWN || enters_task(flow, reply) || answers_node(flow, reply)) return 0;
  return hop->ifindex == ctx_ifindex(ctx) || takes_frames(hop->ifindex);
}

/* The packet is rewritten: out with it. */
static __always_inline int send(ctx_t* ctx, __u32 hook, const struct xlb_flow* flow, __u8 reply,
                                const struct hop* hop) {
#if CTX_IS_XDP
  (void)hook, (void)flow, (void)reply;
  return hop->ifindex == ctx_ifindex(ctx) ? XDP_TX : (int)bpf_redirect(hop->ifindex, 0);
#else
  (void)ctx;
  if (enters_task(flow, reply)) {
    /* The kernel takes a packet to the far end of a veth in one step only where packets come in. */
    return hook == XLB_HOOK_HOST ? (int)bpf_redirect(hop->ifindex, 0) : (int)bpf_redirect_peer(hop->ifindex, 0);
  }
  if (reply && flow->key[0].zone == XLB_ZONE_TASK) return (int)bpf_redirect_peer(hop->ifindex, 0);
  if (reply && flow->key[0].zone == XLB_ZONE_HOST) return (int)bpf_redirect(hop->ifindex, BPF_F_INGRESS);
  if (hop->state == HOP_KNOWN) return (int)bpf_redirect(hop->ifindex, 0);
  if (hop->gateway == 0) return (int)bpf_redirect_neigh(hop->ifindex, NULL, 0, 0);
  struct bpf_redir_neigh neighbour = {.nh_family = AF_INET_FAMILY, .ipv4_nh = hop->gateway};
  return (int)bpf_redirect_neigh(hop->ifindex, &neighbour, sizeof(neighbour), 0);
#endif
}

/* Takes the tunnel off, rewrites, puts the tunnel on: 0 or a negative error, after which the packet can only be
 * dropped. */
static __always_inline long transform(ctx_t* ctx, __u32 hook, const struct xlb_node* node, const struct packet* packet,
                                      const struct xlb_flow* flow, const struct hop* hop) {
  __u8 tos = packet->tos;
  long error = 0;
  if (is_tunnelled(packet)) {
    tos = vxlan_inner_tos(packet);
    error = ctx_remove_tunnel(ctx);
  }
  if (error == 0) error = nat_rewrite(ctx, packet, flow_away(flow, packet->reply), tos);
  if (error == 0 && flow_is_tunnelled(flow) && (packet->tcp_flags & TCP_SYN)) error = mss_clamp(ctx, hook, packet);
  if (error == 0 && flow_wraps(flow, packet->reply)) error = vxlan_encapsulate(ctx, node, packet, flow, packet->reply);
  if (error == 0) error = nat_set_macs(ctx, hop->dmac, hop->smac);
  return error;
}

/* A packet that the tunnel to its task does not carry whole. XDP leaves it to TC, which cuts it if its sender allows
 * that: UNDECIDED, and the packet is the first part. Else its sender is told, by the verdict that is returned. */
static __always_inline int fit_tunnel(ctx_t* ctx, __u32 hook, const struct xlb_node* node, struct packet* packet) {
  int may_cut = !(packet->fragment & IP_DONT_FRAGMENT) && node->tunnel_mtu >= FRAGMENT_LEAST_MTU;
  if (!may_cut && is_later(packet)) return drop(ctx, hook, XLB_DROP_TOO_BIG);
#if CTX_IS_XDP
  return may_cut ? pass(ctx, hook, XLB_COUNT_PASS_TO_TC) : icmp_too_big(ctx, hook, packet, node->tunnel_mtu);
#else
  __u32 length = packet->frame_length;
  int result = may_cut && hook != XLB_HOOK_HOST ? fragment_split(ctx, packet, node->tunnel_mtu) : FRAGMENT_UNFINISHED;
  if (result == FRAGMENT_UNFINISHED) return icmp_too_big(ctx, hook, packet, node->tunnel_mtu);
  if (result != 0) return drop(ctx, hook, XLB_DROP_REWRITE_FAILED);
  count(hook, XLB_COUNT_FRAGMENT_SPLIT, length);
  return UNDECIDED;
#endif
}

/* A packet of a known flow whose backend stands. */
static __always_inline int forward(ctx_t* ctx, __u32 hook, const struct xlb_node* node, struct packet* packet,
                                   struct xlb_flow* flow) {
  if (packet->ttl <= 1) return icmp_ttl_exceeded(ctx, hook, packet);
  struct hop hop = {};
  hop_find(ctx, packet->epoch, flow, packet->reply, &hop);
  hop_keep(hook, packet, flow, &hop);
  /* Not passed up: the host would reset a connection that lives through a moment without a route. */
  if (hop.state == HOP_NONE) return drop(ctx, hook, XLB_DROP_NO_ROUTE);
  __u32 now = tick_now(node);
  int large = flow_wraps(flow, packet->reply) && packet->ip_length > node->tunnel_mtu;
  large = large && ctx_gso_size(ctx) == 0;
  if (!is_later(packet) && (large || is_fragment(packet))) fragment_remember(packet, now);
  if (large) {
    int verdict = fit_tunnel(ctx, hook, node, packet);
    if (verdict != UNDECIDED) return verdict;
  }
  if (!can_send(ctx, flow, packet->reply, &hop)) {
    if (is_first_syn(packet)) flow_change_state(packet, flow, XLB_FLOW_LEFT_TO_TC, 0);
    return pass(ctx, hook, XLB_COUNT_PASS_TO_TC);
  }

  flow_sync(hook, packet, flow, now);
  if (is_later(packet)) count(hook, XLB_COUNT_FRAGMENT, packet->frame_length);
  count(hook, path_counter(flow, packet->reply), packet->frame_length);
  count_flow_traffic(flow, packet->reply, packet->frame_length);
  if (transform(ctx, hook, node, packet, flow, &hop) != 0) return drop(ctx, hook, XLB_DROP_REWRITE_FAILED);
  if (flow_changed(flow, packet)) return drop(ctx, hook, XLB_DROP_FLOW_CHANGED);
  return send(ctx, hook, flow, packet->reply, &hop);
}

/* Is the frame VXLAN of the ingress network, by its port? Then the packet that counts is the one inside. */
static __always_inline int is_tunnel(const struct xlb_node* node, const struct packet* packet) {
  return !is_fragment(packet) && node->vni != 0 && packet->udp_destination != 0 &&
         packet->udp_destination == node->vxlan_port;
}

/* Do packets of this direction come in frames of a peer's? A client's, to a task here. */
static __always_inline int comes_by_peer(const struct xlb_flow* flow, __u8 reply) {
  return flow_is_tunnelled(flow) && enters_task(flow, reply);
}

/* (A global function: see begin().) */
__noinline int came_in_known_tunnel(const struct packet* packet, const struct xlb_flow* flow, __u8 reply) {
  if (packet == NULL || flow == NULL) return 0;
  const struct xlb_tunnel* tunnel = &flow->tunnel;
  if (tunnel->dst != packet->outer_source || tunnel->src != packet->outer_destination) return 0;
  if (packet->key.zone == XLB_ZONE_TUNNEL) return 1;
  if (!same_mac(tunnel->inner_smac, packet->inner_smac)) return 0;
  if (packet->key.zone == XLB_ZONE_PEER) return 1;
  return comes_by_peer(flow, reply) && tunnel->vni == packet->vni && same_mac(tunnel->inner_dmac, packet->inner_dmac);
}

/* Did the packet come the way that its flow knows? A reply in a tunnel from the node that runs the task, to this one; a
 * client's packet by the same peer as before, for the same task, or by itself if the flow knows no peer. A stranger's
 * frames of the ingress network go up to the kernel like any other. */
static __always_inline int came_as_known(const struct packet* packet, const struct xlb_flow* flow, __u8 reply) {
  return is_tunnelled(packet) ? came_in_known_tunnel(packet, flow, reply) : !comes_by_peer(flow, reply);
}

/* May a client's UDP flow leave a backend that drains? Its datagrams can go anywhere, if there is somewhere else. */
static __always_inline int flow_may_move(const struct xlb_flow_key* key, __u8 reply) {
  if (key->proto != IPPROTO_UDP || reply) return 0;
  struct xlb_service* service = service_lookup(key);
  return service != NULL && service->ring_len != 0 && !(service->flags & (XLB_SERVICE_LEFT | XLB_SERVICE_CLOSED));
}

/* The node changed since this direction last looked (epoch): UNDECIDED if the flow is still good for the packet. Else
 * it is forgotten, and what is returned is the packet's verdict; NO_FLOW if it may begin another one. */
__noinline int flow_review(ctx_t* ctx, __u32 hook, const struct packet* packet, struct xlb_flow* flow) {
  if (packet == NULL || flow == NULL) return UNDECIDED;
  int verdict = flow_stays_admitted(ctx, hook, packet);
  if (verdict != UNDECIDED) return verdict;
  struct xlb_flow_key copy = packet->key, *key = &copy;
  struct xlb_tunnel tunnel;
  int ends = !flow_fits_backend(flow, &tunnel);
  int moves = (ends || flow_drains(flow)) && flow_may_move(key, packet->reply);
  if (!ends && (flow->kind == XLB_KIND_VXLAN || flow->kind == XLB_KIND_PEER)) {
    flow_set_tunnel(flow, packet->life, &tunnel);
  }
  if ((!ends && !moves) || !came_as_known(packet, flow, packet->reply)) return UNDECIDED;
  count(hook, moves ? XLB_COUNT_FLOW_MOVED : XLB_COUNT_FLOW_GONE, packet->frame_length);
  /* A backend that still speaks is no reason to forget the connection: its client has to hear of the end as well. */
  if (key->proto != IPPROTO_TCP || !packet->reply) flow_forget(key, packet->life);
  int answer =
      key->proto == IPPROTO_TCP && !(packet->tcp_flags & TCP_RST) && !is_first_syn(packet) && !is_later(packet);
  return answer ? reset_answer(ctx, hook, packet) : NO_FLOW;
}

/* A packet of a connection that Docker's own mesh carries. The mark lives as long as packets come. */
static __always_inline int pass_dockers(ctx_t* ctx, __u32 hook, const struct xlb_node* node,
                                        const struct packet* packet, struct xlb_flow* mark) {
  __u32 now = tick_now(node);
  if (xlb_life_seen(packet->life) != now) flow_write(hook, packet, mark, now);
  return pass(ctx, hook, XLB_COUNT_PASS_DOCKER);
}

/* Is this SYN sent again, since the backend said nothing to the one that began the flow, and might another one answer?
 * To TC, one that XDP left to it is the same one. Which backend comes next is for the node to say that chose the first.
 * (A global function: see begin().) */
__noinline int is_sent_again(const struct packet* packet, struct xlb_flow* flow) {
  if (packet == NULL || flow == NULL) return 0;
  /* Where answers are not seen, there may have been one. */
  if ((flow_state(packet) & XLB_FLOW_REPLIED) || is_tunnelled(packet) || answers_elsewhere(flow, packet->reply)) {
    return 0;
  }
  if (!CTX_IS_XDP && (flow_state(packet) & XLB_FLOW_LEFT_TO_TC)) {
    flow_change_state(packet, flow, 0, XLB_FLOW_LEFT_TO_TC);
    return 0;
  }
  struct xlb_flow_key key = packet->key;
  struct xlb_service* service = service_lookup(&key);
  return service != NULL && service->ring_len > 1;
}

/* The packet's flow, if it has one that is still good for it. Else NULL, and in `verdict` NO_FLOW or that the packet is
 * dealt with. */
static __always_inline struct xlb_flow* find(ctx_t* ctx, __u32 hook, const struct xlb_node* node, struct packet* packet,
                                             int* verdict) {
  packet->epoch = XLB_LOAD(node->epoch);
  struct xlb_flow* flow = flow_find(node, packet);
  *verdict = NO_FLOW;
  if (flow == NULL) return NULL;
  if (is_dockers(flow)) {
    if (packet->key.zone == XLB_ZONE_TUNNEL || !is_first_syn(packet)) {
      return *verdict = pass_dockers(ctx, hook, node, packet, flow), NULL;
    }
    /* The client has done with that connection, and begins another one on its ports: if it is one of ours, the mark has
     * to make room (without_flow). */
    packet->was_dockers = 1;
    return NULL;
  }
  if (!packet->reply && is_first_syn(packet) && (flow_is_over(packet) || is_sent_again(packet, flow))) {
    if (!flow_is_over(packet)) packet->tried = flow->backend;
    flow_forget(&packet->key, packet->life);
    return NULL;
  }
  if (flow->hop[packet->reply & 1].epoch != packet->epoch) {
    *verdict = flow_review(ctx, hook, packet, flow);
    if (*verdict != UNDECIDED) return NULL;
  }
  *verdict = came_as_known(packet, flow, packet->reply) ? UNDECIDED : peer_review(ctx, hook, packet, flow);
  return *verdict == UNDECIDED ? flow : NULL;
}

#include "lib/icmp_error.h"

/* What was parsed and is no packet with ports: UNDECIDED if it has them now, being a later fragment of a datagram that
 * is known; else its verdict. */
static __always_inline int without_ports(ctx_t* ctx, __u32 hook, const struct xlb_node* node, int parsed,
                                         struct packet* packet) {
  if (parsed == PARSED_ICMP) return icmp_translate(ctx, hook, packet);
  if (parsed != PARSED_LATER) return pass(ctx, hook, (__u32)parsed);
  if (fragment_find(packet, tick_now(node))) return UNDECIDED;
  return pass(ctx, hook, is_tunnelled(packet) ? XLB_COUNT_PASS_TUNNEL : XLB_COUNT_PASS_FRAGMENT);
}

/* A packet that no flow is good for: UNDECIDED if it has one now, in what flow_claim gave as `slot`; else its verdict.
 */
static __always_inline int without_flow(ctx_t* ctx, __u32 hook, const struct xlb_node* node,
                                        const struct packet* packet, __u32* slot) {
  if (packet->key.zone == XLB_ZONE_TUNNEL) return pass(ctx, hook, XLB_COUNT_PASS_TUNNEL);
  if (packet->key.zone == XLB_ZONE_PEER) {
    return peer_is_known(packet) ? drop(ctx, hook, XLB_DROP_PEER_NO_FLOW) : peer_stranger(ctx, hook, packet);
  }
  if (is_later(packet)) return pass(ctx, hook, is_tunnelled(packet) ? XLB_COUNT_PASS_TUNNEL : XLB_COUNT_PASS_FRAGMENT);
  struct xlb_new_flows* made = flow_make();
  if (made == NULL) return CTX_PASS; /* never */
  int verdict = is_tunnelled(packet) ? peer_begin(ctx, hook, packet, made) : begin(ctx, hook, packet, made);
  if (verdict != UNDECIDED) return verdict;
  if (packet->was_dockers) flow_forget(&packet->key, packet->life);
  flow_touch_answers(&made->fresh);
  hop_of_fresh(ctx, packet->epoch, &made->fresh);
  *slot = flow_claim(&packet->key, tick_now(node), packet->unfiled, made);
  return flow_file(ctx, hook, packet, &made->fresh, *slot);
}

/* A packet of the flow that was found, or one that may begin a flow. */
static __always_inline int forward_or_begin(ctx_t* ctx, __u32 hook, const struct xlb_node* node, struct packet* packet,
                                            struct xlb_flow* flow) {
  if (flow == NULL) {
    __u32 slot = XLB_SLOT_NONE;
    int verdict = without_flow(ctx, hook, node, packet, &slot);
    if (verdict != UNDECIDED && is_fragment(packet) && !is_later(packet)) fragment_forget(packet);
    if (verdict != UNDECIDED) return verdict;
    flow = flow_filed(node, slot, packet);
    /* Pushed out at once; or another CPU has filed Docker's mark for it. */
    if (flow == NULL || is_dockers(flow)) return drop(ctx, hook, XLB_DROP_FLOW_CHANGED);
  }
  return forward(ctx, hook, node, packet, flow);
}

/* The zone of what a tunnel frame carries. A client's packet that a peer sends is in the zone of those that come by
 * themselves: so the flow is the same one, whatever way it takes. */
static __always_inline __u8 zone_in_tunnel(const struct packet* packet) {
  if (!is_of_peer(packet)) return XLB_ZONE_TUNNEL;
  return (packet->vni & PEER_FLAG(XLB_TUNNEL_REPLY)) ? XLB_ZONE_PEER : XLB_ZONE_UPLINK;
}

/* Any frame that comes in by an uplink: a client's packet, a routed backend's reply, or the reply of a task on another
 * node inside VXLAN. */
static __always_inline int from_uplink(ctx_t* ctx, __u32 hook, const struct xlb_node* node) {
  struct packet packet = {};
  int verdict;
  ctx_make_linear(ctx, HEADERS_LENGTH);
  int result = parse_frame(ctx_data(ctx), ctx_data_end(ctx), ctx_length(ctx), &packet);
  if (result == PARSED && is_tunnel(node, &packet)) {
    result = parse_tunnel(ctx_data(ctx), ctx_data_end(ctx), packet.frame_length, node->vni, &packet);
    packet.key.zone = zone_in_tunnel(&packet);
  }
  if (result == PARSED_HELLO) return peer_hello(ctx, hook, &packet);
  if (result != PARSED && (verdict = without_ports(ctx, hook, node, result, &packet)) != UNDECIDED) return verdict;
  struct xlb_flow* flow = find(ctx, hook, node, &packet, &verdict);
  if (flow == NULL && verdict != NO_FLOW) return verdict;
  return forward_or_begin(ctx, hook, node, &packet, flow);
}

/* A reply of a task on this node must come out of that task: any container can write any sender's address. */
static __always_inline int comes_from_backend(const ctx_t* ctx, const struct packet* packet,
                                              const struct xlb_flow* flow) {
  if (!packet->reply || flow->kind != XLB_KIND_LOCAL) return 1;
  __u32 id = flow->backend;
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, &id);
  return backend != NULL && backend->ifindex == ctx_ifindex(ctx);
}

/* Any frame that a container of this node sends by a bridge of Docker's: a task's reply in one of our flows, a client's
 * packet, or its own affair. */
static __always_inline int from_task(ctx_t* ctx, __u32 hook, const struct xlb_node* node) {
  struct packet packet = {};
  int verdict;
  ctx_make_linear(ctx, HEADERS_LENGTH);
  int result = parse_frame(ctx_data(ctx), ctx_data_end(ctx), ctx_length(ctx), &packet);
  packet.key.zone = XLB_ZONE_TASK;
  if (result != PARSED && (verdict = without_ports(ctx, hook, node, result, &packet)) != UNDECIDED) return verdict;
  struct xlb_flow* flow = find(ctx, hook, node, &packet, &verdict);
  if (flow == NULL && verdict != NO_FLOW) return verdict;
  if (flow != NULL && !comes_from_backend(ctx, &packet, flow)) return pass(ctx, hook, XLB_COUNT_PASS_NO_SERVICE);
  return forward_or_begin(ctx, hook, node, &packet, flow);
}

/* Any packet that the node itself is about to send by `lo` or by docker_gwbridge: to itself, to the sandbox of Docker's
 * mesh, or to a container. (One that it forwards is none of them; the caller has passed that on.) */
static __always_inline int from_host(ctx_t* ctx, __u32 hook, const struct xlb_node* node) {
  struct packet packet = {};
  int verdict;
  ctx_make_linear(ctx, HEADERS_LENGTH);
  int result = parse_frame(ctx_data(ctx), ctx_data_end(ctx), ctx_length(ctx), &packet);
  packet.key.zone = XLB_ZONE_HOST;
  if (result != PARSED && (verdict = without_ports(ctx, hook, node, result, &packet)) != UNDECIDED) return verdict;
  struct xlb_flow* flow = find(ctx, hook, node, &packet, &verdict);
  if (flow == NULL && verdict != NO_FLOW) return verdict;
  /* With another sender than the node's own addresses, an answer would not be the node's to take. */
  if (flow == NULL && !is_loopback(packet.key.saddr) && !is_own_address(packet.key.saddr)) {
    return pass(ctx, hook, XLB_COUNT_PASS_NO_SERVICE);
  }
  return forward_or_begin(ctx, hook, node, &packet, flow);
}

#endif
