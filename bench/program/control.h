/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* What the measuring program in user space and the wrapper in the kernel (bench/bpf/wrapper.bpf.c) share. */
#ifndef XLB_BENCH_PROGRAM_CONTROL_H_
#define XLB_BENCH_PROGRAM_CONTROL_H_

#include <linux/types.h>

/* Flow i of a scene: client BENCH_CLIENTS + i, port BENCH_PORT + i / BENCH_BACKENDS (modulo BENCH_PORTS), and, because
 * backends take turns and flows are made in order, backend BENCH_TASKS + i % BENCH_BACKENDS. So a million flows differ
 * in address and port, as those of many clients do, and no two of them want the same port towards the same backend. */
#define BENCH_CLIENTS 0x0b000000u /* 11.0.0.0 */
#define BENCH_TASKS 0x0a010000u   /* 10.1.0.0 */
#define BENCH_PORT 1024
#define BENCH_PORTS 32768 /* a power of two */
#define BENCH_BACKENDS 32 /* a power of two */

#define BENCH_PLAIN_HEADERS 64   /* bytes of a frame that the wrapper writes afresh each time */
#define BENCH_TUNNEL_HEADERS 112 /* the same for a frame in VXLAN; both are multiples of 8 */

#define BENCH_CHUNK 1024 /* packets between two looks at the clock; a power of two */
#define BENCH_MAX_CHUNKS 4096

struct bench_control {
  __u8 frame[BENCH_TUNNEL_HEADERS]; /* of flow 0 */
  __u32 length;                     /* of the whole frame */
  __u32 tunnelled;                  /* 1: the packet that counts is inside VXLAN */
  __u32 reply;                      /* 1: from the flow's backend, 0: from its client */
  __u32 keeps_client;               /* 1: a reply goes to the client's own address, not to one of the node's */
  __u32 keeps_service;              /* 1: and comes from the service's, not from the task's */
  /* Which flow comes next: state = state * multiplier + increment, its low bits. With multiplier % 4 == 1 and an odd
   * increment every flow comes once in each period (Hull and Dobell 1962). `scramble` shifts the high bits down, so
   * that neighbours in time are not neighbours in memory; 31 for no change. */
  __u32 state;
  __u32 multiplier;
  __u32 increment;
  __u32 mask;
  __u32 scramble;
  __u32 warm; /* packets before the clock counts */
  /* Written by the wrapper. */
  __u32 packets;
  __u32 last; /* the flow of the last packet */
  __u32 broken;
  __u64 stamps[BENCH_MAX_CHUNKS + 1]; /* ns: at the start of each chunk */
};

#endif
