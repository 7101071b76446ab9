// SPDX-License-Identifier: GPL-2.0-only
/* Stands before the measured program in the kernel's live-frames mode. The kernel writes a page's packet only once and
 * then gives the page again as the program before left it, so this one writes every packet's headers anew (the next
 * client's, where each packet is to be a new flow) and goes on by a tail call. What it costs shows when the program
 * behind it only drops. */
#include <stddef.h>

#include "../bpf/net.h"

#define FRAME_LENGTH 60 /* what pktgen sends, too */
#define WRITTEN 7       /* words of eight bytes: the headers, and some of the payload, which nobody changes */

struct frames_control {
  __u32 step; /* 1: each packet has the next client */
  __u32 packets;
  __u64 frame[(FRAME_LENGTH + 7) / 8]; /* the first packet */
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct frames_control);
} control SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} target SEC(".maps");

SEC("xdp")
int frames(struct xdp_md* ctx) {
  __u32 zero = 0;
  struct frames_control* self = bpf_map_lookup_elem(&control, &zero);
  __u64* to = (void*)(long)ctx->data;
  if (self == NULL || (void*)to + FRAME_LENGTH > (void*)(long)ctx->data_end) return XDP_ABORTED;
#pragma unroll
  for (int i = 0; i < WRITTEN; i++) to[i] = self->frame[i];
  struct iphdr* ip = (void*)to + ETH_HLEN;
  __be32 client = bpf_htonl(bpf_ntohl(ip->saddr) + self->step * self->packets++);
  ip->check = sum_fixed(ip->check, word_diff(ip->saddr, client));
  ip->saddr = client;
  bpf_tail_call_static(ctx, &target, 0);
  return XDP_ABORTED;
}

char _license[] SEC("license") = "GPL";
