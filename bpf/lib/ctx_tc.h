/* SPDX-License-Identifier: GPL-2.0-only */
/* The packet core's view of an skb at TC ingress: the twin of ctx_xdp.h. Every helper that moves or resizes the packet
 * invalidates packet pointers; callers take them again. */
#ifndef XLB_BPF_CTX_H
#define XLB_BPF_CTX_H

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "lib/wire.h"

#define CTX_IS_XDP 0
/* Not TC_ACT_OK: that would end classification and so hide the packet from other people's filters behind ours. */
#define CTX_PASS TC_ACT_UNSPEC
#define CTX_DROP TC_ACT_SHOT

typedef struct __sk_buff ctx_t;

static __always_inline void* ctx_data(const ctx_t* ctx) { return (void*)(long)ctx->data; }
static __always_inline void* ctx_data_end(const ctx_t* ctx) { return (void*)(long)ctx->data_end; }
static __always_inline __u32 ctx_length(const ctx_t* ctx) { return ctx->len; }
static __always_inline __u32 ctx_ifindex(const ctx_t* ctx) { return ctx->ifindex; }
static __always_inline __u32 ctx_gso_size(const ctx_t* ctx) { return ctx->gso_size; }

/* Headers may lie in page fragments: brings the first `length` bytes, or all there are, into the linear part. */
static __always_inline void ctx_make_linear(ctx_t* ctx, __u32 length) {
  if (length > ctx->len) length = ctx->len;
  if (ctx_data(ctx) + length > ctx_data_end(ctx)) bpf_skb_pull_data(ctx, length);
}

/* Room of XLB_VXLAN_HEADROOM bytes between Ethernet and IP header, the last 14 of them for the inner Ethernet header.
 * The flags tell GSO where the inner packet begins, so that a frame that GRO put together is cut again behind the
 * tunnel header. `fixed_gso`: keep the segment size (the segments fit the tunnel); 0: the kernel shrinks it by what was
 * added. */
static __always_inline long ctx_make_tunnel_room(ctx_t* ctx, __u64 fixed_gso) {
  return bpf_skb_adjust_room(ctx, XLB_VXLAN_HEADROOM, BPF_ADJ_ROOM_MAC,
                             BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |
                                 BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH |
                                 (fixed_gso ? BPF_F_ADJ_ROOM_FIXED_GSO : 0));
}

/* The segments inside keep their size: the outer header is not counted in it. */
static __always_inline long ctx_remove_tunnel(ctx_t* ctx) {
  return bpf_skb_adjust_room(ctx, -XLB_VXLAN_HEADROOM, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
}

/* Keeps the first `to` bytes of a frame of `from` bytes. */
static __always_inline long ctx_cut(ctx_t* ctx, __u32 from, __u32 to) {
  (void)from;
  return bpf_skb_change_tail(ctx, to, 0);
}

/* `room` bytes between the Ethernet header and what follows it. */
static __always_inline long ctx_make_icmp_room(ctx_t* ctx, __u32 room) {
  return bpf_skb_adjust_room(ctx, (int)room, BPF_ADJ_ROOM_MAC, 0);
}

/* Back to the sender: out of the device that it came in by, or, for one that the node itself was about to send, up into
 * the node. */
static __always_inline int ctx_send_back(ctx_t* ctx, __u32 hook) {
  return (int)bpf_redirect(ctx->ifindex, hook == XLB_HOOK_HOST ? BPF_F_INGRESS : 0);
}

/* Is the L4 checksum the pseudo header's alone, for the device to finish? Programs are not told; it is if it looks so
 * (once in 65536 packets it does by chance). */
static __always_inline int ctx_may_be_unfinished(__sum16 check, __u16 pseudo_header) { return check == pseudo_header; }

/* The skb may carry a partial checksum (pseudo header only) or a hardware sum over the packet; only the kernel's helper
 * knows which and mends both. Address changes count in the pseudo header, port changes do not. */
static __always_inline long ctx_fix_l4_checksum(ctx_t* ctx, __u32 offset, __u8 proto, __u32 address_diff,
                                                __u32 port_diff) {
  __u64 flags = proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
  if (address_diff != 0) {
    long error = bpf_l4_csum_replace(ctx, offset, 0, address_diff, BPF_F_PSEUDO_HDR | flags);
    if (error != 0) return error;
  }
  return port_diff != 0 ? bpf_l4_csum_replace(ctx, offset, 0, port_diff, flags) : 0;
}

#endif
