// SPDX-License-Identifier: GPL-2.0-only
/* What a packet costs that XDP drops, or sends back at once; `drop` also ends packets at the generator. */
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_helpers.h>

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

char _license[] SEC("license") = "GPL";
