/* SPDX-License-Identifier: GPL-2.0-only */
/* Headers and sums for the wrapper and the floors: on purpose not those of bpf/lib, which may change while a floor
 * stays. */
#ifndef XLB_BENCH_BPF_NET_H
#define XLB_BENCH_BPF_NET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct vxlan {
  __be32 flags;
  __be32 vni;
};

struct outer {
  struct iphdr ip;
  struct udphdr udp;
  struct vxlan vxlan;
};

static __always_inline __u64 word_diff(__u32 from, __u32 to) { return (__u64)(__u32)~from + to; }

/* RFC 1624: the checksum after the data's sum grew by `diff`. */
static __always_inline __u16 sum_fixed(__u16 check, __u64 diff) {
  __u64 sum = (__u16)~check + diff;
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)~sum;
}

#endif
