/* SPDX-License-Identifier: GPL-2.0-only */
/* A SYN says how large the segments are that its sender takes (RFC 9293 3.7.1). Both ends of a connection through the
 * tunnel go by the links that they know; the tunnel carries less. */
#ifndef XLB_BPF_MSS_H
#define XLB_BPF_MSS_H

#include "lib/nat.h"

#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2
#define TCP_OPTION_MSS_LENGTH 4
#define TCP_OPTIONS_MOST 40
#define TCP_OPTIONS_MASK 63 /* tells the verifier again, in each round, how far an option may lie */
#define TCP_OPTIONS_OFFSET (ETH_HLEN + (__u32)(sizeof(struct iphdr) + sizeof(struct tcphdr)))
#define MSS_HEADERS ((__u32)(sizeof(struct iphdr) + sizeof(struct tcphdr))) /* RFC 6691: without either's options */

/* 1, or 0 when x is 0; without a branch, and by a way that clang does not make one of. */
static __always_inline __u32 is_not_zero(__u32 x) {
  asm volatile("" : "+r"(x));
  return (x | -x) >> 31;
}

/* How far the next option is; 0: this one's length makes no sense. A branch here would be two ways on for the verifier
 * in each round of the loop below, more than Linux 6.1 can follow. */
static __always_inline __u32 option_step(const __u8* option) {
  __u32 has_length = is_not_zero(option[0] ^ TCP_OPTION_NOP);
  __u32 length = option[1] * is_not_zero(option[1] >> 1);
  return has_length * length + (has_length ^ 1);
}

/* Where the MSS option begins, counted from the first option; -1: there is none, or the options make no sense. */
static __always_inline int mss_find(const ctx_t* ctx, __u32 length) {
  __u32 at = 0;
  for (int i = 0; i < TCP_OPTIONS_MOST; i++) {
    const __u8* option = ctx_data(ctx) + TCP_OPTIONS_OFFSET + (at & TCP_OPTIONS_MASK);
    if (at + TCP_OPTION_MSS_LENGTH > length) return -1;
    if ((const void*)(option + TCP_OPTION_MSS_LENGTH) > ctx_data_end(ctx)) return -1;
    if (option[0] == TCP_OPTION_MSS) return option[1] == TCP_OPTION_MSS_LENGTH ? (int)at : -1;
    __u32 step = option_step(option);
    if (option[0] == TCP_OPTION_END || step == 0) return -1;
    at += step;
  }
  return -1;
}

/* Lowers the MSS in a SYN, which lies at the frame's start, to what the tunnel carries. A SYN without the option allows
 * 536 bytes, and stays so. 0 or a negative error. (A global function: see begin() in begin.h.) */
__noinline int mss_clamp(ctx_t* ctx, __u32 hook, const struct packet* packet) {
  const struct xlb_node* node = node_lookup();
  if (node == NULL || packet == NULL || node->tunnel_mtu <= MSS_HEADERS) return 0;
  __u32 length = (packet->l4_header_length - (__u32)sizeof(struct tcphdr)) & TCP_OPTIONS_MASK;
  ctx_make_linear(ctx, TCP_OPTIONS_OFFSET + TCP_OPTIONS_MOST);
  int at = mss_find(ctx, length);
  if (at < 0) return 0;
  __be16* mss = ctx_data(ctx) + TCP_OPTIONS_OFFSET + (at & TCP_OPTIONS_MASK) + 2;
  if ((void*)(mss + 1) > ctx_data_end(ctx)) return -1;
  __be16 from = *mss, to = bpf_htons((__u16)(node->tunnel_mtu - MSS_HEADERS));
  if (bpf_ntohs(from) <= bpf_ntohs(to)) return 0;
  *mss = to;
  count(hook, XLB_COUNT_MSS_CLAMPED, packet->frame_length);
  if (at & 1) { /* across two of the words that the checksum is made of: RFC 1071 lets us swap the bytes */
    from = __builtin_bswap16(from);
    to = __builtin_bswap16(to);
  }
  return (int)ctx_fix_l4_checksum(ctx, TCP_CHECK_OFFSET, IPPROTO_TCP, 0, (__u32)(__u16)~from + to);
}

#endif
