/* SPDX-License-Identifier: GPL-2.0-only */
/* VXLAN (RFC 7348) as Swarm's overlay speaks it, put on and taken off in place. */
#ifndef XLB_BPF_VXLAN_H
#define XLB_BPF_VXLAN_H

#include "lib/nat.h"

#define VXLAN_TTL 64
#define VXLAN_SOURCE_PORT_MASK 0x3fff /* RFC 7348 5: source ports 49152 to 65535, chosen by the inner flow */
#define VXLAN_SOURCE_PORT_BASE 0xc000

static __always_inline __be16 vxlan_source_port(const struct xlb_flow_key* away) {
  __u32 hash = away->saddr ^ away->daddr ^ ports_word(away->dport, away->sport);
  hash ^= hash >> 16;
  return bpf_htons((__u16)(VXLAN_SOURCE_PORT_BASE | (hash & VXLAN_SOURCE_PORT_MASK)));
}

/* The outer ID matters when a router on the way fragments (DF is off, as the kernel's vxlan device has it): packets of
 * one pair of nodes must not share one in quick succession, nor the fragments of one inner packet. */
static __always_inline __be16 vxlan_ip_id(__be16 inner_id, __u16 inner_fragment, const struct xlb_flow_key* away) {
  return inner_id ^ away->dport ^ bpf_htons(inner_fragment);
}

/* What the outer headers say of the packet inside. */
struct inside {
  __u32 ip_length;
  __u32 tos; /* RFC 6040 4.1: DSCP and ECN are copied outside */
  __be16 outer_id;
};

/* Word by word, in the order of the wire; the sum is made of what is at hand, not read back. */
static __always_inline void vxlan_write_ip(struct iphdr* ip, struct inside inside, const struct xlb_tunnel* tunnel) {
  __u32 first = bpf_htonl(0x45000000 | inside.tos << 16 | (__u16)(inside.ip_length + XLB_VXLAN_HEADROOM));
  __u32 second = bpf_htonl((__u32)bpf_ntohs(inside.outer_id) << 16);
  __u32 third = bpf_htonl(VXLAN_TTL << 24 | IPPROTO_UDP << 16);
  __u64 sum = (__u64)first + second + third + tunnel->src + tunnel->dst;
  __u32* word = (__u32*)ip;
  word[0] = first;
  word[1] = second;
  word[2] = third | bpf_htonl(bpf_ntohs((__u16)csum_replace(0xffff, sum)));
  word[3] = tunnel->src;
  word[4] = tunnel->dst;
}

/* The headers in the room that was made for them in front of a packet of the flow's direction `reply`. 0 or a negative
 * error. */
static __always_inline long vxlan_write(ctx_t* ctx, const struct xlb_node* node, struct inside inside,
                                        const struct xlb_flow* flow, __u8 reply) {
  struct tunnel_header* outer = ctx_data(ctx) + ETH_HLEN;
  struct ethhdr* inner = (void*)(outer + 1);
  if ((void*)(inner + 1) > ctx_data_end(ctx)) return -1;
  const struct xlb_tunnel* tunnel = &flow->tunnel;
  vxlan_write_ip(&outer->ip, inside, tunnel);
  outer->udp.source = vxlan_source_port(flow_away(flow, reply));
  outer->udp.dest = node->vxlan_port;
  outer->udp.len = bpf_htons((__u16)(inside.ip_length + XLB_VXLAN_HEADROOM - sizeof(struct iphdr)));
  outer->udp.check = 0; /* RFC 7348 4.1 asks for zero; the inner packet has its own */
  outer->vxlan.flags = bpf_htonl(VXLAN_FLAG_VNI);
  outer->vxlan.vni = reply ? tunnel->vni | PEER_FLAG(XLB_TUNNEL_REPLY) : tunnel->vni;
  eth_write(inner, tunnel->inner_dmac, tunnel->inner_smac);
  return 0;
}

/* Wraps the rewritten packet, of the flow's direction `reply`, at the frame's start. 0 or a negative error. */
static __always_inline long vxlan_encapsulate(ctx_t* ctx, const struct xlb_node* node, const struct packet* packet,
                                              const struct xlb_flow* flow, __u8 reply) {
  __u32 gso_size = ctx_gso_size(ctx);
  __u32 segment = gso_size + (__u32)sizeof(struct iphdr) + packet->l4_header_length;
  __u64 fixed_gso = packet->key.proto == IPPROTO_UDP || segment <= node->tunnel_mtu;
  long error = ctx_make_tunnel_room(ctx, fixed_gso);
  if (error != 0) return error;
  struct inside inside = {.ip_length = packet->ip_length, .tos = packet->tos};
  inside.outer_id = vxlan_ip_id(packet->ip_id, packet->fragment, flow_away(flow, reply));
  return vxlan_write(ctx, node, inside, flow, reply);
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
