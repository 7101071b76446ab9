/* SPDX-License-Identifier: GPL-2.0-only */
/* The first packet of a flow: who may begin one, to which backend, and under which addresses. */
#ifndef XLB_BPF_BEGIN_H
#define XLB_BPF_BEGIN_H

#include "lib/backend.h"
#include "lib/count.h"
#include "lib/flow.h"
#include "lib/pick.h"
#include "lib/sources.h"

/* What else than UNDECIDED says that a packet has no verdict: no flow is good for it, but it may begin one. */
#define NO_FLOW (UNDECIDED + 1)

static __always_inline __u8 zone_of_replies(__u8 kind) {
  if (kind == XLB_KIND_VXLAN) return XLB_ZONE_TUNNEL;
  return kind == XLB_KIND_LOCAL ? XLB_ZONE_TASK : XLB_ZONE_UPLINK;
}

/* Is the address one of a network that tasks here are on? A task would look for its owner there, and not answer by the
 * way that the packet came. */
static __always_inline int in_task_network(const struct xlb_node* node, __be32 addr) {
#pragma unroll
  for (int i = 0; i < XLB_TASK_NETWORKS; i++) {
    __be32 mask = node->task_networks[i].mask;
    if (mask != 0 && (addr & mask) == node->task_networks[i].addr) return 1;
  }
  return 0;
}

/* The address that the backend sees; 0: none is known. The client's own, except where no answer would come back to it:
 * 127.0.0.1 is somebody else inside a task, a task that reaches itself would have its own address as a source, and the
 * networks of tasks may overlap those of clients. */
static __always_inline __be32 source_towards(const ctx_t* ctx, const struct xlb_node* node,
                                             const struct xlb_flow_key* key, const struct xlb_backend* backend) {
  if (backend->snat_addr != 0) return backend->snat_addr;
  if (key->zone == XLB_ZONE_HOST && is_loopback(key->saddr)) return node->bridge_addr;
  if (key->zone == XLB_ZONE_TASK && backend->ifindex == ctx_ifindex(ctx)) return node->bridge_addr;
  if (backend->kind == XLB_KIND_LOCAL && in_task_network(node, key->saddr)) return node->bridge_addr;
  return key->saddr;
}

/* `source`: the address that the backend sees. */
static __always_inline void flow_begin(const ctx_t* ctx, const struct xlb_flow_key* key, __u32 service, __u32 id,
                                       const struct xlb_backend* backend, __be32 source, struct xlb_flow* flow) {
  flow->key[0] = *key;
  flow->key[1].saddr = backend->addr;
  flow->key[1].daddr = source;
  flow->key[1].sport = backend->port != 0 ? backend->port : key->dport;
  flow->key[1].dport = key->sport; /* if it is free: flow_find_port */
  flow->key[1].proto = key->proto;
  flow->key[1].zone = zone_of_replies(backend->kind);
  flow->service = service;
  flow->backend = id;
  flow->generation = backend->generation;
  flow->kind = backend->kind;
  if (backend->kind == XLB_KIND_VXLAN) vxlan_way(backend, &flow->tunnel);
  flow->in_ifindex = ctx_ifindex(ctx);
}

/* The state that a flow is filed with. */
static __always_inline void flow_set_state(struct xlb_flow* flow, __u8 state) {
  flow->life = (__u64)state << XLB_LIFE_STATE_SHIFT;
}

/* Makes the flow one of the client's packets as they come, if there is a way for them: to a task whose node runs xlb.
 * Clients on this node itself are not known there by addresses that an answer would find. */
static __always_inline void flow_begin_peer(const struct xlb_flow_key* key, const struct xlb_service* service,
                                            const struct xlb_backend* backend, struct xlb_flow* flow) {
  if (key->zone != XLB_ZONE_UPLINK || (service->flags & XLB_SERVICE_SNAT)) return;
  if (!peer_way(backend, &flow->tunnel)) return;
  flow->kind = XLB_KIND_PEER;
  flow->key[1].saddr = key->daddr;
  flow->key[1].daddr = key->saddr;
  flow->key[1].sport = key->dport;
  flow->key[1].zone = XLB_ZONE_PEER;
}

/* Where a flow is made before it has a place: made->fresh, all zero. NULL never. */
static __always_inline struct xlb_new_flows* flow_make(void) {
  struct xlb_new_flows* made = new_flows_lookup();
  if (made != NULL) __builtin_memset(&made->fresh, 0, sizeof(made->fresh));
  return made;
}

/* Files the flow that begin() or peer_begin() made of the packet, with what flow_claim said: UNDECIDED, or the packet's
 * verdict. (A global function: see begin().) */
__noinline int flow_file(ctx_t* ctx, __u32 hook, const struct packet* packet, struct xlb_flow* fresh, __u32 slot) {
  const struct xlb_node* node = node_lookup();
  if (node == NULL || packet == NULL || fresh == NULL) return CTX_DROP;
  if (is_on_node(fresh->key[0].zone)) flow_learn_macs(ctx, &fresh->hop[1]);
  int refused = flow_insert(ctx, hook, packet, fresh, slot, tick_now(node));
  return refused >= 0 ? drop(ctx, hook, (__u32)refused) : UNDECIDED;
}

/* The backend that this client keeps, if it still takes new flows; else 0. */
static __always_inline __u32 affinity_find(const struct xlb_service* service, const struct xlb_affinity_key* client,
                                           __u32 tried, __u32 now) {
  struct xlb_affinity* entry = bpf_map_lookup_elem(&affinity, client);
  if (entry == NULL || (__s32)(now - entry->seen) > (__s32)service->affinity) return 0;
  __u32 id = entry->backend;
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, &id);
  if (backend == NULL || backend->generation != entry->generation || backend->state != XLB_BACKEND_ACTIVE) return 0;
  return id != tried && !load_is_avoided(id, now) ? id : 0;
}

/* The backend for a new flow; 0: there is none. (A global function: see begin().) */
__noinline __u32 begin_choose(__u32 hook, const struct xlb_service* service, const struct packet* packet, __u32 now) {
  if (service == NULL || packet == NULL) return 0;
  struct xlb_flow_key key = packet->key;
  /* In the middle of a connection the choice is the one that the other nodes made: whatever refuses new ones. */
  if (key.proto == IPPROTO_TCP && !is_first_syn(packet)) return pick_hashed(service, &key);
  if (service->affinity == 0) return pick_backend(service, &key, packet->tried, now);
  struct xlb_affinity_key client = {.service = service->id, .client = key.saddr};
  __u32 id = affinity_find(service, &client, packet->tried, now);
  if (id != 0) {
    count(hook, XLB_COUNT_AFFINITY, packet->frame_length);
  } else {
    id = pick_backend(service, &key, packet->tried, now);
  }
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, &id);
  if (id == 0 || backend == NULL) return 0;
  struct xlb_affinity entry = {.backend = id, .generation = backend->generation, .seen = now};
  bpf_map_update_elem(&affinity, &client, &entry, BPF_ANY);
  return id;
}

/* May a segment that is no SYN go on in a connection which another node began? Only where every node would choose the
 * same backend for it, and one that knows the connection by the client's own address. Else it may be older than xlb. */
static __always_inline int may_continue(const struct packet* packet, const struct xlb_service* service) {
  if (service->pick != XLB_PICK_HASH && service->pick != XLB_PICK_SOURCE) return 0;
  if (service->affinity != 0 || (service->flags & (XLB_SERVICE_SNAT | XLB_SERVICE_OWN_CHOICE))) return 0;
  return packet->key.zone == XLB_ZONE_UPLINK && !(packet->tcp_flags & (TCP_SYN | TCP_RST));
}

/* No flow yet: if the packet may begin one, chooses its backend and fills `made->fresh`, which is all zero: UNDECIDED.
 * Else the packet's verdict.
 *
 * A global function, as are the other rare ways in lib/: the verifier looks at it once, by itself, so that its states
 * do not multiply those of the programs, and its stack is its own. What it is given cannot be a map's key on Linux 6.1,
 * a copy on its stack can. */
__noinline int begin(ctx_t* ctx, __u32 hook, const struct packet* packet, struct xlb_new_flows* made) {
  const struct xlb_node* node = node_lookup();
  if (node == NULL || packet == NULL || made == NULL) return CTX_PASS; /* never: a global function has to ask */
  struct xlb_flow* flow = &made->fresh;
  struct xlb_flow_key copy = packet->key, *key = &copy;
  struct xlb_service* service = service_lookup(key);
  if (service == NULL) return pass(ctx, hook, XLB_COUNT_PASS_NO_SERVICE);
  if (service->flags & XLB_SERVICE_LEFT) return pass(ctx, hook, XLB_COUNT_PASS_LEFT);
  int begins = key->proto != IPPROTO_TCP || is_first_syn(packet);
  int verdict = service_admits(ctx, hook, service, key, begins ? XLB_SOURCE_NEW : XLB_SOURCE_LIVING);
  if (verdict != UNDECIDED) return verdict;
  if (!begins && !may_continue(packet, service)) return pass(ctx, hook, XLB_COUNT_PASS_NO_FLOW);
  __u32 now = tick_now(node);
  __u32 id = begin_choose(hook, service, packet, now);
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, &id);
  if (id == 0 || backend == NULL || backend->state != XLB_BACKEND_ACTIVE) {
    return pass(ctx, hook, XLB_COUNT_PASS_NO_BACKEND);
  }
  int hides = (service->flags & XLB_SERVICE_SNAT) && backend->kind == XLB_KIND_LOCAL;
  __be32 source = hides ? node->bridge_addr : source_towards(ctx, node, key, backend);
  if (source == 0) return pass(ctx, hook, XLB_COUNT_PASS_NO_BACKEND);
  if (!flow_admit(node, made, now)) return drop(ctx, hook, XLB_DROP_NEW_FLOW_LIMIT);
  if (packet->tried != 0 && packet->tried != id) count(hook, XLB_COUNT_FLOW_RETRIED, packet->frame_length);

  flow_begin(ctx, key, service->id, id, backend, source, flow);
  flow_begin_peer(key, service, backend, flow);
  __u8 state = service->affinity != 0 ? XLB_FLOW_AFFINITY : 0;
  if (!begins) {
    if (flow->kind != XLB_KIND_PEER && flow->kind != XLB_KIND_LOCAL) return pass(ctx, hook, XLB_COUNT_PASS_NO_FLOW);
    state |= XLB_FLOW_REPLIED;
    count(hook, XLB_COUNT_FLOW_CONTINUED, packet->frame_length);
  }
  flow_set_state(flow, state);
  return UNDECIDED;
}

#endif
