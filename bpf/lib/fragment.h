/* SPDX-License-Identifier: GPL-2.0-only */
/* Fragments (RFC 791 3.2). Only a datagram's first one has ports; they are remembered for the others, which then go the
 * same way with nothing but their IP header rewritten. A fragment that comes before the first passes up. */
#ifndef XLB_BPF_FRAGMENT_H
#define XLB_BPF_FRAGMENT_H

#include "lib/nat.h"

#define FRAGMENT_TICKS 15      /* RFC 791 3.2: reassembly gives up after 15 seconds, and IDs come again */
#define FRAGMENT_LEAST_MTU 68  /* RFC 791 3.2: every link takes as much */
#define FRAGMENT_MOST_CUT 4000 /* a multiple of 8; bpf_skb_adjust_room takes off no more than 4095 */

static __always_inline void fragment_key(const struct packet* packet, struct xlb_fragment_key* key) {
  key->saddr = packet->key.saddr;
  key->daddr = packet->key.daddr;
  key->id = packet->ip_id;
  key->proto = packet->key.proto;
  key->zone = packet->key.zone;
}

/* The ports of a datagram of ours, of which this is the first fragment, or will be when it is cut. */
__noinline int fragment_remember(const struct packet* packet, __u32 now) {
  if (packet == NULL) return 0;
  struct xlb_fragment_key key;
  fragment_key(packet, &key);
  struct xlb_fragment fragment = {.sport = packet->key.sport, .dport = packet->key.dport, .seen = now};
  bpf_map_update_elem(&fragments, &key, &fragment, BPF_ANY);
  return 0;
}

/* A first fragment that is not for us: an earlier datagram of ours with the same ID must not take its others along. */
__noinline int fragment_forget(const struct packet* packet) {
  if (packet == NULL) return 0;
  struct xlb_fragment_key key;
  fragment_key(packet, &key);
  bpf_map_delete_elem(&fragments, &key);
  return 0;
}

/* Gives a later fragment its datagram's ports: 1, or 0 when they are not known. */
__noinline int fragment_find(struct packet* packet, __u32 now) {
  if (packet == NULL) return 0;
  struct xlb_fragment_key key;
  fragment_key(packet, &key);
  struct xlb_fragment* fragment = bpf_map_lookup_elem(&fragments, &key);
  if (fragment == NULL || now - fragment->seen > FRAGMENT_TICKS) return 0;
  packet->key.sport = fragment->sport;
  packet->key.dport = fragment->dport;
  return 1;
}

#if !CTX_IS_XDP
/* What tells the second part, on its way through the same program again, from a packet that came so. Any other mark is
 * somebody else's. */
#define FRAGMENT_SPLIT_MARK 0x786c6266
#define FRAGMENT_UNFINISHED 1

/* Bytes of payload in the first part of what is cut to fit `mtu`. */
static __always_inline __u32 fragment_cut(__u32 mtu) {
  __u32 cut = (mtu - (__u32)sizeof(struct iphdr)) & ~7u;
  return cut < FRAGMENT_MOST_CUT ? cut : FRAGMENT_MOST_CUT;
}

static __always_inline void fragment_write(struct iphdr* ip, __u32 length, __u16 bits) {
  ip->tot_len = bpf_htons((__u16)length);
  ip->frag_off = bpf_htons(bits);
  ip->check = 0;
  ip->check = (__sum16)~ip_header_sum(ip);
}

/* Does the L4 checksum, which then is the whole datagram's, still have to be finished by a device? */
static __always_inline int fragment_is_unfinished(ctx_t* ctx, const struct packet* packet) {
  __sum16* check = ctx_data(ctx) + (packet->key.proto == IPPROTO_TCP ? TCP_CHECK_OFFSET : UDP_CHECK_OFFSET);
  if ((void*)(check + 1) > ctx_data_end(ctx)) return 1;
  return ctx_may_be_unfinished(*check,
                               pseudo_header_sum(&packet->key, (__u16)(packet->ip_length - sizeof(struct iphdr))));
}

/* Cuts a packet, which is as it came, to the first part of two. The whole of it is sent once more into the device that
 * it came by, marked, and becomes the second part there. 0; FRAGMENT_UNFINISHED, with nothing changed, for one that
 * cannot be cut; or a negative error. */
__noinline int fragment_split(ctx_t* ctx, struct packet* packet, __u32 mtu) {
  if (packet == NULL) return -1;
  if (!is_fragment(packet) && fragment_is_unfinished(ctx, packet)) return FRAGMENT_UNFINISHED;
  __u32 mark = ctx->mark;
  ctx->mark = FRAGMENT_SPLIT_MARK;
  long error = bpf_clone_redirect(ctx, ctx->ifindex, BPF_F_INGRESS);
  ctx->mark = mark;
  __u32 length = (__u32)sizeof(struct iphdr) + fragment_cut(mtu);
  if (error == 0) error = bpf_skb_change_tail(ctx, ETH_HLEN + length, 0);
  if (error != 0) return -1;
  struct iphdr* ip = ctx_data(ctx) + ETH_HLEN;
  if ((void*)(ip + 1) > ctx_data_end(ctx)) return -1;
  packet->ip_length = (__u16)length;
  packet->frame_length = ETH_HLEN + length;
  packet->fragment |= IP_MORE_FRAGMENTS;
  fragment_write(ip, length, packet->fragment);
  return 0;
}

/* Makes the marked copy the second part: a later fragment like any other. 0 or a negative error. */
__noinline int fragment_second(ctx_t* ctx) {
  const struct xlb_node* node = node_lookup();
  if (node == NULL) return -1;
  ctx->mark = 0;
  __u32 cut = fragment_cut(node->tunnel_mtu);
  ctx_make_linear(ctx, ETH_HLEN + sizeof(struct iphdr));
  struct iphdr* ip = ctx_data(ctx) + ETH_HLEN;
  if ((void*)(ip + 1) > ctx_data_end(ctx)) return -1;
  __u32 length = bpf_ntohs(ip->tot_len);
  __u16 bits = bpf_ntohs(ip->frag_off);
  if (length <= sizeof(*ip) + cut) return -1;
  if (bpf_skb_adjust_room(ctx, -(int)cut, BPF_ADJ_ROOM_NET, 0) != 0) return -1;
  ip = ctx_data(ctx) + ETH_HLEN;
  if ((void*)(ip + 1) > ctx_data_end(ctx)) return -1;
  fragment_write(ip, length - cut, (__u16)(bits + cut / 8));
  return 0;
}
#endif

#endif
