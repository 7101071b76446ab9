/* SPDX-License-Identifier: GPL-2.0-only */
/* A flow and its backend: whether the one still fits the other. */
#ifndef XLB_BPF_BACKEND_H
#define XLB_BPF_BACKEND_H

#include "lib/flow.h"
#include "lib/nexthop.h"

/* The way to a backend whose node runs xlb, in xlb's own VNI: 1, or 0 when there is none, or none any more. */
static __always_inline int peer_way(const struct xlb_backend* backend, struct xlb_flow* flow) {
  if (backend->kind != XLB_KIND_VXLAN || !(backend->flags & XLB_BACKEND_PEER)) return 0;
  __be32 address = backend->tunnel_dst;
  struct xlb_peer* peer = bpf_map_lookup_elem(&peers, &address);
  if (peer == NULL) return 0;
  flow->tunnel_dst = address;
  flow->tunnel_src = backend->tunnel_src;
  flow->vni = PEER_VNI_WORD;
  if (backend->flags & XLB_BACKEND_DIRECT) flow->vni |= PEER_FLAG(XLB_TUNNEL_DIRECT);
  __builtin_memcpy(flow->inner_dmac, backend->uid, XLB_UID_PREFIX);
  __builtin_memcpy(flow->inner_smac, peer->cookie, XLB_ETH_ALEN);
  return 1;
}

/* Does the flow's backend still stand as the flow knows it? Asked when the node's epoch moved. What may change under a
 * living flow (veth, tunnel end, MAC addresses) is taken over; what is part of its tuples may not change. */
static __always_inline int flow_takes_backend(const struct xlb_flow_key* key, struct xlb_flow* flow) {
  __u32 id = flow->backend;
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, &id);
  if (backend == NULL || backend->generation != flow->generation) return 0;
  if (backend->state != XLB_BACKEND_ACTIVE && backend->state != XLB_BACKEND_DRAINING) return 0;
  if (flow->kind == XLB_KIND_PEER) return peer_way(backend, flow);
  if (backend->kind != flow->kind) return 0;
  __be32 sends_to = flow->reply ? key->saddr : flow->daddr;
  __be32 sent_from = flow->reply ? key->daddr : flow->saddr;
  if (backend->addr != sends_to || (backend->snat_addr != 0 && backend->snat_addr != sent_from)) return 0;
  if (flow->kind == XLB_KIND_VXLAN) {
    flow->tunnel_dst = backend->tunnel_dst;
    flow->tunnel_src = backend->tunnel_src;
    flow->vni = backend->vni;
    __builtin_memcpy(flow->inner_dmac, backend->dmac, XLB_ETH_ALEN);
    __builtin_memcpy(flow->inner_smac, backend->smac, XLB_ETH_ALEN);
  }
  if (flow->kind == XLB_KIND_LOCAL && !flow->reply) hop_of_local(flow, backend);
  return 1;
}

static __always_inline int flow_drains(const struct xlb_flow* flow) {
  __u32 id = flow->backend;
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, &id);
  return backend != NULL && backend->state == XLB_BACKEND_DRAINING;
}

#endif
