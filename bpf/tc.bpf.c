// SPDX-License-Identifier: GPL-2.0-only
/* TC ingress: on an uplink, what XDP left or all of it where there is no XDP; on a local task's veth, its replies. */
#include "lib/ctx_tc.h"
#include "maps.h"

#include "lib/balance.h"

#define PACKET_FOR_US 0 /* PACKET_HOST of <linux/if_packet.h>: not a broadcast, not for somebody else's MAC address */

SEC("tc")
int xlb_uplink(struct __sk_buff* skb) {
  __u32 zero = 0;
  struct xlb_node* self = bpf_map_lookup_elem(&this_node, &zero);
  if (self == NULL) return TC_ACT_UNSPEC;
  if (skb->vlan_present) return pass(skb, XLB_HOOK_TC, XLB_COUNT_PASS_VLAN);
  if (skb->pkt_type != PACKET_FOR_US) return pass(skb, XLB_HOOK_TC, XLB_COUNT_PASS_LINK);
  return from_uplink(skb, XLB_HOOK_TC, self);
}

SEC("tc")
int xlb_task(struct __sk_buff* skb) {
  __u32 zero = 0;
  struct xlb_node* self = bpf_map_lookup_elem(&this_node, &zero);
  if (self == NULL) return TC_ACT_UNSPEC;
  if (skb->vlan_present) return pass(skb, XLB_HOOK_TASK, XLB_COUNT_PASS_VLAN);
  return from_task(skb, XLB_HOOK_TASK, self);
}

/* The programs' clock for user space, by BPF_PROG_TEST_RUN: the present tick. */
SEC("tc")
int xlb_clock(struct __sk_buff* skb) {
  (void)skb;
  __u32 zero = 0;
  struct xlb_node* self = bpf_map_lookup_elem(&this_node, &zero);
  return self != NULL ? (int)tick_now(self) : 0;
}

char _license[] SEC("license") = "GPL";
