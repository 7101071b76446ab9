/* SPDX-License-Identifier: GPL-2.0-only */
/* Which service a packet is for, and which of its backends a new flow goes to. */
#ifndef XLB_BPF_PICK_H
#define XLB_BPF_PICK_H

#include "maps.h"

/* A service at the packet's very address, else one on every address of this node. That an address is this node's is
 * asked last: most packets that pass through are for no service at all. */
static __always_inline struct xlb_service* service_lookup(const struct xlb_flow_key* key) {
  struct xlb_service_key at = {.addr = key->daddr, .port = key->dport, .proto = key->proto};
  struct xlb_service* service = bpf_map_lookup_elem(&services, &at);
  /* 0.0.0.0 as a destination would find the wildcard by its very key, and it is not this node's address. */
  if (service != NULL && key->daddr != 0) return service;
  at.addr = 0;
  service = bpf_map_lookup_elem(&services, &at);
  if (service == NULL || bpf_map_lookup_elem(&addrs, &key->daddr) == NULL) return NULL;
  return service;
}

/* The same on every node for the same client and service port, whatever address of the swarm the client chose. */
static __always_inline __u32 flow_hash(const struct xlb_flow_key* key) {
  __u64 ports = ((__u64)key->proto << 32) | ((__u64)key->sport << 16) | key->dport;
  return (__u32)(mix64(mix64(key->saddr) + ports) >> 32);
}

/* The backend's id for a new flow; 0 when the service has none. */
static __always_inline __u32 pick_backend(const struct xlb_service* service, const struct xlb_flow_key* key) {
  __u32 length = service->ring_len;
  if (length == 0) return 0;
  __u32 slot;
  if (service->pick == XLB_PICK_HASH) {
    slot = (__u32)(((__u64)flow_hash(key) * length) >> 32);
  } else {
    __u32 id = service->id;
    struct xlb_service_state* state = bpf_map_lookup_elem(&service_state, &id);
    if (state == NULL) return 0;
    /* One counter for all CPUs, so that backends really take turns; only new flows touch it. */
    slot = (__u32)(__sync_fetch_and_add(&state->turn, 1) % length);
  }
  slot += service->ring_off;
  __u32 index = slot / 2;
  struct xlb_ring_pair* pair = bpf_map_lookup_elem(&ring, &index);
  return pair != NULL ? pair->backend[slot % 2] : 0;
}

#endif
