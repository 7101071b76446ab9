// SPDX-License-Identifier: GPL-2.0-only
/* What a packet costs that XDP drops, or sends back at once; `drop` and `tunnel` also end packets at the generator. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VXLAN_PORT 4789
#define VXLAN_HEADER 8

SEC("drop")
int xdp_drop(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_DROP;
}

SEC("swap")
int xdp_swap(struct xdp_md* ctx) {
  struct ethhdr* eth = (void*)(long)ctx->data;
  if ((void*)(eth + 1) > (void*)(long)ctx->data_end) return XDP_DROP;
  __u8 mac[ETH_ALEN];
  __builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
  __builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
  __builtin_memcpy(eth->h_source, mac, ETH_ALEN);
  return XDP_TX;
}

/* Ends IPv4 in VXLAN. The rest (gossip, ARP, hellos of xlb) is what keeps the swarm together. */
SEC("tunnel")
int xdp_tunnel(struct xdp_md* ctx) {
  struct ethhdr* eth = (void*)(long)ctx->data;
  struct iphdr* ip = (void*)(eth + 1);
  struct udphdr* udp = (void*)(ip + 1);
  struct ethhdr* inner = (void*)(udp + 1) + VXLAN_HEADER;
  if ((void*)(inner + 1) > (void*)(long)ctx->data_end) return XDP_PASS;
  if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP) return XDP_PASS;
  return udp->dest == bpf_htons(VXLAN_PORT) && inner->h_proto == bpf_htons(ETH_P_IP) ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
