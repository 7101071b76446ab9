/* SPDX-License-Identifier: GPL-2.0-only */
/* Which service a packet is for, and which of its backends a new flow goes to. */
#ifndef XLB_BPF_PICK_H
#define XLB_BPF_PICK_H

#include "lib/count.h"
#include "lib/load.h"
#include "lib/shortcuts.h"

#define PICK_TRIES 32 /* slots looked at for a backend that is good for a new flow */

#define LOOPBACK_ADDRESS bpf_htonl(0x7f000001) /* 127.0.0.1; other addresses of 127/8 have services of their own */

static __always_inline int is_loopback(__be32 address) {
  return (address & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

/* Does a service on every address of this node answer at this one? To the node itself, and to nobody else, also at
 * 127.0.0.1 and at the address by which Docker's mesh serves it. */
static __always_inline int is_nodes_address(const struct xlb_flow_key* key) {
  if (key->zone == XLB_ZONE_HOST) {
    if (key->daddr == LOOPBACK_ADDRESS) return 1;
    const struct xlb_node* node = node_lookup();
    if (node != NULL && node->sandbox_addr != 0 && key->daddr == node->sandbox_addr) return 1;
  }
  return is_own_address(key->daddr);
}

/* A frame of xlb's own VNI that no peer of this node's has sent. One to another node, which this one only routes, is
 * none of its affairs. (A global function: see begin().) */
__noinline int peer_stranger(ctx_t* ctx, __u32 hook, const struct packet* packet) {
  if (packet == NULL) return CTX_DROP;
  if (!is_own_address(packet->outer_destination)) return pass(ctx, hook, XLB_COUNT_PASS_TUNNEL);
  return drop(ctx, hook, XLB_DROP_PEER_UNKNOWN);
}

/* A service at the packet's very address, else one on every address of this node. That an address is this node's is
 * asked last: most packets that pass through are for no service at all. */
static __always_inline struct xlb_service* service_lookup(const struct xlb_flow_key* key) {
  struct xlb_service_key at = {.addr = key->daddr, .port = key->dport, .proto = key->proto};
  const struct xlb_ports_without* without = ports_without(key->proto, key->dport);
  /* 0.0.0.0 as a destination would find the wildcard by its very key, and it is not this node's address. */
  if (!has_no_bound(without, key->dport) && key->daddr != 0) {
    struct xlb_service* service = bpf_map_lookup_elem(&services, &at);
    if (service != NULL) return service;
  }
  xlb_ordered();
  if (has_no_any(without, key->dport)) return NULL;
  at.addr = 0;
  struct xlb_service* service = bpf_map_lookup_elem(&services, &at);
  return service != NULL && is_nodes_address(key) ? service : NULL;
}

/* The same on every node for the same client and service port, whatever address of the swarm the client chose. */
static __always_inline __u32 flow_hash(const struct xlb_flow_key* key, __be16 sport) {
  __u64 ports = ((__u64)key->proto << 32) | ((__u64)sport << 16) | key->dport;
  return (__u32)(mix64(mix64(key->saddr) + ports) >> 32);
}

static __always_inline __u32 scaled(__u32 hash, __u32 length) { return (__u32)(((__u64)hash * length) >> 32); }

/* The backend's id in this slot of the map. (A global function, so that the verifier knows nothing of what it returns:
 * the paths of a loop that asks it stay one.) */
__noinline __u32 ring_at(__u32 slot) {
  __u32 index = slot / 2;
  struct xlb_ring_pair* pair = bpf_map_lookup_elem(&ring, &index);
  return pair != NULL ? pair->backend[slot % 2] : 0;
}

static __always_inline __u32 weight_of(__u32 id) {
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, &id);
  return backend != NULL && backend->weight != 0 ? backend->weight : 1;
}

/* Of two slots at random, the one whose backend has fewer live flows for its weight: nearly as even as a look at all of
 * them, and no two nodes run after the same one (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing",
 * 2001). (A global function: see begin().) */
__noinline __u32 pick_less_busy(__u32 offset, __u32 length) {
  if (length < 2) return 0;
  __u32 one = scaled(bpf_get_prandom_u32(), length);
  __u32 other = one + 1 + scaled(bpf_get_prandom_u32(), length - 1);
  if (other >= length) other -= length;
  __u32 id = ring_at(offset + one), rival = ring_at(offset + other);
  return load_live(id) * weight_of(rival) <= load_live(rival) * weight_of(id) ? one : other;
}

/* Is this backend the one that was tried, or did it refuse lately? (A global function: see ring_at().) */
__noinline int is_shunned(__u32 id, __u32 tried, __u32 now) { return id == tried || load_is_avoided(id, now); }

/* The first backend from `slot` on, round the ring, but for the one that was tried and those that refused lately. If
 * there is no other, it is one that refused; and the one that was tried, if there is none besides. (A global function:
 * see begin().) */
__noinline __u32 pick_from(__u32 offset, __u32 length, __u32 slot, __u32 tried, __u32 now) {
  __u32 last_resort = 0;
  for (int i = 0; i < PICK_TRIES; i++) {
    __u32 id = ring_at(offset + slot);
    if (!is_shunned(id, tried, now)) return id;
    if (last_resort == 0 || last_resort == tried) last_resort = id;
    slot = (slot + 1) % length;
  }
  return last_resort;
}

/* The slot that a new flow's turn, hash or look at the load leads to. */
static __always_inline __u32 pick_slot(const struct xlb_service* service, const struct xlb_flow_key* key) {
  __u32 length = service->ring_len;
  if (service->pick == XLB_PICK_HASH) return scaled(flow_hash(key, key->sport), length);
  if (service->pick == XLB_PICK_SOURCE) return scaled(flow_hash(key, 0), length);
  if (service->pick == XLB_PICK_LEAST) return pick_less_busy(service->ring_off, length);
  __u32 id = service->id;
  struct xlb_service_state* state = bpf_map_lookup_elem(&service_state, &id);
  if (state == NULL) return 0;
  /* One counter for all CPUs, so that backends really take turns; only new flows touch it. */
  return (__u32)(__sync_fetch_and_add(&state->turn, 1) % length);
}

/* What the hash alone leads to; 0 when the service has no backend. */
static __always_inline __u32 pick_hashed(const struct xlb_service* service, const struct xlb_flow_key* key) {
  __be16 sport = service->pick == XLB_PICK_SOURCE ? 0 : key->sport;
  if (service->ring_len == 0) return 0;
  return ring_at(service->ring_off + scaled(flow_hash(key, sport), service->ring_len));
}

/* The backend's id for a new flow; 0 when the service has none. `tried`: what did not answer the client before. */
static __always_inline __u32 pick_backend(const struct xlb_service* service, const struct xlb_flow_key* key,
                                          __u32 tried, __u32 now) {
  if (service->ring_len == 0) return 0;
  return pick_from(service->ring_off, service->ring_len, pick_slot(service, key), tried, now);
}

#endif
