/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs saw of each backend: how many flows live on it, and that it refused one. */
#ifndef XLB_BPF_LOAD_H
#define XLB_BPF_LOAD_H

#include "maps.h"

/* For how many ticks new flows go elsewhere, if there is an elsewhere, after a backend refused one: until Docker has
 * said what became of the task. */
#define LOAD_AVOID_TICKS 3

static __always_inline struct xlb_backend_load* load_of(__u32 backend) {
  return bpf_map_lookup_elem(&backend_load, &backend);
}

/* A flow begins or ends. What comes by a peer was chosen there and counts there:
 * else tasks here would look busier than others to the node that compares them. */
static __always_inline void load_count(const struct xlb_flow* flow, __u32 change) {
  if (flow->kind == XLB_KIND_LOCAL && flow->tunnel.vni != 0) return;
  if (flow->backend == 0) return; /* a mark of Docker's */
  struct xlb_backend_load* load = load_of(flow->backend);
  if (load != NULL) __sync_fetch_and_add(&load->live, change);
}
#define LOAD_FLOW_BEGINS 1u
#define LOAD_FLOW_ENDS (~0u) /* minus one */

static __always_inline void load_refused(__u32 backend, __u32 now) {
  struct xlb_backend_load* load = load_of(backend);
  if (load != NULL) load->avoided = (now + LOAD_AVOID_TICKS) | 1; /* never 0, which says that it refused nothing */
}

static __always_inline int load_is_avoided(__u32 backend, __u32 now) {
  struct xlb_backend_load* load = load_of(backend);
  return load != NULL && load->avoided != 0 && (__s32)(load->avoided - now) > 0;
}

/* Flows that live on a backend. An end that was counted twice may leave less than none until the sweep has set it
 * right.
 */
static __always_inline __u64 load_live(__u32 backend) {
  struct xlb_backend_load* load = load_of(backend);
  return load == NULL || (__s32)load->live < 0 ? 0 : load->live;
}

#endif
