/* SPDX-License-Identifier: GPL-2.0-only */
/* The end of a TCP connection whose backend is gone: whoever still speaks in it is told so by a reset of ours. The
 * host's kernel would say the same of a segment passed up, but only where no rule of Docker's mesh takes it first. */
#ifndef XLB_BPF_RESET_H
#define XLB_BPF_RESET_H

#include "lib/nat.h"

#define RESET_TTL 64
#define RESET_LENGTH ((__u32)(sizeof(struct iphdr) + sizeof(struct tcphdr)))

/* Turns the headers of a segment into the answer that RFC 9293 3.10.7.1 has for it. */
static __always_inline void reset_write(struct iphdr* ip, struct tcphdr* tcp, const struct packet* packet) {
  __u32 said = (__u32)packet->ip_length - (__u32)sizeof(*ip) - packet->l4_header_length;
  if (packet->tcp_flags & TCP_SYN) said++;
  if (packet->tcp_flags & TCP_FIN) said++;
  int has_ack = packet->tcp_flags & TCP_ACK;
  __be32 seq = has_ack ? tcp->ack_seq : 0;
  __be32 ack_seq = has_ack ? 0 : bpf_htonl(bpf_ntohl(tcp->seq) + said);
  __u16 tcp_length = (__u16)(packet->ip_length - sizeof(*ip));
  int unfinished = ctx_may_be_unfinished(tcp->check, pseudo_header_sum(&packet->key, tcp_length));

  ip->tos = 0;
  ip->tot_len = bpf_htons((__u16)RESET_LENGTH);
  ip->id = 0;
  ip->frag_off = bpf_htons(IP_DONT_FRAGMENT);
  ip->ttl = RESET_TTL;
  ip->check = 0;
  ip->saddr = packet->key.daddr;
  ip->daddr = packet->key.saddr;
  ip->check = (__sum16)~ip_header_sum(ip);

  __be32* word = (__be32*)tcp;
  word[0] = ports_word(packet->key.dport, packet->key.sport);
  word[1] = seq;
  word[2] = ack_seq;
  word[3] = bpf_htonl((5u << 28) | ((TCP_RST | (has_ack ? 0u : TCP_ACK)) << 16)); /* length, flags, no window */
  word[4] = 0;
  __u64 sum = pseudo_header_sum(&packet->key, sizeof(*tcp));
  tcp->check = (__sum16)~csum_replace(0xffff, sum);
  if (unfinished) return;
  sum += (__u64)word[0] + word[1] + word[2] + word[3];
  tcp->check = csum_replace(0xffff, sum);
}

/* The outer headers of an answer inside the tunnel: back to the node that it came from. Between peers the inner
 * Ethernet header names the backend and the pair in both directions, and a flag says which one it is. */
static __always_inline void reset_write_outer(const struct packet* packet, struct tunnel_header* outer,
                                              struct ethhdr* inner) {
  __be32 sender = outer->ip.saddr;
  outer->ip.saddr = outer->ip.daddr;
  outer->ip.daddr = sender;
  outer->ip.tot_len = bpf_htons((__u16)(RESET_LENGTH + XLB_VXLAN_HEADROOM));
  outer->ip.tos = 0;
  outer->ip.frag_off = 0;
  outer->ip.ttl = RESET_TTL;
  outer->ip.check = 0;
  outer->ip.check = (__sum16)~ip_header_sum(&outer->ip);
  outer->udp.len = bpf_htons((__u16)(RESET_LENGTH + XLB_VXLAN_HEADROOM - sizeof(struct iphdr)));
  outer->udp.check = 0;
  if (is_of_peer(packet)) {
    outer->vxlan.vni = packet->vni ^ PEER_FLAG(XLB_TUNNEL_REPLY);
  } else {
    eth_turn_round(inner);
  }
}

/* Sends a reset back by the way that the segment, which is as it came, came. Never asked for a reset, and of a SYN only
 * with an ACK. (A global function: see begin() in begin.h.) */
__noinline int reset_answer(ctx_t* ctx, __u32 hook, const struct packet* packet) {
  if (packet == NULL) return CTX_DROP;
  count(hook, XLB_COUNT_ANSWER_RESET, packet->frame_length);
  int tunnelled = is_tunnelled(packet);
  __u32 offset = tunnelled ? (__u32)TUNNEL_LENGTH : ETH_HLEN;
  if (ctx_cut(ctx, packet->frame_length, offset + RESET_LENGTH) != 0) return drop(ctx, hook, XLB_DROP_REWRITE_FAILED);
  struct ethhdr* eth = ctx_data(ctx);
  struct iphdr* ip = ctx_data(ctx) + offset;
  struct tcphdr* tcp = (void*)(ip + 1);
  if ((void*)(tcp + 1) > ctx_data_end(ctx)) return drop(ctx, hook, XLB_DROP_REWRITE_FAILED);
  reset_write(ip, tcp, packet);
  eth_turn_round(eth);
  if (tunnelled) {
    struct tunnel_header* outer = (void*)(eth + 1);
    struct ethhdr* inner = (void*)(outer + 1);
    if ((void*)(inner + 1) > ctx_data_end(ctx)) return drop(ctx, hook, XLB_DROP_REWRITE_FAILED);
    reset_write_outer(packet, outer, inner);
  }
  return ctx_send_back(ctx, hook);
}

#endif
