/* SPDX-License-Identifier: GPL-2.0-only */
/* From bytes to the few facts that decisions need. The only place where bounds of incoming headers are checked, and
 * where everything odd is sorted out: options, fragments, lengths that contradict each other. */
#ifndef XLB_BPF_PARSE_H
#define XLB_BPF_PARSE_H

#include "lib/wire.h"

#define PARSED (-1) /* else the counter that says why the packet passes up */

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

struct packet {
  struct xlb_flow_key key; /* zone left to the caller */
  __u32 frame_length;
  __u16 ip_length; /* of the packet that is balanced: the inner one of a tunnel */
  __u8 tcp_flags;  /* 0 for UDP */
  __u8 tos;
  __u8 ttl;
  __u8 l4_header_length;
  __be16 ip_id;
  __be16 udp_destination; /* 0 for TCP: what tells VXLAN at a glance */
  __u8 outer_tos;
  __u8 pad;
  __be32 outer_source; /* tunnel: the addresses outside */
  __be32 outer_destination;
};

static __always_inline int parse_tcp(const void* l4, const void* end, __u16 payload, struct packet* packet) {
  const struct tcphdr* tcp = l4;
  if ((const void*)(tcp + 1) > end) return XLB_COUNT_PASS_MALFORMED;
  __u8 header_length = (__u8)(tcp->doff * 4);
  if (header_length < sizeof(*tcp) || header_length > payload) return XLB_COUNT_PASS_MALFORMED;
  packet->key.sport = tcp->source;
  packet->key.dport = tcp->dest;
  packet->tcp_flags = ((const __u8*)tcp)[13];
  packet->l4_header_length = header_length;
  packet->udp_destination = 0;
  return PARSED;
}

static __always_inline int parse_udp(const void* l4, const void* end, __u16 payload, struct packet* packet) {
  const struct udphdr* udp = l4;
  if ((const void*)(udp + 1) > end) return XLB_COUNT_PASS_MALFORMED;
  __u16 length = bpf_ntohs(udp->len);
  if (length < sizeof(*udp) || length > payload) return XLB_COUNT_PASS_MALFORMED;
  packet->key.sport = udp->source;
  packet->key.dport = udp->dest;
  packet->tcp_flags = 0;
  packet->l4_header_length = sizeof(*udp);
  packet->udp_destination = udp->dest;
  return PARSED;
}

/* `length`: bytes of the frame from `ip` on, of which the linear part ends at `end`. */
static __always_inline int parse_ipv4(const struct iphdr* ip, const void* end, __u32 length, struct packet* packet) {
  if ((const void*)(ip + 1) > end) return XLB_COUNT_PASS_MALFORMED;
  if (ip->version != 4 || ip->ihl < 5) return XLB_COUNT_PASS_MALFORMED;
  if (ip->ihl > 5) return XLB_COUNT_PASS_OPTIONS;
  __u16 total = bpf_ntohs(ip->tot_len);
  if (total < sizeof(*ip) || total > length) return XLB_COUNT_PASS_MALFORMED;
  if (ip_header_sum(ip) != 0xffff) return XLB_COUNT_PASS_MALFORMED;
  if (ip->frag_off & bpf_htons(IP_FRAGMENT_BITS)) return XLB_COUNT_PASS_FRAGMENT;
  packet->key.saddr = ip->saddr;
  packet->key.daddr = ip->daddr;
  packet->key.proto = ip->protocol;
  packet->key.zone = 0;
  packet->key.pad = 0;
  packet->ip_length = total;
  packet->tos = ip->tos;
  packet->ttl = ip->ttl;
  packet->ip_id = ip->id;
  __u16 payload = (__u16)(total - sizeof(*ip));
  if (ip->protocol == IPPROTO_TCP) return parse_tcp(ip + 1, end, payload, packet);
  if (ip->protocol == IPPROTO_UDP) return parse_udp(ip + 1, end, payload, packet);
  return XLB_COUNT_PASS_PROTOCOL;
}

static __always_inline int parse_frame(const void* data, const void* end, __u32 length, struct packet* packet) {
  const struct ethhdr* eth = data;
  packet->frame_length = length;
  if ((const void*)(eth + 1) > end) return XLB_COUNT_PASS_MALFORMED;
  if (eth->h_proto == bpf_htons(ETH_P_8021Q) || eth->h_proto == bpf_htons(ETH_P_8021AD)) return XLB_COUNT_PASS_VLAN;
  if (eth->h_proto != bpf_htons(ETH_P_IP)) return XLB_COUNT_PASS_LINK;
  if (eth->h_dest[0] & 1) return XLB_COUNT_PASS_LINK; /* a group address: never a connection's packet */
  return parse_ipv4((const void*)(eth + 1), end, length - ETH_HLEN, packet);
}

/* What a VXLAN frame with this VNI carries. The outer headers were parsed into `packet`, which then describes the inner
 * ones. */
static __always_inline int parse_tunnel(const void* data, const void* end, __u32 length, __be32 vni,
                                        struct packet* packet) {
  const struct tunnel_header* outer = data + ETH_HLEN;
  const struct ethhdr* inner = (const void*)(outer + 1);
  if ((const void*)(inner + 1) > end || length < TUNNEL_LENGTH) return XLB_COUNT_PASS_TUNNEL;
  if (!(outer->vxlan.flags & bpf_htonl(VXLAN_FLAG_VNI))) return XLB_COUNT_PASS_TUNNEL;
  if ((outer->vxlan.vni & bpf_htonl(VXLAN_VNI_BITS)) != vni) return XLB_COUNT_PASS_TUNNEL;
  if (inner->h_proto != bpf_htons(ETH_P_IP)) return XLB_COUNT_PASS_TUNNEL;
  packet->outer_source = outer->ip.saddr;
  packet->outer_destination = outer->ip.daddr;
  packet->outer_tos = outer->ip.tos;
  int result = parse_ipv4((const void*)(inner + 1), end, length - (__u32)TUNNEL_LENGTH, packet);
  return result == PARSED ? PARSED : XLB_COUNT_PASS_TUNNEL;
}

#endif
