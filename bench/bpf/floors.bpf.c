// SPDX-License-Identifier: GPL-2.0-only
/* Floors: programs that do the least that can be called by a name, to be measured beside xlb's in the same run. They
 * say what the machine and the kernel's maps cost; none of them is a load balancer. */
#include "../program/control.h"
#include "net.h"

struct ct_key {
  __be32 saddr;
  __be32 daddr;
  __be16 sport;
  __be16 dport;
  __u8 proto;
  __u8 pad[3];
};

struct ct_value {
  __be32 saddr;
  __be32 daddr;
  __be16 sport;
  __be16 dport;
  __u8 dmac[ETH_ALEN];
  __u8 smac[ETH_ALEN];
  __be32 tunnel_src;
  __be32 tunnel_dst;
  __be32 vni;
  __u8 inner_dmac[ETH_ALEN];
  __u8 inner_smac[ETH_ALEN];
};
_Static_assert(sizeof(struct ct_key) == 16 && sizeof(struct ct_value) == 48, "as the published floors have it");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1024); /* set before loading */
  __type(key, struct ct_key);
  __type(value, struct ct_value);
} conntrack SEC(".maps");

__u64 misses; /* lookups that found nothing; a silent miss would be a fast hit */

struct parsed {
  struct ct_key key;
  __be32 ports;
};

/* Ethernet, IPv4 without options, TCP or UDP; no other check. */
static __always_inline int parse(struct xdp_md* ctx, struct parsed* packet) {
  void* data = (void*)(long)ctx->data;
  void* end = (void*)(long)ctx->data_end;
  struct ethhdr* eth = data;
  struct iphdr* ip = (void*)(eth + 1);
  struct tcphdr* tcp = (void*)(ip + 1);
  if ((void*)(tcp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5) return -1;
  if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP) return -1;
  packet->key.saddr = ip->saddr;
  packet->key.daddr = ip->daddr;
  packet->key.sport = tcp->source;
  packet->key.dport = tcp->dest;
  packet->key.proto = ip->protocol;
  return 0;
}

static __always_inline void set_macs(struct ethhdr* eth, const __u8* dmac, const __u8* smac) {
  __builtin_memcpy(eth->h_dest, dmac, ETH_ALEN);
  __builtin_memcpy(eth->h_source, smac, ETH_ALEN);
}

/* Addresses, ports, TTL and both checksums, updated as RFC 1624 has it. */
static __always_inline int nat(struct xdp_md* ctx, const struct ct_value* ct) {
  struct ethhdr* eth = (void*)(long)ctx->data;
  struct iphdr* ip = (void*)(eth + 1);
  struct tcphdr* tcp = (void*)(ip + 1);
  struct udphdr* udp = (void*)(ip + 1);
  if ((void*)(tcp + 1) > (void*)(long)ctx->data_end) return -1;
  __u64 addresses = word_diff(ip->saddr, ct->saddr) + word_diff(ip->daddr, ct->daddr);
  __u64 ports = word_diff(tcp->source, ct->sport) + word_diff(tcp->dest, ct->dport);
  ip->check = sum_fixed(ip->check, addresses + word_diff(bpf_htons(0x0100), 0));
  ip->ttl--;
  ip->saddr = ct->saddr;
  ip->daddr = ct->daddr;
  tcp->source = ct->sport;
  tcp->dest = ct->dport;
  if (ip->protocol == IPPROTO_TCP) {
    tcp->check = sum_fixed(tcp->check, addresses + ports);
  } else {
    udp->check = sum_fixed(udp->check, addresses + ports);
  }
  set_macs(eth, ct->dmac, ct->smac);
  return 0;
}

static __always_inline int encapsulate(struct xdp_md* ctx, const struct ct_value* ct) {
  if (bpf_xdp_adjust_head(ctx, -(int)(sizeof(struct outer) + ETH_HLEN)) != 0) return -1;
  struct ethhdr* eth = (void*)(long)ctx->data;
  struct outer* outer = (void*)(eth + 1);
  struct ethhdr* inner = (void*)(outer + 1);
  if ((void*)(inner + 1) > (void*)(long)ctx->data_end) return -1;
  __u16 length = (__u16)(ctx->data_end - ctx->data - ETH_HLEN);
  set_macs(eth, ct->dmac, ct->smac);
  eth->h_proto = bpf_htons(ETH_P_IP);
  outer->ip = (struct iphdr){.version = 4, .ihl = 5, .tot_len = bpf_htons(length), .ttl = 64, .protocol = IPPROTO_UDP};
  outer->ip.saddr = ct->tunnel_src;
  outer->ip.daddr = ct->tunnel_dst;
  __u64 sum = (__u64)0x0045 + outer->ip.tot_len + bpf_htons(64 << 8 | IPPROTO_UDP);
  outer->ip.check = sum_fixed(0xffff, sum + ct->tunnel_src + ct->tunnel_dst);
  outer->udp.source = ct->sport;
  outer->udp.dest = bpf_htons(4789);
  outer->udp.len = bpf_htons((__u16)(length - sizeof(struct iphdr)));
  outer->udp.check = 0;
  outer->vxlan.flags = bpf_htonl(0x08000000);
  outer->vxlan.vni = ct->vni;
  set_macs(inner, ct->inner_dmac, ct->inner_smac);
  inner->h_proto = bpf_htons(ETH_P_IP);
  return 0;
}

static __always_inline void fill(const struct ct_key* key, struct ct_value* ct) {
  *ct = (struct ct_value){.saddr = bpf_htonl(0x0a000002), .daddr = bpf_htonl(BENCH_TASKS), .sport = key->sport};
  ct->dport = key->dport;
  ct->tunnel_src = bpf_htonl(0xc0000201);
  ct->tunnel_dst = bpf_htonl(0xc0000214);
  ct->vni = bpf_htonl(4097 << 8);
  ct->dmac[0] = ct->smac[0] = ct->inner_dmac[0] = ct->inner_smac[0] = 2;
}

SEC("xdp")
int floor_empty(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_TX;
}

SEC("xdp")
int floor_parse(struct xdp_md* ctx) {
  struct parsed packet = {};
  if (parse(ctx, &packet) != 0) return XDP_PASS;
  struct ethhdr* eth = (void*)(long)ctx->data;
  if ((void*)(eth + 1) > (void*)(long)ctx->data_end) return XDP_PASS;
  __u8 mac[ETH_ALEN];
  __builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
  set_macs(eth, eth->h_source, mac);
  /* The key must not be optimized away: parsing is what this floor is for. */
  if (packet.key.saddr == 0 && packet.key.dport == 0) misses++;
  return XDP_TX;
}

static __always_inline int lru(struct xdp_md* ctx, int tunnel) {
  struct parsed packet = {};
  if (parse(ctx, &packet) != 0) return XDP_PASS;
  struct ct_value* ct = bpf_map_lookup_elem(&conntrack, &packet.key);
  if (ct == NULL) {
    misses++;
    return XDP_PASS;
  }
  if (nat(ctx, ct) != 0 || (tunnel && encapsulate(ctx, ct) != 0)) return XDP_DROP;
  return XDP_TX;
}

SEC("xdp")
int floor_lru_nat(struct xdp_md* ctx) { return lru(ctx, 0); }

SEC("xdp")
int floor_lru_vxlan(struct xdp_md* ctx) { return lru(ctx, 1); }

/* Fills the table for the two above: one entry a flow. */
SEC("xdp")
int floor_lru_fill(struct xdp_md* ctx) {
  struct parsed packet = {};
  struct ct_value fresh;
  if (parse(ctx, &packet) != 0) return XDP_PASS;
  fill(&packet.key, &fresh);
  return bpf_map_update_elem(&conntrack, &packet.key, &fresh, BPF_NOEXIST) == 0 ? XDP_TX : XDP_DROP;
}

/* A new flow: the miss, an entry for each direction, then as above. */
SEC("xdp")
int floor_lru_new(struct xdp_md* ctx) {
  struct parsed packet = {};
  struct ct_value fresh, back;
  if (parse(ctx, &packet) != 0) return XDP_PASS;
  if (bpf_map_lookup_elem(&conntrack, &packet.key) != NULL) return XDP_PASS;
  misses++;
  fill(&packet.key, &fresh);
  struct ct_key reply = {.saddr = fresh.daddr, .daddr = fresh.saddr, .sport = fresh.dport, .dport = fresh.sport};
  reply.proto = packet.key.proto;
  reply.saddr = packet.key.saddr; /* one task for all would let their ports collide */
  back = fresh;
  back.saddr = packet.key.daddr;
  back.daddr = packet.key.saddr;
  if (bpf_map_update_elem(&conntrack, &reply, &back, BPF_NOEXIST) != 0) return XDP_DROP;
  if (bpf_map_update_elem(&conntrack, &packet.key, &fresh, BPF_ANY) != 0) return XDP_DROP;
  if (nat(ctx, &fresh) != 0 || encapsulate(ctx, &fresh) != 0) return XDP_DROP;
  return XDP_TX;
}

SEC("tc")
int floor_tc_empty(struct __sk_buff* skb) {
  (void)skb;
  return 0;
}

char _license[] SEC("license") = "GPL";
