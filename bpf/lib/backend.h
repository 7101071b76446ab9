/* SPDX-License-Identifier: GPL-2.0-only */
/* A flow and its backend: whether the one still fits the other. */
#ifndef XLB_BPF_BACKEND_H
#define XLB_BPF_BACKEND_H

#include "lib/flow.h"
#include "lib/nexthop.h"

/* The way to a backend whose node runs xlb, in xlb's own VNI: 1, or 0 when there is none, or none any more. */
static __always_inline int peer_way(const struct xlb_backend* backend, struct xlb_tunnel* tunnel) {
  if (backend->kind != XLB_KIND_VXLAN || !(backend->flags & XLB_BACKEND_PEER)) return 0;
  __be32 address = backend->tunnel_dst;
  struct xlb_peer* peer = bpf_map_lookup_elem(&peers, &address);
  if (peer == NULL) return 0;
  tunnel->dst = address;
  tunnel->src = backend->tunnel_src;
  tunnel->vni = PEER_VNI_WORD;
  if (backend->flags & XLB_BACKEND_DIRECT) tunnel->vni |= PEER_FLAG(XLB_TUNNEL_DIRECT);
  __builtin_memcpy(tunnel->inner_dmac, backend->uid, XLB_UID_PREFIX);
  __builtin_memcpy(tunnel->inner_smac, peer->cookie, XLB_ETH_ALEN);
  return 1;
}

/* The way to a task on a node without xlb, in the ingress network. */
static __always_inline void vxlan_way(const struct xlb_backend* backend, struct xlb_tunnel* tunnel) {
  tunnel->dst = backend->tunnel_dst;
  tunnel->src = backend->tunnel_src;
  tunnel->vni = backend->vni;
  __builtin_memcpy(tunnel->inner_dmac, backend->dmac, XLB_ETH_ALEN);
  __builtin_memcpy(tunnel->inner_smac, backend->smac, XLB_ETH_ALEN);
}

/* Does the flow's backend still stand as the flow knows it? Asked when the node's epoch moved. What is part of the
 * flow's keys may not change; `tunnel` becomes the one to take from now on. */
static __always_inline int flow_fits_backend(const struct xlb_flow* flow, struct xlb_tunnel* tunnel) {
  __u32 id = flow->backend;
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, &id);
  *tunnel = flow->tunnel;
  if (backend == NULL || backend->generation != flow->generation) return 0;
  if (backend->state != XLB_BACKEND_ACTIVE && backend->state != XLB_BACKEND_DRAINING) return 0;
  if (flow->kind == XLB_KIND_PEER) return peer_way(backend, tunnel);
  if (backend->kind != flow->kind) return 0;
  if (backend->addr != flow->key[1].saddr) return 0;
  if (backend->snat_addr != 0 && backend->snat_addr != flow->key[1].daddr) return 0;
  if (flow->kind == XLB_KIND_VXLAN) vxlan_way(backend, tunnel);
  return 1;
}

/* The flow takes another tunnel, or another end of it. If somebody else writes it at this moment, that is as good. */
static __always_inline void flow_set_tunnel(struct xlb_flow* flow, __u64 life, const struct xlb_tunnel* tunnel) {
  if (!xlb_pin(flow, life)) return;
  flow->tunnel = *tunnel;
  xlb_unpin(flow);
}

static __always_inline int flow_drains(const struct xlb_flow* flow) {
  __u32 id = flow->backend;
  struct xlb_backend* backend = bpf_map_lookup_elem(&backends, &id);
  return backend != NULL && backend->state == XLB_BACKEND_DRAINING;
}

#endif
