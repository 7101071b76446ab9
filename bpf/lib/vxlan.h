/* SPDX-License-Identifier: GPL-2.0-only */
/* VXLAN (RFC 7348) as Swarm's overlay speaks it, put on and taken off in place. */
#ifndef XLB_BPF_VXLAN_H
#define XLB_BPF_VXLAN_H

#include "lib/nat.h"

#define VXLAN_TTL 64
#define VXLAN_SOURCE_PORT_MASK 0x3fff /* RFC 7348 5: source ports 49152 to 65535, chosen by the inner flow */
#define VXLAN_SOURCE_PORT_BASE 0xc000

static __always_inline __be16 vxlan_source_port(const struct xlb_flow* flow) {
  __u32 hash = flow->saddr ^ flow->daddr ^ ports_word(flow->sport, flow->dport);
  hash ^= hash >> 16;
  return bpf_htons((__u16)(VXLAN_SOURCE_PORT_BASE | (hash & VXLAN_SOURCE_PORT_MASK)));
}

/* The outer ID matters when a router on the way fragments (DF is off, as the kernel's vxlan device has it): packets of
 * one pair of nodes must not share one in quick succession, nor the fragments of one inner packet. */
static __always_inline __be16 vxlan_ip_id(const struct packet* packet, const struct xlb_flow* flow) {
  return packet->ip_id ^ flow->sport ^ bpf_htons(packet->fragment);
}

static __always_inline void vxlan_write_ip(struct iphdr* ip, const struct packet* packet, const struct xlb_flow* flow) {
  ip->version = 4;
  ip->ihl = 5;
  ip->tos = packet->tos; /* RFC 6040 4.1: DSCP and ECN are copied outside */
  ip->tot_len = bpf_htons((__u16)(packet->ip_length + XLB_VXLAN_HEADROOM));
  ip->id = vxlan_ip_id(packet, flow);
  ip->frag_off = 0;
  ip->ttl = VXLAN_TTL;
  ip->protocol = IPPROTO_UDP;
  ip->check = 0;
  ip->saddr = flow->tunnel_src;
  ip->daddr = flow->tunnel_dst;
  ip->check = (__sum16)~ip_header_sum(ip);
}

/* Wraps the rewritten packet at the frame's start. 0 or a negative error. */
static __always_inline long vxlan_encapsulate(ctx_t* ctx, const struct xlb_node* node, const struct packet* packet,
                                              const struct xlb_flow* flow) {
  __u32 gso_size = ctx_gso_size(ctx);
  __u32 segment = gso_size + (__u32)sizeof(struct iphdr) + packet->l4_header_length;
  __u64 fixed_gso = packet->key.proto == IPPROTO_UDP || segment <= node->tunnel_mtu;
  long error = ctx_make_tunnel_room(ctx, fixed_gso);
  if (error != 0) return error;
  struct tunnel_header* outer = ctx_data(ctx) + ETH_HLEN;
  struct ethhdr* inner = (void*)(outer + 1);
  if ((void*)(inner + 1) > ctx_data_end(ctx)) return -1;
  vxlan_write_ip(&outer->ip, packet, flow);
  outer->udp.source = vxlan_source_port(flow);
  outer->udp.dest = node->vxlan_port;
  outer->udp.len = bpf_htons((__u16)(packet->ip_length + XLB_VXLAN_HEADROOM - sizeof(struct iphdr)));
  outer->udp.check = 0; /* RFC 7348 4.1 asks for zero; the inner packet has its own */
  outer->vxlan.flags = bpf_htonl(VXLAN_FLAG_VNI);
  outer->vxlan.vni = flow->reply ? flow->vni | PEER_FLAG(XLB_TUNNEL_REPLY) : flow->vni;
  __builtin_memcpy(inner->h_dest, flow->inner_dmac, ETH_ALEN);
  __builtin_memcpy(inner->h_source, flow->inner_smac, ETH_ALEN);
  inner->h_proto = bpf_htons(ETH_P_IP);
  return 0;
}

/* RFC 6040 4.2: what the tunnel met is handed on to an inner packet that can say it: congestion, or ECT(1), which some
 * networks use for its onset. As the kernel does (INET_ECN_decapsulate). */
static __always_inline __u8 vxlan_inner_tos(const struct packet* packet) {
  __u8 inner = packet->tos & ECN_MASK;
  __u8 outer = packet->outer_tos & ECN_MASK;
  if (outer == ECN_CE && inner != 0) return packet->tos | ECN_CE;
  if (outer == ECN_ECT_1 && inner == ECN_ECT_0) return packet->tos ^ (ECN_ECT_0 | ECN_ECT_1);
  return packet->tos;
}

#endif
