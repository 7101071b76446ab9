/* SPDX-License-Identifier: GPL-2.0-only */
/* A flow: its directions, its state and clock, and how a new one gets its place and its port. */
#ifndef XLB_BPF_FLOW_H
#define XLB_BPF_FLOW_H

#include "lib/count.h"
#include "lib/load.h"
#include "lib/parse.h"
#include "lib/table.h"

#define FLOW_PORT_TRIES 32
#define FLOW_FIRST_PORT 1024 /* ports found by search stay above the well-known ones */

static __always_inline __u32 tick_now(const struct xlb_node* node) {
  /* jiffies, inlined by the verifier, costs nothing beside bpf_ktime_get_ns (0.1 against 34 ns). */
  return (__u32)(bpf_jiffies64() >> (node->tick_shift & 31));
}

/* What the packet is to become: the other direction's key, to be read turned round. */
static __always_inline const struct xlb_flow_key* flow_away(const struct xlb_flow* flow, __u8 reply) {
  return &flow->key[(reply ^ 1) & 1];
}

/* Is a client in this zone on the node itself, a process or a container? No route leads to such a client: what it gets
 * goes to the device that its packets were seen at. */
static __always_inline int is_on_node(__u8 zone) { return zone == XLB_ZONE_TASK || zone == XLB_ZONE_HOST; }

/* Do packets of this direction go to a client on the node? */
static __always_inline int answers_node(const struct xlb_flow* flow, __u8 reply) {
  return reply && is_on_node(flow->key[0].zone);
}

/* Do packets of this direction go to a task on this node? */
static __always_inline int enters_task(const struct xlb_flow* flow, __u8 reply) {
  return flow->kind == XLB_KIND_LOCAL && !reply;
}

/* Does the flow cross a tunnel, in this direction or the other? */
static __always_inline int flow_is_tunnelled(const struct xlb_flow* flow) { return flow->tunnel.vni != 0; }

/* Do packets of this direction leave in a tunnel? To a task on another node; and, from a task here, to the peer that
 * the client's packets come by. */
static __always_inline int flow_wraps(const struct xlb_flow* flow, __u8 reply) {
  if (!flow_is_tunnelled(flow)) return 0;
  if (!reply) return flow->kind != XLB_KIND_LOCAL;
  return flow->kind == XLB_KIND_LOCAL && !(flow->tunnel.vni & PEER_FLAG(XLB_TUNNEL_DIRECT));
}

/* The MAC addresses for answers to the client on the node whose packet this is: its own turned round. */
static __always_inline void flow_learn_macs(const ctx_t* ctx, struct xlb_flow_hop* back) {
  const struct ethhdr* eth = ctx_data(ctx);
  if ((const void*)(eth + 1) > ctx_data_end(ctx)) return;
  __builtin_memcpy(back->dmac, eth->h_source, ETH_ALEN);
  __builtin_memcpy(back->smac, eth->h_dest, ETH_ALEN);
}

/* Not a flow of ours, but the mark of a connection that Docker's own mesh carries. It holds its key, so that no flow of
 * ours claims the port. */
static __always_inline int is_dockers(const struct xlb_flow* flow) { return flow->kind == XLB_KIND_NONE; }

/* The flow's state as the packet found it. */
static __always_inline __u8 flow_state(const struct packet* packet) { return xlb_life_state(packet->life); }
static __always_inline int flow_is_over(const struct packet* packet) { return xlb_state_is_over(flow_state(packet)); }

/* Do the backend's packets go to the client by themselves, so that nothing is seen of them here? */
static __always_inline int answers_elsewhere(const struct xlb_flow* flow, __u8 reply) {
  return flow->kind == XLB_KIND_PEER && !reply && (flow->tunnel.vni & PEER_FLAG(XLB_TUNNEL_DIRECT));
}

/* What the client says of a connection whose answers are not seen: that it got one, and with its FIN that it is over as
 * far as can be told. */
static __always_inline __u8 events_by_client(const struct packet* packet) {
  __u8 events = (packet->tcp_flags & TCP_ACK) ? XLB_FLOW_REPLIED : 0;
  if (packet->tcp_flags & TCP_FIN) events |= XLB_FLOW_FIN_BOTH;
  return events;
}

static __always_inline __u8 flow_events(const struct packet* packet, const struct xlb_flow* flow) {
  __u8 events = packet->reply ? XLB_FLOW_REPLIED : 0;
  if (answers_elsewhere(flow, packet->reply)) events = events_by_client(packet);
  if (packet->tcp_flags & TCP_FIN) events |= packet->reply ? XLB_FLOW_FIN_BACKEND : XLB_FLOW_FIN_CLIENT;
  if (packet->tcp_flags & TCP_RST) events |= XLB_FLOW_RESET;
  return events;
}

/* The backend refused the flow: the next ones go elsewhere for a while. */
static __always_inline void flow_refused(__u32 hook, const struct packet* packet, const struct xlb_flow* flow,
                                         __u32 now) {
  load_refused(flow->backend, now);
  count(hook, XLB_COUNT_FLOW_REFUSED, packet->frame_length);
}

/* The client still uses the backend that it keeps. */
static __always_inline void affinity_keep(const struct xlb_flow* flow, __u32 now) {
  struct xlb_affinity_key kept = {.service = flow->service, .client = flow->key[0].saddr};
  struct xlb_affinity* entry = bpf_map_lookup_elem(&affinity, &kept);
  if (entry != NULL && entry->backend == flow->backend) entry->seen = now;
}

/* Notes what this packet says of the connection, and when it came. (A global function: see begin() in begin.h.) */
__noinline int flow_write(__u32 hook, const struct packet* packet, struct xlb_flow* flow, __u32 now) {
  if (packet == NULL || flow == NULL) return 0;
  __u8 events = flow_events(packet, flow);
  __u64 life = xlb_life_note(flow, packet->life, now, events, 0);
  if (life == 0) return 0;
  __u8 before = xlb_life_state(life);
  if (packet->reply && (events & XLB_FLOW_RESET) && !(before & (XLB_FLOW_REPLIED | XLB_FLOW_RESET))) {
    flow_refused(hook, packet, flow, now);
  }
  if (!xlb_state_is_over(before) && xlb_state_is_over(before | events)) load_count(flow, LOAD_FLOW_ENDS);
  if (before & XLB_FLOW_AFFINITY) affinity_keep(flow, now);
  return 0;
}

/* Writes only what changed, so once a second for a flow in full course. */
static __always_inline void flow_sync(__u32 hook, const struct packet* packet, struct xlb_flow* flow, __u32 now) {
  if (xlb_life_seen(packet->life) == now && (flow_events(packet, flow) & ~flow_state(packet)) == 0) return;
  flow_write(hook, packet, flow, now);
}

/* Sets or clears bits of the flow's state that say nothing of the connection itself. (A global function: see
 * begin() in begin.h.) */
__noinline int flow_change_state(const struct packet* packet, struct xlb_flow* flow, __u8 set, __u8 clear) {
  if (packet == NULL || flow == NULL) return 0;
  return xlb_life_note(flow, packet->life, xlb_life_seen(packet->life), set, clear) != 0;
}

/* The flood guard: at most node->new_flow_limit new flows a CPU and tick, so that a flood cannot push out the living.
 */
static __always_inline int flow_admit(const struct xlb_node* node, struct xlb_new_flows* made, __u32 now) {
  if (made->tick != now) {
    made->tick = now;
    made->made = 0;
    made->crowded = 0;
  }
  if (node->new_flow_limit != 0 && made->made >= node->new_flow_limit) return 0;
  made->made++;
  return 1;
}

/* Does the flow go to its backend from an address of the host's own? A task on this node sees clients of other machines
 * and other containers as they are, and tasks on other nodes see an address that only Docker's mesh uses. */
static __always_inline int leaves_as_host(const struct xlb_flow* flow) {
  if (flow->kind == XLB_KIND_ROUTE) return 1;
  return flow->kind == XLB_KIND_LOCAL &&
         (flow->key[0].zone == XLB_ZONE_HOST || flow->key[1].daddr != flow->key[0].saddr);
}

/* Is the host itself using this port towards the backend? Then the reply could not be told from its own traffic. (A
 * global function: see begin() in begin.h.) */
__noinline int port_is_hosts_own(ctx_t* ctx, const struct xlb_flow_key* reply_key) {
  if (reply_key == NULL) return 0;
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

/* Gives the flow in the claimed slot a source port and, with it, a key for its answers: the client's own port when that
 * is free, else one of a bounded number of others. `slot`, or one of XLB_CLAIM_*. */
static __always_inline __u32 flow_find_port(ctx_t* ctx, struct xlb_flow* flow, __u32 slot) {
  __u64 seed = mix64(((__u64)flow->key[0].saddr << 32) | flow->key[0].daddr) ^ flow->key[0].sport;
  /* A byte in memory is what the verifier keeps no record of: if it knew the answer, it would walk the whole search
   * once for each. */
  volatile __u8 as_host = (__u8)leaves_as_host(flow);
  __u32 claimed = XLB_CLAIM_EXISTS;
  flow->key[1].dport = flow->key[0].sport;
  for (__u32 i = 0; i < FLOW_PORT_TRIES; i++) {
    claimed = as_host && port_is_hosts_own(ctx, &flow->key[1]) ? XLB_CLAIM_EXISTS : flow_claim_answers(slot);
    if (claimed != XLB_CLAIM_EXISTS) break;
    __u32 spread = (__u32)(mix64(seed + i) >> 48) * (65536 - FLOW_FIRST_PORT);
    flow->key[1].dport = bpf_htons((__u16)(FLOW_FIRST_PORT + (spread >> 16)));
  }
  return claimed;
}

static __always_inline __u32 flow_drop_reason(__u32 claim) {
  if (claim == XLB_CLAIM_EXISTS) return XLB_DROP_NO_PORT;
  return claim == XLB_CLAIM_BUSY ? XLB_DROP_FLOW_BUSY : XLB_DROP_FLOW_TABLE_FULL;
}

/* All but life. (Not __builtin_memcpy: clang would load it all before it stores, and there is no stack for that.) */
static __always_inline void flow_copy(struct xlb_flow* to, const struct xlb_flow* from) {
  __u64* word = (void*)to;
  const __u64* source = (const void*)from;
#pragma unroll
  for (__u32 i = 1; i < sizeof(*to) / sizeof(*word); i++) {
    word[i] = source[i];
    xlb_ordered();
  }
}

/* What the rewrite of the client's packets does to their checksums: the same for all of them. (A global
 * function: see begin() in begin.h.) */
__noinline int flow_set_diffs(struct xlb_flow* flow) {
  if (flow == NULL) return 0;
  const struct xlb_flow_key *from = &flow->key[0], *to = &flow->key[1];
  __u64 sum = csum_word_diff(from->saddr, to->daddr) + csum_word_diff(from->daddr, to->saddr);
  flow->ip_diff = csum_fold16(sum);
  flow->l4_diff =
      csum_fold16(sum + csum_word_diff(ports_word(from->sport, from->dport), ports_word(to->dport, to->sport)));
  return 0;
}

/* Files the flow `fresh`, all of whose members but life and the port in key[1] are filled, in the place that flow_claim
 * gave. -1, or the reason (enum xlb_drop_reason) why there is no such flow. */
static __always_inline int flow_insert(ctx_t* ctx, __u32 hook, const struct packet* packet,
                                       const struct xlb_flow* fresh, __u32 slot, __u32 now) {
  if (slot == XLB_CLAIM_EXISTS) return -1;
  if (slot >= XLB_CLAIM_FAILED) return (int)flow_drop_reason(slot);
  if (slot & XLB_CLAIM_EVICTED) count(hook, XLB_COUNT_FLOW_EVICTED, packet->frame_length);
  slot &= ~XLB_CLAIM_EVICTED;
  struct xlb_flow* flow = xlb_slot_flow(NULL, slot);
  if (flow == NULL) return XLB_DROP_FLOW_TABLE_FULL; /* never */
  flow_copy(flow, fresh);
  __u32 claimed = flow_find_port(ctx, flow, slot);
  if (claimed >= XLB_CLAIM_FAILED) {
    flow_abandon(slot);
    return (int)flow_drop_reason(claimed);
  }
  flow_set_diffs(flow);
  if (flow->key[1].dport != flow->key[0].sport) count(hook, XLB_COUNT_PORT_CHANGED, 0);
  count(hook, XLB_COUNT_FLOW_NEW, packet->frame_length);
  count_flow(fresh->service, fresh->backend);
  load_count(fresh, LOAD_FLOW_BEGINS);
  xlb_table_publish(flow, now, xlb_life_state(fresh->life));
  return -1;
}

/* The mark of a connection that Docker's own mesh carries: 1 if there is one now. */
static __always_inline int flow_file_mark(const struct xlb_flow_key* key, __u32 now) {
  struct xlb_new_flows* made = new_flows_lookup();
  __u32 slot = made != NULL ? flow_claim(key, now, XLB_UNFILED_UNKNOWN, made) : XLB_CLAIM_FULL;
  if (slot >= XLB_CLAIM_FAILED) return slot == XLB_CLAIM_EXISTS;
  slot &= ~XLB_CLAIM_EVICTED;
  struct xlb_flow* mark = xlb_slot_flow(NULL, slot);
  if (mark == NULL) return 0; /* never */
  __builtin_memset((void*)mark + __builtin_offsetof(struct xlb_flow, key[1]), 0,
                   sizeof(*mark) - __builtin_offsetof(struct xlb_flow, key[1]));
  xlb_table_publish(mark, now, XLB_FLOW_REPLIED); /* not the first to go when the table is full */
  return 1;
}

#endif
