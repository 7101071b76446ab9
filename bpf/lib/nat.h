/* SPDX-License-Identifier: GPL-2.0-only */
/* Rewriting of addresses and ports, and putting the tunnel header on and off. From here on a packet is either sent or
 * dropped: it must not go up the stack half done. */
#ifndef XLB_BPF_NAT_H
#define XLB_BPF_NAT_H

#include "lib/flow.h"

#define TCP_CHECK_OFFSET (ETH_HLEN + sizeof(struct iphdr) + __builtin_offsetof(struct tcphdr, check))
#define UDP_CHECK_OFFSET (ETH_HLEN + sizeof(struct iphdr) + __builtin_offsetof(struct udphdr, check))

static __always_inline long nat_rewrite_l4(ctx_t* ctx, const struct xlb_flow_key* key, const struct xlb_flow_key* away,
                                           __u32 address_diff) {
  __u64 ports = csum_word_diff(ports_word(key->sport, key->dport), ports_word(away->dport, away->sport));
  __u32 port_diff = ports_word(key->sport, key->dport) == ports_word(away->dport, away->sport) ? 0 : csum_fold32(ports);
  __u32 offset = key->proto == IPPROTO_TCP ? TCP_CHECK_OFFSET : UDP_CHECK_OFFSET;
  long error = ctx_fix_l4_checksum(ctx, offset, key->proto, address_diff, port_diff);
  if (error != 0) return error;
  struct l4_ports* l4 = ctx_data(ctx) + ETH_HLEN + sizeof(struct iphdr);
  if ((void*)(l4 + 1) > ctx_data_end(ctx)) return -1;
  l4->source = away->dport;
  l4->destination = away->sport;
  return 0;
}

/* Gives the packet, which lies at the frame's start, the addresses and ports of the other direction's key `away`,
 * turned round, takes one off the TTL as a router must (RFC 1812 5.3.1), and writes `tos`. 0 or a negative error. */
static __always_inline long nat_rewrite(ctx_t* ctx, const struct packet* packet, const struct xlb_flow_key* away,
                                        __u8 tos) {
  const struct xlb_flow_key* key = &packet->key;
  __u64 addresses = csum_word_diff(key->saddr, away->daddr) + csum_word_diff(key->daddr, away->saddr);
  if (!is_later(packet)) {
    long error = nat_rewrite_l4(ctx, key, away, csum_fold32(addresses));
    if (error != 0) return error;
  }
  struct iphdr* ip = ctx_data(ctx) + ETH_HLEN;
  if ((void*)(ip + 1) > ctx_data_end(ctx)) return -1;
  __u64 diff = addresses;
  diff += (__u16)~bpf_htons((__u16)(ip->ttl << 8)) + (__u64)bpf_htons((__u16)((ip->ttl - 1) << 8));
  diff += (__u16)~bpf_htons(ip->tos) + (__u64)bpf_htons(tos);
  ip->check = csum_replace(ip->check, diff);
  ip->ttl--;
  ip->tos = tos;
  ip->saddr = away->daddr;
  ip->daddr = away->saddr;
  return 0;
}

static __always_inline long nat_set_macs(ctx_t* ctx, const __u8* dmac, const __u8* smac) {
  struct ethhdr* eth = ctx_data(ctx);
  if ((void*)(eth + 1) > ctx_data_end(ctx)) return -1;
  eth_write(eth, dmac, smac);
  return 0;
}

#endif
