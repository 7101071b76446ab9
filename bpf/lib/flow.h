/* SPDX-License-Identifier: GPL-2.0-only */
/* The flow table: lookup, the pair of entries that a flow is, its state and its clock. The only file that touches the
 * map. */
#ifndef XLB_BPF_FLOW_H
#define XLB_BPF_FLOW_H

#include "lib/count.h"
#include "lib/load.h"
#include "lib/parse.h"

#define FLOW_PORT_TRIES 32
#define FLOW_FIRST_PORT 1024 /* ports found by search stay above the well-known ones */

static __always_inline __u32 tick_now(const struct xlb_node* node) {
  /* jiffies, inlined by the verifier, costs nothing beside bpf_ktime_get_ns (0.1 against 34 ns). */
  return (__u32)(bpf_jiffies64() >> (node->tick_shift & 31));
}

static __always_inline struct xlb_flow* flow_lookup(const struct xlb_flow_key* key) {
  return bpf_map_lookup_elem(&flows, key);
}

/* The key under which the other direction is filed: the rewritten tuple turned round. */
static __always_inline void flow_peer_key(const struct xlb_flow_key* key, const struct xlb_flow* flow,
                                          struct xlb_flow_key* peer) {
  peer->saddr = flow->daddr;
  peer->daddr = flow->saddr;
  peer->sport = flow->dport;
  peer->dport = flow->sport;
  peer->proto = key->proto;
  peer->zone = flow->peer_zone;
  peer->pad = 0;
}

/* Is a client in this zone on the node itself, a process or a container? No route leads to such a client: what it gets
 * goes to the device that its packets were seen at. */
static __always_inline int is_on_node(__u8 zone) { return zone == XLB_ZONE_TASK || zone == XLB_ZONE_HOST; }

/* Does this flow's entry bring answers to a client on the node? */
static __always_inline int answers_node(const struct xlb_flow* flow) {
  return flow->reply && is_on_node(flow->peer_zone);
}

/* Does the flow cross a tunnel, in this direction or the other? */
static __always_inline int flow_is_tunnelled(const struct xlb_flow* flow) { return flow->vni != 0; }

/* Do the packets of this entry leave in a tunnel? To a task on another node; and, from a task here, to the peer that
 * the client's packets come by. */
static __always_inline int flow_wraps(const struct xlb_flow* flow) {
  if (!flow_is_tunnelled(flow)) return 0;
  if (!flow->reply) return flow->kind != XLB_KIND_LOCAL;
  return flow->kind == XLB_KIND_LOCAL && !(flow->vni & PEER_FLAG(XLB_TUNNEL_DIRECT));
}

/* The MAC addresses for answers to the client on the node whose packet this is: its own turned round. */
static __always_inline void flow_learn_macs(const ctx_t* ctx, struct xlb_flow* reply) {
  const struct ethhdr* eth = ctx_data(ctx);
  if ((const void*)(eth + 1) > ctx_data_end(ctx)) return;
  __builtin_memcpy(reply->dmac, eth->h_source, ETH_ALEN);
  __builtin_memcpy(reply->smac, eth->h_dest, ETH_ALEN);
}

/* The other direction's entry, made from this one. It finds its next hop when its first packet comes (epoch 0). */
static __always_inline void flow_mirror(const struct xlb_flow_key* key, const struct xlb_flow* flow,
                                        struct xlb_flow* peer) {
  __builtin_memcpy(peer, flow, sizeof(*peer));
  peer->saddr = key->daddr;
  peer->daddr = key->saddr;
  peer->sport = key->dport;
  peer->dport = key->sport;
  peer->peer_zone = key->zone;
  peer->reply = !flow->reply;
  peer->ifindex = 0;
  peer->epoch = 0;
}

/* Is `peer`, found under the other direction's key, really that direction? The table may have evicted it and another
 * flow claimed the port: then it rewrites to another tuple than `key` turned round. */
static __always_inline int is_peer(const struct xlb_flow_key* key, const struct xlb_flow* peer) {
  return peer->saddr == key->daddr && peer->daddr == key->saddr && peer->sport == key->dport &&
         peer->dport == key->sport && peer->peer_zone == key->zone;
}

/* A SYN may begin a new connection on the ports of one that has ended (RFC 9293 3.6.1 lets TIME-WAIT accept it). */
static __always_inline int flow_is_over(const struct xlb_flow* flow) {
  return (flow->state & XLB_FLOW_RESET) || (flow->state & XLB_FLOW_FIN_BOTH) == XLB_FLOW_FIN_BOTH;
}

static __always_inline void flow_forget(const struct xlb_flow_key* key, const struct xlb_flow* flow) {
  if (!flow_is_over(flow)) load_count(flow, LOAD_FLOW_ENDS);
  struct xlb_flow_key peer_key;
  flow_peer_key(key, flow, &peer_key);
  struct xlb_flow* peer = flow_lookup(&peer_key);
  if (peer != NULL && is_peer(key, peer)) bpf_map_delete_elem(&flows, &peer_key);
  bpf_map_delete_elem(&flows, key);
}

/* Does another flow hold the port by which this one, of the client's direction, goes to its backend? To go on would be
 * to speak in another client's connection. */
static __always_inline int flow_lost_port(const struct xlb_flow_key* key, const struct xlb_flow* flow) {
  struct xlb_flow_key reply_key;
  flow_peer_key(key, flow, &reply_key);
  struct xlb_flow* reply = flow_lookup(&reply_key);
  return reply != NULL && !is_peer(key, reply);
}

/* Not a flow of ours, but the mark of a connection that Docker's own mesh carries. It holds its key, so that no flow of
 * ours claims the port. */
static __always_inline int is_dockers(const struct xlb_flow* flow) { return flow->kind == XLB_KIND_NONE; }

static __always_inline int is_first_syn(const struct packet* packet) {
  return (packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* Do the backend's packets go to the client by themselves, so that nothing is seen of them here? */
static __always_inline int answers_elsewhere(const struct xlb_flow* flow) {
  return flow->kind == XLB_KIND_PEER && !flow->reply && (flow->vni & PEER_FLAG(XLB_TUNNEL_DIRECT));
}

/* What the client says of a connection whose answers are not seen: that it got one, and with its FIN that it is over as
 * far as can be told. */
static __always_inline __u8 events_by_client(const struct packet* packet) {
  __u8 events = (packet->tcp_flags & TCP_ACK) ? XLB_FLOW_REPLIED : 0;
  if (packet->tcp_flags & TCP_FIN) events |= XLB_FLOW_FIN_BOTH;
  return events;
}

static __always_inline __u8 flow_events(const struct packet* packet, const struct xlb_flow* flow) {
  __u8 events = flow->reply ? XLB_FLOW_REPLIED : 0;
  if (answers_elsewhere(flow)) events = events_by_client(packet);
  if (packet->tcp_flags & TCP_FIN) events |= flow->reply ? XLB_FLOW_FIN_BACKEND : XLB_FLOW_FIN_CLIENT;
  if (packet->tcp_flags & TCP_RST) events |= XLB_FLOW_RESET;
  return events;
}

/* The backend refused the flow: the next ones go elsewhere for a while. */
static __always_inline void flow_refused(__u32 hook, const struct packet* packet, const struct xlb_flow* flow,
                                         __u32 now) {
  load_refused(flow->backend, now);
  count(hook, XLB_COUNT_FLOW_REFUSED, packet->frame_length);
}

/* The client still uses the backend that it keeps. `key` and `flow` of either direction. */
static __always_inline void affinity_keep(const struct xlb_flow_key* key, const struct xlb_flow* flow, __u32 now) {
  struct xlb_affinity_key kept = {.service = flow->service, .client = flow->reply ? flow->daddr : key->saddr};
  struct xlb_affinity* entry = bpf_map_lookup_elem(&affinity, &kept);
  if (entry != NULL && entry->backend == flow->backend) entry->seen = now;
}

/* Writes into both entries what this packet says of the connection, and when it came. A peer that the table evicted is
 * made again here: a flow never half-lives. (A global function: see begin() in balance.h.) */
__noinline int flow_write(ctx_t* ctx, __u32 hook, const struct packet* packet, struct xlb_flow* flow, __u32 now) {
  if (packet == NULL || flow == NULL) return 0;
  __u8 events = flow_events(packet, flow);
  if (flow->reply && (events & XLB_FLOW_RESET) && !(flow->state & (XLB_FLOW_REPLIED | XLB_FLOW_RESET))) {
    flow_refused(hook, packet, flow, now);
  }
  int lived = !flow_is_over(flow);
  flow->seen = now;
  flow->state |= events;
  if (lived && flow_is_over(flow)) load_count(flow, LOAD_FLOW_ENDS);
  if (flow->state & XLB_FLOW_AFFINITY) affinity_keep(&packet->key, flow, now);

  struct xlb_flow_key peer_key;
  flow_peer_key(&packet->key, flow, &peer_key);
  struct xlb_flow* peer = flow_lookup(&peer_key);
  if (peer != NULL) {
    if (!is_peer(&packet->key, peer)) return 0; /* a late reply: its client has begun anew */
    peer->seen = now;
    peer->state |= events;
    return 0;
  }
  struct xlb_flow rebuilt;
  flow_mirror(&packet->key, flow, &rebuilt);
  if (answers_node(&rebuilt)) flow_learn_macs(ctx, &rebuilt);
  if (bpf_map_update_elem(&flows, &peer_key, &rebuilt, BPF_NOEXIST) == 0) {
    count(hook, XLB_COUNT_FLOW_REBUILT, packet->frame_length);
  }
  return 0;
}

/* Keeps the pair in step. Writes only what changed, and looks the other direction up only then, so once a second at
 * most for a flow in full course. */
static __always_inline void flow_sync(ctx_t* ctx, __u32 hook, const struct packet* packet, struct xlb_flow* flow,
                                      __u32 now) {
  if (flow->seen == now && (flow_events(packet, flow) & ~flow->state) == 0) return;
  flow_write(ctx, hook, packet, flow, now);
}

/* The flood guard: at most node->new_flow_limit new flows a CPU and tick, so that a flood cannot push out the living.
 */
static __always_inline int flow_admit(const struct xlb_node* node, __u32 now) {
  __u32 zero = 0;
  struct xlb_new_flows* made = bpf_map_lookup_elem(&new_flows, &zero);
  if (made == NULL || node->new_flow_limit == 0) return 1;
  if (made->tick != now) {
    made->tick = now;
    made->made = 0;
  }
  if (made->made >= node->new_flow_limit) return 0;
  made->made++;
  return 1;
}

/* Does the flow go to its backend from an address of the host's own? A task on this node sees clients of other machines
 * and other containers as they are, and tasks on other nodes see an address that only Docker's mesh uses. */
static __always_inline int leaves_as_host(const struct xlb_flow_key* key, const struct xlb_flow* flow) {
  if (flow->kind == XLB_KIND_ROUTE) return 1;
  return flow->kind == XLB_KIND_LOCAL && (key->zone == XLB_ZONE_HOST || flow->saddr != key->saddr);
}

/* Is the host itself using this port towards the backend? Then the reply could not be told from its own traffic. */
static __always_inline int port_is_hosts_own(ctx_t* ctx, const struct xlb_flow_key* reply_key) {
  struct bpf_sock_tuple tuple = {};
  tuple.ipv4.saddr = reply_key->saddr;
  tuple.ipv4.daddr = reply_key->daddr;
  tuple.ipv4.sport = reply_key->sport;
  tuple.ipv4.dport = reply_key->dport;
  struct bpf_sock* sock;
  if (reply_key->proto == IPPROTO_TCP) {
    sock = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
  } else {
    sock = bpf_sk_lookup_udp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
  }
  if (sock == NULL) return 0;
  bpf_sk_release(sock);
  return 1;
}

/* Claims the reply key for `flow` with the source port that `flow` names. 0, or why not. BPF_NOEXIST decides between
 * CPUs. An error is an int: before Linux 6.4 a map's own function returned one, and its call, inlined by the verifier,
 * leaves the upper half of the register 0, so that as a long it is no negative number. */
static __always_inline int flow_claim_port(ctx_t* ctx, const struct xlb_flow_key* key, struct xlb_flow* flow,
                                           int as_host) {
  struct xlb_flow_key reply_key;
  struct xlb_flow reply;
  flow_peer_key(key, flow, &reply_key);
  if (as_host && port_is_hosts_own(ctx, &reply_key)) return -17; /* -EEXIST */
  flow_mirror(key, flow, &reply);
  int error = (int)bpf_map_update_elem(&flows, &reply_key, &reply, BPF_NOEXIST);
  if (error != -17) return error;
  struct xlb_flow* taken = flow_lookup(&reply_key);
  /* Did an earlier life of the same flow leave this entry? Then it is ours to overwrite. */
  if (taken == NULL || !taken->reply || !is_peer(key, taken)) return error;
  return (int)bpf_map_update_elem(&flows, &reply_key, &reply, BPF_ANY);
}

/* Puts both entries of a new flow into the table. `flow` is filled but for its source port: the client's own when that
 * is free, else one of a bounded number of others. Returns -1, or the reason (enum xlb_drop_reason) why there is no
 * flow. */
static __always_inline int flow_insert(ctx_t* ctx, __u32 hook, const struct xlb_flow_key* key, struct xlb_flow* flow) {
  __u64 seed = mix64(((__u64)key->saddr << 32) | key->daddr) ^ key->sport;
  /* A byte in memory is what the verifier keeps no record of: if it knew the answer, it would walk the whole search
   * once for each. */
  volatile __u8 as_host = (__u8)leaves_as_host(key, flow);
  int error = -17;
  flow->sport = key->sport;
  for (__u32 i = 0; i < FLOW_PORT_TRIES; i++) {
    error = flow_claim_port(ctx, key, flow, as_host);
    if (error != -17) break;
    __u32 spread = (__u32)(mix64(seed + i) >> 48) * (65536 - FLOW_FIRST_PORT);
    flow->sport = bpf_htons((__u16)(FLOW_FIRST_PORT + (spread >> 16)));
  }
  if (error == -17) return XLB_DROP_NO_PORT;
  if (error != 0) return XLB_DROP_FLOW_TABLE_FULL;
  if (flow->sport != key->sport) count(hook, XLB_COUNT_PORT_CHANGED, 0);
  struct xlb_flow filed = *flow; /* what a global function was given cannot be a map's value on Linux 6.1 either */
  if (bpf_map_update_elem(&flows, key, &filed, BPF_ANY) != 0) {
    struct xlb_flow_key reply_key;
    flow_peer_key(key, flow, &reply_key);
    bpf_map_delete_elem(&flows, &reply_key);
    return XLB_DROP_FLOW_TABLE_FULL;
  }
  return -1;
}

#endif
