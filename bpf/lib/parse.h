/* SPDX-License-Identifier: GPL-2.0-only */
/* From bytes to the few facts that decisions need. The only place where bounds of incoming headers are checked, and
 * where everything odd is sorted out: options, fragments, lengths that contradict each other. */
#ifndef XLB_BPF_PARSE_H
#define XLB_BPF_PARSE_H

#include "lib/wire.h"

/* What a packet is, or else the counter that says why it passes up. */
#define PARSED (-1)       /* TCP or UDP, with its ports */
#define PARSED_LATER (-2) /* TCP or UDP, a fragment that has no ports */
#define PARSED_ICMP (-3)  /* ICMP; nothing in it was looked at */
#define PARSED_HELLO (-4) /* a hello of a peer's, or its answer; nothing in it was looked at */

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
  __u8 reply;       /* once its flow is found: 0 client to backend, 1 backend to client */
  __u16 fragment;   /* the IP header's flags and offset */
  __u8 was_dockers; /* a SYN that found the mark of a connection that Docker's mesh carried (is_dockers) */
  __u8 pad2;
  __u32 unfiled;       /* no flow was found: what xlb_unfiled said before */
  __u64 life;          /* of the flow that was found, as it was then */
  __u32 epoch;         /* the node's, before the flow was looked for: what is decided on the way holds for this one */
  __be32 outer_source; /* tunnel: the addresses outside; else 0 */
  __be32 outer_destination;
  __u32 tried; /* backend that did not answer this SYN before; 0: none, or it is no SYN */
  __be32 vni;  /* tunnel: as the header has it, with the flags of a frame of xlb's own VNI; else 0 */
  /* Of a frame of xlb's own VNI; else 0. */
  __u8 inner_dmac[XLB_ETH_ALEN];
  __u8 inner_smac[XLB_ETH_ALEN];
};

static __always_inline int is_tunnelled(const struct packet* packet) { return packet->vni != 0; }

/* Is it of xlb's own VNI? */
static __always_inline int is_of_peer(const struct packet* packet) {
  return (packet->vni & bpf_htonl(VXLAN_VNI_BITS)) == PEER_VNI_WORD;
}

static __always_inline int is_fragment(const struct packet* packet) {
  return (packet->fragment & (IP_MORE_FRAGMENTS | IP_OFFSET_BITS)) != 0;
}

/* Not a datagram's first: what follows the IP header is from its middle. */
static __always_inline int is_later(const struct packet* packet) { return (packet->fragment & IP_OFFSET_BITS) != 0; }

static __always_inline int is_first_syn(const struct packet* packet) {
  return (packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

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
  __u16 length = bpf_ntohs(udp->len); /* the datagram's, of which a fragment has a part */
  if (payload < sizeof(*udp) || length < sizeof(*udp)) return XLB_COUNT_PASS_MALFORMED;
  if (length > payload && !is_fragment(packet)) return XLB_COUNT_PASS_MALFORMED;
  packet->key.sport = udp->source;
  packet->key.dport = udp->dest;
  packet->tcp_flags = 0;
  packet->l4_header_length = sizeof(*udp);
  packet->udp_destination = udp->dest;
  return PARSED;
}

/* RFC 1858 3, RFC 3128: a fragment that begins inside the TCP header is there to write over what the first one said. */
static __always_inline int parse_later(__u16 payload, struct packet* packet) {
  if (payload == 0) return XLB_COUNT_PASS_MALFORMED;
  if (packet->key.proto == IPPROTO_TCP && (packet->fragment & IP_OFFSET_BITS) * 8 < (int)sizeof(struct tcphdr)) {
    return XLB_COUNT_PASS_FRAGMENT;
  }
  packet->tcp_flags = 0;
  packet->l4_header_length = 0;
  packet->udp_destination = 0;
  return PARSED_LATER;
}

/* `length`: bytes of the frame from `ip` on, of which the linear part ends at `end`. */
static __always_inline int parse_ipv4(const struct iphdr* ip, const void* end, __u32 length, struct packet* packet) {
  if ((const void*)(ip + 1) > end) return XLB_COUNT_PASS_MALFORMED;
  if (ip->version != 4 || ip->ihl < 5) return XLB_COUNT_PASS_MALFORMED;
  if (ip->ihl > 5) return XLB_COUNT_PASS_OPTIONS;
  __u16 total = bpf_ntohs(ip->tot_len);
  if (total < sizeof(*ip) || total > length) return XLB_COUNT_PASS_MALFORMED;
  if (ip_header_sum(ip) != 0xffff) return XLB_COUNT_PASS_MALFORMED;
  packet->key.saddr = ip->saddr;
  packet->key.daddr = ip->daddr;
  packet->key.proto = ip->protocol;
  packet->key.zone = 0;
  packet->key.pad = 0;
  packet->ip_length = total;
  packet->tos = ip->tos;
  packet->ttl = ip->ttl;
  packet->ip_id = ip->id;
  packet->fragment = bpf_ntohs(ip->frag_off);
  __u16 payload = (__u16)(total - sizeof(*ip));
  int known = ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP;
  if (is_fragment(packet) && !known) return XLB_COUNT_PASS_FRAGMENT;
  if (ip->protocol == IPPROTO_ICMP) return PARSED_ICMP;
  if (is_later(packet)) return parse_later(payload, packet);
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

/* What a VXLAN frame with this VNI or xlb's own carries. The outer headers were parsed into `packet`, which then
 * describes the inner ones. */
static __always_inline int parse_tunnel(const void* data, const void* end, __u32 length, __be32 vni,
                                        struct packet* packet) {
  const struct tunnel_header* outer = data + ETH_HLEN;
  const struct ethhdr* inner = (const void*)(outer + 1);
  if ((const void*)(inner + 1) > end || length < TUNNEL_LENGTH) return XLB_COUNT_PASS_TUNNEL;
  if (!(outer->vxlan.flags & bpf_htonl(VXLAN_FLAG_VNI))) return XLB_COUNT_PASS_TUNNEL;
  __be32 found = outer->vxlan.vni & bpf_htonl(VXLAN_VNI_BITS);
  if (found != vni && found != PEER_VNI_WORD) return XLB_COUNT_PASS_TUNNEL;
  packet->outer_source = outer->ip.saddr;
  packet->outer_destination = outer->ip.daddr;
  packet->outer_tos = outer->ip.tos;
  packet->vni = found;
  if (found == PEER_VNI_WORD) {
    packet->vni = outer->vxlan.vni;
    __builtin_memcpy(packet->inner_dmac, inner->h_dest, ETH_ALEN);
    __builtin_memcpy(packet->inner_smac, inner->h_source, ETH_ALEN);
    if (inner->h_proto == bpf_htons(XLB_HELLO_ETHERTYPE)) return PARSED_HELLO;
  }
  if (inner->h_proto != bpf_htons(ETH_P_IP)) return XLB_COUNT_PASS_TUNNEL;
  int result = parse_ipv4((const void*)(inner + 1), end, length - (__u32)TUNNEL_LENGTH, packet);
  return result < 0 ? result : (int)XLB_COUNT_PASS_TUNNEL;
}

#endif
