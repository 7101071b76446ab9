// SPDX-License-Identifier: GPL-2.0-only
/* XDP on an uplink: everything that needs no skb. */
#include "lib/ctx_xdp.h"
#include "maps.h"

#include "lib/balance.h"
#include "lib/hit.h"

SEC("xdp")
int xlb_xdp(struct xdp_md* ctx) {
  __u32 zero = 0;
  struct xlb_node* self = bpf_map_lookup_elem(&this_node, &zero);
  if (self == NULL) return XDP_PASS;
  /* Longer than the wire allows: generic XDP shows what GRO put together, and only TC can cut that again. */
  if (ctx_length(ctx) > self->max_frame) return pass(ctx, XLB_HOOK_XDP, XLB_COUNT_PASS_TO_TC);
  int verdict = hit(ctx);
  return verdict != UNDECIDED ? verdict : from_uplink(ctx, XLB_HOOK_XDP, self);
}

char _license[] SEC("license") = "GPL";
