/* SPDX-License-Identifier: GPL-2.0-only */
/* ICMP errors about the packets of our flows, translated (RFC 792, RFC 5508 4.2) and sent the flow's way: to a client
 * what became of its packets behind us, to a backend what became of its replies. They change nothing in the flow: their
 * sender proves nothing. Included by balance.h, of which it uses the ways out. */
#ifndef XLB_BPF_ICMP_ERROR_H
#define XLB_BPF_ICMP_ERROR_H

#include "lib/icmp.h"
#include "lib/nat.h"

#define ICMP_TYPE_PARAMETER_PROBLEM 12

/* An error up to the least that it quotes (RFC 792): the packet's IP header and 8 bytes. */
struct icmp_quote {
  struct iphdr ip;
  struct icmp_error_header icmp;
  struct iphdr quoted;
  struct l4_ports ports;
  __be16 udp_length;
  __sum16 udp_check;
};
#define ICMP_QUOTE_LENGTH ((__u32)sizeof(struct icmp_quote))
#define QUOTED_TCP_CHECK (__builtin_offsetof(struct icmp_quote, ports) + __builtin_offsetof(struct tcphdr, check))

/* The key of packets that lead back to who sent the quoted packet: its tuple turned round. 0:
 * not an error about TCP or UDP, or one that contradicts itself. */
static __always_inline int icmp_quoted_key(ctx_t* ctx, const struct packet* packet, struct xlb_flow_key* key) {
  __u32 offset = is_tunnelled(packet) ? (__u32)TUNNEL_LENGTH : ETH_HLEN;
  const struct icmp_quote* error = ctx_data(ctx) + offset;
  if ((const void*)(error + 1) > ctx_data_end(ctx) || packet->ip_length < sizeof(*error)) return 0;
  __u8 type = error->icmp.type;
  if (type != ICMP_TYPE_UNREACHABLE && type != ICMP_TYPE_TIME_EXCEEDED && type != ICMP_TYPE_PARAMETER_PROBLEM) return 0;
  const struct iphdr* quoted = &error->quoted;
  if (quoted->version != 4 || quoted->ihl != 5 || (quoted->frag_off & bpf_htons(IP_OFFSET_BITS))) return 0;
  if (quoted->protocol != IPPROTO_TCP && quoted->protocol != IPPROTO_UDP) return 0;
  if (quoted->saddr != packet->key.daddr) return 0; /* it goes to whoever sent what it quotes */
  key->saddr = quoted->daddr;
  key->daddr = quoted->saddr;
  key->sport = error->ports.destination;
  key->dport = error->ports.source;
  key->proto = quoted->protocol;
  key->zone = packet->key.zone;
  key->pad = 0;
  return 1;
}

/* The quoted packet becomes what the other side sent. Its checksums, as far as they are quoted, are mended too;
 * returned is the diff of all the words that changed. `tcp_check` may be NULL. */
static __always_inline __u64 icmp_rewrite_quoted(struct icmp_quote* error, __sum16* tcp_check,
                                                 const struct xlb_flow_key* key, const struct xlb_flow_key* away) {
  __u64 addresses = csum_word_diff(key->daddr, away->saddr) + csum_word_diff(key->saddr, away->daddr);
  __u64 ports = csum_word_diff(ports_word(key->dport, key->sport), ports_word(away->sport, away->dport));
  __u64 diff = addresses + ports;
  error->quoted.saddr = away->saddr;
  error->quoted.daddr = away->daddr;
  error->ports.source = away->sport;
  error->ports.destination = away->dport;
  __sum16 before = error->quoted.check;
  error->quoted.check = csum_replace(before, addresses);
  diff += (__u16)~before + (__u64)error->quoted.check;
  __sum16* check = key->proto == IPPROTO_UDP ? &error->udp_check : tcp_check;
  if (check == NULL || (key->proto == IPPROTO_UDP && *check == 0)) return diff;
  before = *check;
  *check = csum_replace(before, addresses + ports);
  if (key->proto == IPPROTO_UDP && *check == 0) *check = 0xffff;
  return diff + (__u16)~before + (__u64)*check;
}

/* Rewrites the error, which lies at the frame's start. The sender is named where the flow's way has the client's own
 * address as its source; else it is the one that the other side knows. 0 or a negative error. */
static __always_inline long icmp_rewrite(ctx_t* ctx, const struct xlb_node* node, const struct packet* packet,
                                         const struct xlb_flow_key* key, const struct xlb_flow* flow,
                                         const struct xlb_flow_key* away, __u8 tos) {
  struct icmp_quote* error = ctx_data(ctx) + ETH_HLEN;
  if ((void*)(error + 1) > ctx_data_end(ctx)) return -1;
  __sum16* tcp_check = (void*)error + QUOTED_TCP_CHECK;
  if ((void*)(tcp_check + 1) > ctx_data_end(ctx) || packet->ip_length < QUOTED_TCP_CHECK + sizeof(*tcp_check)) {
    tcp_check = NULL;
  }
  __u64 diff = icmp_rewrite_quoted(error, tcp_check, key, away);
  if (error->icmp.type == ICMP_TYPE_UNREACHABLE && error->icmp.code == ICMP_CODE_FRAGMENTATION_NEEDED &&
      flow_is_tunnelled(flow) && bpf_ntohs(error->icmp.mtu) > node->tunnel_mtu) {
    __be16 mtu = bpf_htons(node->tunnel_mtu);
    diff += (__u16)~error->icmp.mtu + (__u64)mtu;
    error->icmp.mtu = mtu;
  }
  error->icmp.check = csum_replace(error->icmp.check, diff);
  if (away->daddr != key->saddr) error->ip.saddr = away->daddr;
  error->ip.daddr = away->saddr;
  error->ip.tos = tos;
  error->ip.ttl--;
  error->ip.check = 0;
  error->ip.check = (__sum16)~ip_header_sum(&error->ip);
  return 0;
}

/* Does the error say that the backend of a flow cannot be had? It was about a packet of the client's, which nothing has
 * answered yet. */
static __always_inline int icmp_refuses(const ctx_t* ctx, const struct packet* packet, __u64 life, __u8 reply) {
  __u32 offset = is_tunnelled(packet) ? (__u32)TUNNEL_LENGTH : ETH_HLEN;
  const struct icmp_quote* error = (const void*)ctx_data(ctx) + offset;
  if ((const void*)(error + 1) > ctx_data_end(ctx)) return 0;
  if (error->icmp.type != ICMP_TYPE_UNREACHABLE || error->icmp.code == ICMP_CODE_FRAGMENTATION_NEEDED) return 0;
  return reply && !(xlb_life_state(life) & (XLB_FLOW_REPLIED | XLB_FLOW_RESET));
}

/* Is the flow's backend still the same, and reached the same way? Else its own packets have to find that out first. */
__noinline int flow_is_settled(const struct xlb_flow* flow) {
  struct xlb_tunnel tunnel;
  if (flow == NULL) return 0;
  return flow_fits_backend(flow, &tunnel) && tunnel.dst == flow->tunnel.dst && tunnel.vni == flow->tunnel.vni;
}

/* An ICMP packet, which is as it came. (A global function: see begin().) */
__noinline int icmp_translate(ctx_t* ctx, __u32 hook, const struct packet* packet) {
  const struct xlb_node* node = node_lookup();
  if (node == NULL || packet == NULL) return CTX_PASS;
  int tunnelled = is_tunnelled(packet);
  __u32 not_ours = tunnelled ? XLB_COUNT_PASS_TUNNEL : XLB_COUNT_PASS_PROTOCOL;
  ctx_make_linear(ctx, (__u32)TUNNEL_LENGTH + (__u32)QUOTED_TCP_CHECK + (__u32)sizeof(__sum16));
  struct xlb_flow_key key;
  if (!icmp_quoted_key(ctx, packet, &key)) return pass(ctx, hook, not_ours);
  __u64 life = 0;
  __u8 reply = 0;
  __u32 unfiled;
  struct xlb_flow* flow = flow_lookup(node, &key, 0, &life, &reply, &unfiled);
  if (flow == NULL || is_dockers(flow)) return pass(ctx, hook, not_ours);
  __u32 epoch = node->epoch;
  if (flow->hop[reply & 1].epoch != epoch && !flow_is_settled(flow)) return pass(ctx, hook, not_ours);
  int wraps = flow_wraps(flow, reply);
  if (!came_as_known(packet, flow, reply) || (wraps && packet->ip_length > node->tunnel_mtu))
    return pass(ctx, hook, not_ours);
  if (icmp_refuses(ctx, packet, life, reply)) flow_refused(hook, packet, flow, tick_now(node));
  if (packet->ttl <= 1) return drop(ctx, hook, XLB_DROP_TTL); /* RFC 1122 3.2.2: no error about an error */
  struct hop hop = {};
  hop_find(ctx, epoch, flow, reply, &hop);
  if (hop.state == HOP_NONE) return drop(ctx, hook, XLB_DROP_NO_ROUTE);
  if (!can_send(ctx, flow, reply, &hop)) return pass(ctx, hook, XLB_COUNT_PASS_TO_TC);

  count(hook, XLB_COUNT_ICMP_ERROR, packet->frame_length);
  long error = tunnelled ? ctx_remove_tunnel(ctx) : 0;
  __u8 tos = tunnelled ? vxlan_inner_tos(packet) : packet->tos;
  if (error == 0) error = icmp_rewrite(ctx, node, packet, &key, flow, flow_away(flow, reply), tos);
  if (error == 0 && wraps) error = vxlan_encapsulate(ctx, node, packet, flow, reply);
  if (error == 0) error = nat_set_macs(ctx, hop.dmac, hop.smac);
  if (error != 0) return drop(ctx, hook, XLB_DROP_REWRITE_FAILED);
  if (!xlb_life_same(XLB_LOAD(flow->life), life)) return drop(ctx, hook, XLB_DROP_FLOW_CHANGED);
  return send(ctx, hook, flow, reply, &hop);
}

#endif
