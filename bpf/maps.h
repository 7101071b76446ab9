/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps. All are pinned by name, so that every program, and the next xlbd, shares them. ARCHITECTURE.md has the
 * table of who writes and who reads each. */
#ifndef XLB_BPF_MAPS_H
#define XLB_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "xlb/abi.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct xlb_node);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} this_node SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, XLB_MAX_ADDRS);
  __type(key, __be32);
  __type(value, __u8);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} addrs SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct xlb_shortcuts);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} shortcuts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, XLB_MAX_UPLINKS);
  __type(key, __u32);
  __type(value, struct xlb_uplink);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} uplinks SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, XLB_MAX_SERVICES);
  __type(key, struct xlb_service_key);
  __type(value, struct xlb_service);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} services SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, XLB_MAX_SERVICES);
  __type(key, __u32);
  __type(value, struct xlb_service_state);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} service_state SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, XLB_MAX_BACKENDS);
  __type(key, __u32);
  __type(value, struct xlb_backend);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} backends SEC(".maps");

/* Backend ids; each service's slots lie together. Mapped by xlbd, so that writing a ring costs no system call a slot.
 */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, XLB_RING_SLOTS / 2);
  __type(key, __u32);
  __type(value, struct xlb_ring_pair);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, XLB_MAX_BACKENDS);
  __type(key, __u32);
  __type(value, struct xlb_backend_load);
  __uint(map_flags, BPF_F_MMAPABLE); /* xlbd sets one member of a value, the programs both */
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} backend_load SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, XLB_AFFINITY_ENTRIES);
  __type(key, struct xlb_affinity_key);
  __type(value, struct xlb_affinity);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} affinity SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, XLB_MAX_PEERS);
  __type(key, __be32);
  __type(value, struct xlb_peer);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} peers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, XLB_MAX_PEERS);
  __type(key, __be32);
  __type(value, struct xlb_peer_state);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} peer_states SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, XLB_MAX_BACKENDS);
  __type(key, struct xlb_delivery_key);
  __type(value, __u32);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} deliveries SEC(".maps");

/* Every flow: a table of our own (xlb/flow_table.h). Only lib/table.h touches it. Mapped by xlbd; and a mapped array
 * begins at a page, so that heads and flows lie on cache lines. xlbd sets the sizes before loading. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, XLB_FLOW_BUCKETS(XLB_DEFAULT_FLOWS));
  __type(key, __u32);
  __type(value, struct xlb_flow_head);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} flow_heads SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, XLB_FLOW_BUCKETS(XLB_DEFAULT_FLOWS) * XLB_FLOW_WAYS);
  __type(key, __u32);
  __type(value, struct xlb_flow);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, XLB_MAX_SOURCES);
  __type(key, struct xlb_source_key);
  __type(value, __u32); /* four of enum xlb_source_verdict, see abi.h */
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} sources SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, XLB_FRAGMENT_ENTRIES);
  __type(key, struct xlb_fragment_key);
  __type(value, struct xlb_fragment);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} fragments SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, XLB_HOOKS* XLB_COUNTERS);
  __type(key, __u32);
  __type(value, struct xlb_traffic);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} counters SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, XLB_HOOKS* XLB_DROP_REASONS);
  __type(key, __u32);
  __type(value, struct xlb_traffic);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} drops SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, XLB_MAX_SERVICES);
  __type(key, __u32);
  __type(value, struct xlb_stats);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} service_stats SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, XLB_MAX_BACKENDS);
  __type(key, __u32);
  __type(value, struct xlb_stats);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} backend_stats SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct xlb_new_flows);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} new_flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, XLB_NEXT_HOPS);
  __type(key, __u32);
  __type(value, struct xlb_next_hop);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} next_hops SEC(".maps");

#endif
