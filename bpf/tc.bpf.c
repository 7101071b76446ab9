// SPDX-License-Identifier: GPL-2.0-only
/* TC ingress: on an uplink, what XDP left or all of it where there is no XDP; on a container's veth, a task's replies
 * and what clients on the node send. TC egress: what processes on the node send. */
#include "lib/ctx_tc.h"
#include "maps.h"

#include "lib/balance.h"

#define PACKET_FOR_US 0 /* PACKET_HOST of <linux/if_packet.h>: not a broadcast, not for somebody else's MAC address */

/* The second part of a packet that was cut is not as it came: it is sent, or dropped. */
static __always_inline int never_passed(struct __sk_buff* skb, __u32 hook, int is_second, int verdict) {
  return is_second && verdict == CTX_PASS ? drop(skb, hook, XLB_DROP_REWRITE_FAILED) : verdict;
}

SEC("tc")
int xlb_uplink(struct __sk_buff* skb) {
  __u32 zero = 0;
  struct xlb_node* self = bpf_map_lookup_elem(&this_node, &zero);
  if (self == NULL) return TC_ACT_UNSPEC;
  if (skb->vlan_present) return pass(skb, XLB_HOOK_TC, XLB_COUNT_PASS_VLAN);
  if (skb->pkt_type != PACKET_FOR_US) return pass(skb, XLB_HOOK_TC, XLB_COUNT_PASS_LINK);
  int is_second = skb->mark == FRAGMENT_SPLIT_MARK;
  if (is_second && fragment_second(skb) != 0) return drop(skb, XLB_HOOK_TC, XLB_DROP_REWRITE_FAILED);
  return never_passed(skb, XLB_HOOK_TC, is_second, from_uplink(skb, XLB_HOOK_TC, self));
}

SEC("tc")
int xlb_task(struct __sk_buff* skb) {
  __u32 zero = 0;
  struct xlb_node* self = bpf_map_lookup_elem(&this_node, &zero);
  if (self == NULL) return TC_ACT_UNSPEC;
  if (skb->vlan_present) return pass(skb, XLB_HOOK_TASK, XLB_COUNT_PASS_VLAN);
  int is_second = skb->mark == FRAGMENT_SPLIT_MARK;
  if (is_second && fragment_second(skb) != 0) return drop(skb, XLB_HOOK_TASK, XLB_DROP_REWRITE_FAILED);
  return never_passed(skb, XLB_HOOK_TASK, is_second, from_task(skb, XLB_HOOK_TASK, self));
}

/* Egress of `lo` and of docker_gwbridge. */
SEC("tc")
int xlb_host(struct __sk_buff* skb) {
  __u32 zero = 0;
  struct xlb_node* self = bpf_map_lookup_elem(&this_node, &zero);
  if (self == NULL) return TC_ACT_UNSPEC;
  if (skb->vlan_present) return pass(skb, XLB_HOOK_HOST, XLB_COUNT_PASS_VLAN);
  /* Forwarded: it has come in by another device, whose program has seen it. */
  if (skb->ingress_ifindex != 0) return pass(skb, XLB_HOOK_HOST, XLB_COUNT_PASS_NO_SERVICE);
  return from_host(skb, XLB_HOOK_HOST, self);
}

/* For user space, by BPF_PROG_TEST_RUN: files the mark of a connection that Docker's own mesh carries. Its key lies
 * behind the frame's Ethernet header. What is filed under that key already stays. */
SEC("tc")
int xlb_mark(struct __sk_buff* skb) {
  const struct xlb_node* node = node_lookup();
  struct xlb_flow_key* found = ctx_data(skb) + ETH_HLEN;
  if (node == NULL || (void*)(found + 1) > ctx_data_end(skb)) return 0;
  struct xlb_flow_key key;
  __builtin_memcpy(&key, found, sizeof(key));
  return flow_file_mark(&key, tick_now(node));
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
