/* SPDX-License-Identifier: GPL-2.0-only */
/* The packet core's view of an XDP frame. ctx_tc.h has the same names for an skb; a program includes one of the two
 * first. */
#ifndef XLB_BPF_CTX_H
#define XLB_BPF_CTX_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "lib/wire.h"

#define CTX_IS_XDP 1
#define CTX_PASS XDP_PASS
#define CTX_DROP XDP_DROP

typedef struct xdp_md ctx_t;

static __always_inline void* ctx_data(const ctx_t* ctx) { return (void*)(long)ctx->data; }
static __always_inline void* ctx_data_end(const ctx_t* ctx) { return (void*)(long)ctx->data_end; }
static __always_inline __u32 ctx_length(const ctx_t* ctx) { return (__u32)(ctx->data_end - ctx->data); }
static __always_inline __u32 ctx_ifindex(const ctx_t* ctx) { return ctx->ingress_ifindex; }
static __always_inline void ctx_make_linear(ctx_t* ctx, __u32 length) { (void)ctx, (void)length; }
static __always_inline __u32 ctx_gso_size(const ctx_t* ctx) { return (void)ctx, 0; }

/* Room of XLB_VXLAN_HEADROOM bytes in front of the inner Ethernet header's place; 0 or a negative error, packet
 * unchanged. */
static __always_inline long ctx_make_tunnel_room(ctx_t* ctx, __u64 fixed_gso) {
  (void)fixed_gso;
  return bpf_xdp_adjust_head(ctx, -XLB_VXLAN_HEADROOM);
}

static __always_inline long ctx_remove_tunnel(ctx_t* ctx) { return bpf_xdp_adjust_head(ctx, XLB_VXLAN_HEADROOM); }

/* Keeps the first `to` bytes of a frame of `from` bytes. (The length must come as a number: taken from the packet
 * pointers here, clang subtracts them in a way that the verifier forbids.) */
static __always_inline long ctx_cut(ctx_t* ctx, __u32 from, __u32 to) {
  return bpf_xdp_adjust_tail(ctx, (int)to - (int)from);
}

/* `room` bytes between the Ethernet header, which moves to the front, and what follows it. */
static __always_inline long ctx_make_icmp_room(ctx_t* ctx, __u32 room) {
  if (bpf_xdp_adjust_head(ctx, -(int)room) != 0) return -1;
  __u8* to = ctx_data(ctx);
  if ((void*)(to + room + ETH_HLEN) > ctx_data_end(ctx)) return -1;
  __builtin_memcpy(to, to + room, ETH_HLEN);
  return 0;
}

static __always_inline int ctx_send_back(ctx_t* ctx, __u32 hook) { return (void)ctx, (void)hook, XDP_TX; }

/* Is the L4 checksum the pseudo header's alone, for the device to finish? No driver hands XDP such a frame. */
static __always_inline int ctx_may_be_unfinished(__sum16 check, __u16 pseudo_header) {
  return (void)check, (void)pseudo_header, 0;
}

/* Corrects the L4 checksum at `offset` for changed addresses and ports. An XDP frame's checksum is always a full one.
 */
static __always_inline long ctx_fix_l4_checksum(ctx_t* ctx, __u32 offset, __u8 proto, __u32 address_diff,
                                                __u32 port_diff) {
  void* data = ctx_data(ctx);
  __sum16* check = data + offset;
  if ((void*)(check + 1) > ctx_data_end(ctx)) return -1;
  if (proto == IPPROTO_UDP && *check == 0) return 0; /* RFC 768: the sender computed none */
  __sum16 fixed = csum_replace(*check, (__u64)address_diff + port_diff);
  /* RFC 768: a computed zero is sent as all ones. */
  *check = proto == IPPROTO_UDP && fixed == 0 ? (__sum16)0xffff : fixed;
  return 0;
}

#endif
