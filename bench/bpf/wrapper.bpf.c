// SPDX-License-Identifier: GPL-2.0-only
/* Makes BPF_PROG_TEST_RUN's `repeat` honest. The kernel gives every round the frame as the round before left it, so
 * that a program that encapsulates would meet its own output and pass it up. This program runs in its place: it undoes
 * what was done, writes the headers of the next flow's packet, looks at the clock once in BENCH_CHUNK packets, and goes
 * on to the measured program by a tail call. What it costs itself shows when the program behind it does nothing. */
#include "../program/control.h"
#include "net.h"

struct bench_control control;

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} xdp_target SEC(".maps"), tc_target SEC(".maps");

static __always_inline void look_at_clock(void) {
  __u32 packet = control.packets++;
  if (packet < control.warm) return;
  packet -= control.warm;
  if (packet % BENCH_CHUNK != 0) return;
  __u32 chunk = packet / BENCH_CHUNK;
  if (chunk <= BENCH_MAX_CHUNKS) control.stamps[chunk] = bpf_ktime_get_ns();
}

static __always_inline __u32 next_flow(void) {
  control.state = control.state * control.multiplier + control.increment;
  __u32 flow = control.state & control.mask;
  flow ^= flow >> (control.scramble & 31);
  control.last = flow;
  return flow;
}

/* Turns flow 0's packet into that of `flow`. */
static __always_inline void write_flow(struct iphdr* ip, __u32 flow) {
  __be16* ports = (void*)(ip + 1); /* source, destination: as in TCP, so in UDP */
  __be16 client_port = bpf_htons((__u16)(BENCH_PORT + (flow / BENCH_BACKENDS) % BENCH_PORTS));
  __u64 diff;
  if (control.reply) {
    __be32 task = control.keeps_service ? ip->saddr : bpf_htonl(BENCH_TASKS + flow % BENCH_BACKENDS);
    diff = word_diff(ip->saddr, task);
    ip->saddr = task;
    if (control.keeps_client) {
      __be32 client = bpf_htonl(BENCH_CLIENTS + flow);
      diff += word_diff(ip->daddr, client);
      ip->daddr = client;
    }
    ip->check = sum_fixed(ip->check, diff);
    diff += word_diff(ports[1], client_port);
    ports[1] = client_port;
  } else {
    __be32 client = bpf_htonl(BENCH_CLIENTS + flow);
    diff = word_diff(ip->saddr, client);
    ip->saddr = client;
    ip->check = sum_fixed(ip->check, diff);
    diff += word_diff(ports[0], client_port);
    ports[0] = client_port;
  }
  if (ip->protocol == IPPROTO_TCP) {
    struct tcphdr* tcp = (void*)(ip + 1);
    tcp->check = sum_fixed(tcp->check, diff);
  } else {
    struct udphdr* udp = (void*)(ip + 1);
    udp->check = sum_fixed(udp->check, diff);
  }
}

static __always_inline void copy(__u64* to, const __u64* from, __u32 bytes) {
#pragma unroll
  for (__u32 i = 0; i < bytes / 8; i++) to[i] = from[i];
}

static __always_inline int write_frame(void* data, void* end) {
  if (control.tunnelled) {
    if (data + BENCH_TUNNEL_HEADERS > end) return -1;
    copy(data, (__u64*)control.frame, BENCH_TUNNEL_HEADERS);
    write_flow(data + ETH_HLEN + sizeof(struct outer) + ETH_HLEN, next_flow());
  } else {
    if (data + BENCH_PLAIN_HEADERS > end) return -1;
    copy(data, (__u64*)control.frame, BENCH_PLAIN_HEADERS);
    write_flow(data + ETH_HLEN, next_flow());
  }
  return 0;
}

SEC("xdp")
int wrapper_xdp(struct xdp_md* ctx) {
  look_at_clock();
  /* Called also when the length is right, so that this costs the same whatever ran before. */
  __u64 length = (__u64)((void*)(long)ctx->data_end - (void*)(long)ctx->data);
  barrier_var(length); /* else clang subtracts the pointers in a way that the verifier forbids */
  if (bpf_xdp_adjust_head(ctx, (int)length - (int)control.length) != 0 ||
      write_frame((void*)(long)ctx->data, (void*)(long)ctx->data_end) != 0) {
    control.broken++;
    return XDP_ABORTED;
  }
  bpf_tail_call_static(ctx, &xdp_target, 0);
  control.broken++;
  return XDP_ABORTED;
}

/* For what leaves an skb's length alone: nothing is undone. */
SEC("tc")
int wrapper_tc(struct __sk_buff* skb) {
  look_at_clock();
  if (skb->len != control.length || write_frame((void*)(long)skb->data, (void*)(long)skb->data_end) != 0) {
    control.broken++;
    return -2;
  }
  bpf_tail_call_static(skb, &tc_target, 0);
  control.broken++;
  return -2;
}

char _license[] SEC("license") = "GPL";
