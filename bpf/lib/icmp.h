/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers to packets that cannot go on: what a router says (RFC 792, RFC 1191). Passed up instead, such a packet of a
 * living connection would be reset by the host, which knows nothing of it. */
#ifndef XLB_BPF_ICMP_H
#define XLB_BPF_ICMP_H

#include "lib/count.h"
#include "lib/parse.h"

#define ICMP_TYPE_UNREACHABLE 3
#define ICMP_CODE_FRAGMENTATION_NEEDED 4
#define ICMP_TYPE_TIME_EXCEEDED 11
#define ICMP_TTL 64

struct icmp_error_header {
  __u8 type;
  __u8 code;
  __sum16 check;
  __be16 unused;
  __be16 mtu; /* RFC 1191; 0 in other errors */
};

struct icmp_front {
  struct iphdr ip;
  struct icmp_error_header icmp;
};
#define ICMP_FRONT_LENGTH ((__u32)sizeof(struct icmp_front))

/* How much of the packet is quoted: its IP header and the L4 header without options. RFC 792 asks for 8 bytes of it; a
 * skb whose checksum is still to be filled in cannot be cut in front of that field. */
#define ICMP_QUOTED_TCP (sizeof(struct iphdr) + sizeof(struct tcphdr))
#define ICMP_QUOTED_UDP (sizeof(struct iphdr) + sizeof(struct udphdr))

static __always_inline __u32 icmp_quoted(const struct packet* packet) {
  return packet->key.proto == IPPROTO_TCP ? ICMP_QUOTED_TCP : ICMP_QUOTED_UDP;
}

/* The one's complement of the sum over the ICMP header and the `quoted` bytes behind it. */
static __always_inline __sum16 icmp_checksum(const void* icmp, const void* end, __u32 quoted) {
  const __u16* word = icmp;
  __u64 sum = 0;
  __u32 words = (__u32)(sizeof(struct icmp_error_header) + quoted) / 2;
  for (__u32 i = 0; i < (sizeof(struct icmp_error_header) + ICMP_QUOTED_TCP) / 2; i++) {
    if (i >= words || (const void*)(word + i + 1) > end) break;
    sum += word[i];
  }
  return csum_replace(0xffff, sum);
}

static __always_inline long icmp_write(ctx_t* ctx, const struct packet* packet, __u8 type, __u8 code, __u16 mtu) {
  struct ethhdr* eth = ctx_data(ctx);
  struct icmp_front* front = (void*)(eth + 1);
  if ((void*)(front + 1) > ctx_data_end(ctx)) return -1;
  __u32 quoted = icmp_quoted(packet);
  __builtin_memset(front, 0, sizeof(*front));
  front->ip.version = 4;
  front->ip.ihl = 5;
  front->ip.tot_len = bpf_htons((__u16)(ICMP_FRONT_LENGTH + quoted));
  front->ip.ttl = ICMP_TTL;
  front->ip.protocol = IPPROTO_ICMP;
  front->ip.saddr = packet->key.daddr;
  front->ip.daddr = packet->key.saddr;
  front->ip.check = (__sum16)~ip_header_sum(&front->ip);
  front->icmp.type = type;
  front->icmp.code = code;
  front->icmp.mtu = bpf_htons(mtu);
  front->icmp.check = icmp_checksum(&front->icmp, ctx_data_end(ctx), quoted);
  eth_turn_round(eth);
  return 0;
}

/* Turns the packet, which is as it came, into the error and sends it back by the way it came. */
static __always_inline int icmp_answer(ctx_t* ctx, __u32 hook, const struct packet* packet, __u8 type, __u8 code,
                                       __u16 mtu, __u32 counter) {
  count(hook, counter, packet->frame_length);
  long error = ctx_cut(ctx, packet->frame_length, ETH_HLEN + icmp_quoted(packet));
  if (error == 0) error = ctx_make_icmp_room(ctx, ICMP_FRONT_LENGTH);
  if (error == 0) error = icmp_write(ctx, packet, type, code, mtu);
  if (error != 0) return drop(ctx, hook, XLB_DROP_REWRITE_FAILED);
  return ctx_send_back(ctx, hook);
}

static __always_inline int icmp_too_big(ctx_t* ctx, __u32 hook, const struct packet* packet, __u16 mtu) {
  return icmp_answer(ctx, hook, packet, ICMP_TYPE_UNREACHABLE, ICMP_CODE_FRAGMENTATION_NEEDED, mtu,
                     XLB_COUNT_ANSWER_TOO_BIG);
}

/* Only a packet of an uplink, outside a tunnel, or of the node itself has a sender that an answer reaches; and of a
 * datagram's fragments, only the first is answered (RFC 1122 3.2.2). */
static __always_inline int icmp_ttl_exceeded(ctx_t* ctx, __u32 hook, const struct packet* packet) {
  int reaches = !is_tunnelled(packet) && (packet->key.zone == XLB_ZONE_UPLINK || packet->key.zone == XLB_ZONE_HOST);
  if (!reaches || is_later(packet)) return drop(ctx, hook, XLB_DROP_TTL);
  return icmp_answer(ctx, hook, packet, ICMP_TYPE_TIME_EXCEEDED, 0, 0, XLB_COUNT_ANSWER_TTL);
}

#endif
