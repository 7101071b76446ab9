/* The packet core's view of a frame in memory: the headers that only read are compiled for the host, to be fuzzed. What
 * would change a packet or send it is never called. */
#ifndef XLB_BPF_CTX_H
#define XLB_BPF_CTX_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "lib/wire.h"

#define CTX_IS_XDP 1
#define CTX_PASS XDP_PASS
#define CTX_DROP XDP_DROP

typedef struct {
  void* data;
  void* end;
} ctx_t;

static inline void* ctx_data(const ctx_t* ctx) { return ctx->data; }
static inline void* ctx_data_end(const ctx_t* ctx) { return ctx->end; }
static inline __u32 ctx_length(const ctx_t* ctx) { return (__u32)(ctx->end - ctx->data); }
static inline __u32 ctx_ifindex(const ctx_t* ctx) { return (void)ctx, 1; }
static inline void ctx_make_linear(ctx_t* ctx, __u32 length) { (void)ctx, (void)length; }
static inline __u32 ctx_gso_size(const ctx_t* ctx) { return (void)ctx, 0; }
static inline long ctx_make_tunnel_room(ctx_t* ctx, __u64 fixed) { return (void)ctx, (void)fixed, -1; }
static inline long ctx_remove_tunnel(ctx_t* ctx) { return (void)ctx, -1; }
static inline long ctx_cut(ctx_t* ctx, __u32 from, __u32 to) { return (void)ctx, (void)from, (void)to, -1; }
static inline long ctx_make_icmp_room(ctx_t* ctx, __u32 room) { return (void)ctx, (void)room, -1; }
static inline int ctx_send_back(ctx_t* ctx, __u32 hook) { return (void)ctx, (void)hook, XDP_TX; }
static inline int ctx_may_be_unfinished(__sum16 check, __u16 pseudo) { return (void)check, (void)pseudo, 0; }
static inline long ctx_fix_l4_checksum(ctx_t* ctx, __u32 offset, __u8 proto, __u32 addresses, __u32 ports) {
  return (void)ctx, (void)offset, (void)proto, (void)addresses, (void)ports, -1;
}

#endif
