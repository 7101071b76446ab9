/* SPDX-License-Identifier: GPL-2.0-only */
/* The shortest way for nearly all packets: of a flow that is known and in full course; or of none, and for no service's
 * port. What balance.h does for every packet is done here with all that cannot happen left out. Whatever is not certain
 * is UNDECIDED, with the frame as it came: then the long way decides. */
#ifndef XLB_BPF_HIT_H
#define XLB_BPF_HIT_H

#include "lib/balance.h"

/* What of a packet's headers a hit needs, read once. */
struct hit {
  struct xlb_key_words key;
  __u64 life;
  __u32 other;     /* the device that it leaves by; 0: the one that it came by */
  __u16 ip_length; /* host order */
  __u8 proto;
  __u8 tos;
  /* No flow of the client's was found, by its home's head: */
  __u8 has_no_flow; /* nor is there another one */
  __u32 answer;     /* or the packet may be the answer of the one in this slot; XLB_SLOT_NONE: nothing points to any */
};

/* TCP: neither a beginning nor an end. UDP: as long as it says, and no tunnel unless inside of one. */
static __always_inline int hit_l4_is_plain(const struct xlb_node* node, const void* l4, __u32 payload, __u8 proto) {
  const struct tcphdr* tcp = l4;
  if (proto == IPPROTO_TCP) {
    __u32 header = (((const __u8*)tcp)[12] >> 4) * 4;
    if (header < sizeof(*tcp) || header > payload) return 0;
    return (((const __u8*)tcp)[13] & (TCP_SYN | TCP_FIN | TCP_RST)) == 0;
  }
  const struct udphdr* udp = l4;
  __u32 length = bpf_ntohs(udp->len);
  return length >= sizeof(*udp) && length <= payload && udp->dest != node->vxlan_port;
}

/* IPv4 without options or fragments, TCP or UDP, at `ip`, of which `length` bytes of the frame are left. */
static __always_inline int hit_parse(const struct xlb_node* node, const struct iphdr* ip, __u32 length, __u32 zone,
                                     struct hit* hit) {
  const __u32* word = (const __u32*)ip;
  if ((word[0] & bpf_htonl(0xff000000)) != bpf_htonl(0x45000000)) return 0;
  if (ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_OFFSET_BITS)) return 0;
  hit->ip_length = bpf_ntohs(ip->tot_len);
  hit->proto = ip->protocol;
  hit->tos = ip->tos;
  if (ip->ttl <= 1 || hit->ip_length > length || hit->ip_length < sizeof(*ip) + sizeof(struct udphdr)) return 0;
  if (hit->proto != IPPROTO_TCP && hit->proto != IPPROTO_UDP) return 0;
  if (!hit_l4_is_plain(node, ip + 1, hit->ip_length - (__u32)sizeof(*ip), hit->proto)) return 0;
  hit->other = 0;
  hit->has_no_flow = 0;
  hit->answer = XLB_SLOT_NONE;
  hit->key.addresses = word[3] | (__u64)word[4] << 32;
  hit->key.rest = word[5] | (__u64)(hit->proto | zone << 8) << 32;
  return 1;
}

/* This flow, if it is the packet's. Its second cache line, which not every CPU fetches with the first, is asked for at
 * once: a packet of one flow of a million waits for both. */
static __always_inline struct xlb_flow* hit_if(struct xlb_flow* flow, struct hit* hit, __u8 reply) {
  touch(&flow->service);
  return xlb_flow_if(flow, hit->key, reply, &hit->life);
}

/* The flow in this place, if it is the client's. */
static __always_inline struct xlb_flow* hit_at(struct hit* hit, __u32 slot) {
  struct xlb_flow* flow = flow_place(slot);
  return flow != NULL ? hit_if(flow, hit, 0) : NULL;
}

/* Where the flow may lie whose answers have this tag; XLB_SLOT_NONE: not by what this bucket knows. */
static __always_inline __u32 hit_answer_slot(const struct xlb_flow_head* head, __u16 tag) {
  __u64 answers = xlb_answers_equal(head, tag);
  if (answers == 0) return XLB_SLOT_NONE;
  return XLB_LOAD(head->answers[xlb_lowest_tag(answers) & (XLB_FLOW_ANSWERS - 1)]);
}

/* The flow in this slot, if the packet is an answer in it. */
static __always_inline struct xlb_flow* hit_answer_at(const struct xlb_node* node, struct hit* hit, __u32 slot) {
  struct xlb_flow* flow = xlb_slot_flow(&node->flow_table, slot);
  return flow != NULL ? hit_if(flow, hit, 1) : NULL;
}

/* The client's flow by the head of its home, and it is hinted at from now on. */
static __always_inline struct xlb_flow* hit_ask_head(struct hit* hit, __u32 home, __u16 tag) {
  struct xlb_flow_head* head = flow_head(home);
  if (head == NULL) return NULL;
  __u64 ways = xlb_ways_equal(head, tag);
  if (ways == 0) {
    hit->answer = hit_answer_slot(head, tag);
    hit->has_no_flow = hit->answer == XLB_SLOT_NONE && head->spilled == 0;
    return NULL;
  }
  __u32 slot = xlb_slot(home, xlb_lowest_tag(ways) & (XLB_FLOW_WAYS - 1));
  hint_placed(slot, tag);
  return hit_at(hit, slot);
}

/* The same by the hints. */
static __always_inline struct xlb_flow* hit_by_hints(const struct xlb_node* node, struct hit* hit, __u64 hash) {
  __u16 tag = xlb_hash_tag(hash);
  XLB_ROLLED
  for (__u64 probe = 0; probe < XLB_FLOW_GROUP; probe++) {
    __u32 index = xlb_hash_bucket(&node->flow_table, hash, probe);
    __u32 way = hinted_way(hints_of(index), tag, probe == 0 ? xlb_tag_way(tag) : XLB_FLOW_WAYS);
    struct xlb_flow* flow = way < XLB_FLOW_WAYS ? hit_at(hit, xlb_slot(index, way)) : NULL;
    if (flow != NULL) return flow;
  }
  return NULL;
}

/* The client's flow, if it lies in its home bucket or in one that shares its page; else NULL. The hints, of which most
 * lie in a cache, say where: in a table that is full, two thirds lie in the place that their tag asks for first. To
 * look there without asking is a wait in vain for the others. Only where the hints lead nowhere, the head is asked:
 * another page that is far away. */
static __always_inline struct xlb_flow* hit_find(const struct xlb_node* node, struct hit* hit) {
  __u64 hash = xlb_words_hash(&node->flow_table, hit->key);
  __u32 home = xlb_hash_bucket(&node->flow_table, hash, 0);
  __u16 tag = xlb_hash_tag(hash);
  __u32 first = xlb_slot(home, xlb_tag_way(tag));
  int likely = is_hinted_at(first, tag) || hints_are_shared(node->flow_table.buckets);
  struct xlb_flow* flow = likely ? hit_at(hit, first) : NULL;
  if (flow == NULL && is_hinted(home, tag)) flow = hit_by_hints(node, hit, hash);
  return flow != NULL ? flow : hit_ask_head(hit, home, tag);
}

/* The same for a backend's answer: most have the reference that their tag asks for, and the flow itself says whether it
 * is the one. */
static __always_inline struct xlb_flow* hit_find_answer(const struct xlb_node* node, struct hit* hit) {
  __u64 hash = xlb_words_hash(&node->flow_table, hit->key);
  __u16 tag = xlb_hash_tag(hash);
  struct xlb_flow_head* home = flow_head(xlb_hash_bucket(&node->flow_table, hash, 0));
  if (home == NULL) return NULL;
  struct xlb_flow* flow = hit_answer_at(node, hit, XLB_LOAD(home->answers[xlb_tag_answer(tag)]));
  return flow != NULL ? flow : hit_answer_at(node, hit, hit_answer_slot(home, tag));
}

/* Is there nothing to ask or to change before the packet goes its flow's way? */
static __always_inline int hit_is_settled(const struct xdp_md* ctx, const struct xlb_node* node, struct hit* hit,
                                          const struct xlb_flow* flow, __u8 reply) {
  const struct xlb_flow_hop* hop = &flow->hop[reply];
  if (hop->epoch != node->epoch) return 0;
  if (flow->kind == XLB_KIND_NONE || flow->kind == XLB_KIND_LOCAL || answers_node(flow, reply)) return 0;
  __u32 ifindex = XLB_LOAD(hop->ifindex);
  if (ifindex != ctx->ingress_ifindex) {
    if (!takes_frames(ifindex)) return 0;
    hit->other = ifindex;
  }
  if (reply) return (xlb_life_state(hit->life) & XLB_FLOW_REPLIED) != 0;
  return !answers_elsewhere(flow, 0);
}

/* Is it for a task on this node, by itself as its flow knows? Then it is TC's to deal with, as for can_send(). */
static __always_inline int hit_is_for_tc(const struct xlb_node* node, const struct xlb_flow* flow) {
  return flow->kind == XLB_KIND_LOCAL && !flow_is_tunnelled(flow) && flow->hop[0].epoch == node->epoch;
}

/* The flow's clock stands behind: once a tick. (A global function: see begin() in begin.h.) */
__noinline int hit_note(struct xlb_flow* flow, __u64 life, __u32 now) {
  if (flow == NULL) return 0;
  if (xlb_life_note(flow, life, now, 0, 0) == 0) return 0;
  if (xlb_life_state(life) & XLB_FLOW_AFFINITY) affinity_keep(flow, now);
  return 0;
}

static __always_inline void hit_count(const struct xlb_node* node, struct xlb_flow* flow, const struct hit* hit,
                                      __u8 reply, __u32 bytes) {
  __u32 now = tick_now(node);
  if (xlb_life_seen(hit->life) != now) hit_note(flow, hit->life, now);
  count(XLB_HOOK_XDP, path_counter(flow, reply), bytes);
  count_flow_traffic(flow, reply, bytes);
}

/* Addresses, ports, checksums, TTL and, out of a tunnel, TOS: as nat_rewrite() has them. */
static __always_inline void hit_rewrite(struct iphdr* ip, const struct xlb_flow* flow, const struct hit* hit,
                                        __u8 reply) {
  const struct xlb_flow_key* away = flow_away(flow, reply);
  __u64 ttl = (__u16)~bpf_htons(0x0100); /* what one less is, as a sum */
  __u16 ip_diff = reply ? (__u16)~flow->ip_diff : flow->ip_diff;
  __u16 l4_diff = reply ? (__u16)~flow->l4_diff : flow->l4_diff;
  ip->check = csum_replace(ip->check, ip_diff + ttl);
  ip->ttl--;
  ip->saddr = away->daddr;
  ip->daddr = away->saddr;
  *(__u32*)(ip + 1) = ports_word(away->dport, away->sport);
  if (hit->proto == IPPROTO_TCP) {
    struct tcphdr* tcp = (void*)(ip + 1);
    tcp->check = csum_replace(tcp->check, l4_diff);
    return;
  }
  struct udphdr* udp = (void*)(ip + 1);
  if (udp->check == 0) return; /* RFC 768: the sender computed none */
  __sum16 check = csum_replace(udp->check, l4_diff);
  udp->check = check != 0 ? check : (__sum16)0xffff;
}

/* The frame is rewritten: the addresses of its next hop, and out. Unless the flow was another one's meanwhile. */
static __always_inline int hit_send(struct xdp_md* ctx, const struct xlb_flow* flow, const struct hit* hit,
                                    __u8 reply) {
  const struct xlb_flow_hop* hop = &flow->hop[reply];
  if (nat_set_macs(ctx, hop->dmac, hop->smac) != 0) return drop(ctx, XLB_HOOK_XDP, XLB_DROP_REWRITE_FAILED);
  xlb_ordered();
  if (!xlb_life_same(XLB_LOAD(flow->life), hit->life)) return drop(ctx, XLB_HOOK_XDP, XLB_DROP_FLOW_CHANGED);
  return hit->other == 0 ? XDP_TX : (int)bpf_redirect(hit->other, 0);
}

/* An answer that no tunnel carries: a routed backend's. */
static __always_inline int hit_routed_answer(struct xdp_md* ctx, const struct xlb_node* node, struct iphdr* ip,
                                             struct hit* hit, __u32 length) {
  struct xlb_flow* flow = hit_answer_at(node, hit, hit->answer);
  if (flow == NULL || flow->kind != XLB_KIND_ROUTE || !hit_is_settled(ctx, node, hit, flow, 1)) return UNDECIDED;
  hit_count(node, flow, hit, 1, length);
  hit_rewrite(ip, flow, hit, 1);
  return hit_send(ctx, flow, hit, 1);
}

/* A packet, in no tunnel, whose flow was not found: if there is none, nor a service with its port, it is not ours. */
static __always_inline int hit_pass(struct xdp_md* ctx, const struct iphdr* ip, const struct hit* hit) {
  const struct l4_ports* ports = (const void*)(ip + 1);
  if (!hit->has_no_flow || !is_no_services_port(hit->proto, ports->destination)) return UNDECIDED;
  if (ip_header_sum(ip) != 0xffff) return UNDECIDED; /* it passes as well, by another name */
  return pass(ctx, XLB_HOOK_XDP, XLB_COUNT_PASS_NO_SERVICE);
}

/* A packet in no tunnel, most often a client's. */
static __always_inline int hit_client(struct xdp_md* ctx, const struct xlb_node* node, __u32 length) {
  struct iphdr* ip = ctx_data(ctx) + ETH_HLEN;
  struct hit hit;
  if ((void*)(ip + 1) + sizeof(struct tcphdr) > ctx_data_end(ctx)) return UNDECIDED;
  if (!hit_parse(node, ip, length - ETH_HLEN, XLB_ZONE_UPLINK, &hit)) return UNDECIDED;
  struct xlb_flow* flow = hit_find(node, &hit);
  if (flow == NULL && hit.answer != XLB_SLOT_NONE) return hit_routed_answer(ctx, node, ip, &hit, length);
  if (flow == NULL) return hit_pass(ctx, ip, &hit);
  if (!hit_is_settled(ctx, node, &hit, flow, 0)) {
    return hit_is_for_tc(node, flow) ? pass(ctx, XLB_HOOK_XDP, XLB_COUNT_PASS_TO_TC) : UNDECIDED;
  }
  int wraps = flow->kind != XLB_KIND_ROUTE;
  if (wraps && hit.ip_length > node->tunnel_mtu) return UNDECIDED;

  hit_count(node, flow, &hit, 0, length);
  struct inside inside = {.ip_length = hit.ip_length, .tos = hit.tos};
  inside.outer_id = vxlan_ip_id(ip->id, bpf_ntohs(ip->frag_off), flow_away(flow, 0));
  hit_rewrite(ip, flow, &hit, 0);
  if (wraps && (ctx_make_tunnel_room(ctx, 1) != 0 || vxlan_write(ctx, node, inside, flow, 0) != 0)) {
    return drop(ctx, XLB_HOOK_XDP, XLB_DROP_REWRITE_FAILED);
  }
  return hit_send(ctx, flow, &hit, 0);
}

/* An answer in the tunnel, from the node that runs the task: as came_in_known_tunnel() has it. */
static __always_inline int hit_came_as_known(const struct tunnel_header* outer, const struct ethhdr* inner,
                                             const struct xlb_tunnel* tunnel, __u32 zone) {
  if (outer->ip.saddr != tunnel->dst || outer->ip.daddr != tunnel->src) return 0;
  return zone == XLB_ZONE_TUNNEL || same_mac(inner->h_source, tunnel->inner_smac);
}

/* A client's packet for a task on this node that a peer sends: TC's as well, if it came as came_in_known_tunnel() has
 * it. */
static __always_inline int hit_peers_client(struct xdp_md* ctx, const struct xlb_node* node, __u32 length) {
  const struct tunnel_header* outer = ctx_data(ctx) + ETH_HLEN;
  const struct ethhdr* inner = (const void*)(outer + 1);
  const struct iphdr* ip = (const void*)(inner + 1);
  const __be16* ether_type = (const void*)inner + 2 * ETH_ALEN;
  struct hit hit;
  if ((const void*)(ip + 1) + sizeof(struct tcphdr) > ctx_data_end(ctx)) return UNDECIDED;
  if (*ether_type != bpf_htons(ETH_P_IP)) return UNDECIDED;
  if (!hit_parse(node, ip, length - (__u32)TUNNEL_LENGTH, XLB_ZONE_UPLINK, &hit)) return UNDECIDED;
  struct xlb_flow* flow = hit_find(node, &hit);
  if (flow == NULL || flow->kind != XLB_KIND_LOCAL || flow->hop[0].epoch != node->epoch) return UNDECIDED;
  const struct xlb_tunnel* tunnel = &flow->tunnel;
  if (!hit_came_as_known(outer, inner, tunnel, XLB_ZONE_UPLINK) || outer->vxlan.vni != tunnel->vni) return UNDECIDED;
  if (!same_mac(inner->h_dest, tunnel->inner_dmac)) return UNDECIDED;
  return pass(ctx, XLB_HOOK_XDP, XLB_COUNT_PASS_TO_TC);
}

static __always_inline int hit_answer(struct xdp_md* ctx, const struct xlb_node* node, __u32 length, __u32 zone) {
  struct tunnel_header* outer = ctx_data(ctx) + ETH_HLEN;
  const struct ethhdr* inner = (void*)(outer + 1);
  struct iphdr* ip = (void*)(inner + 1);
  const __be16* ether_type = (void*)inner + 2 * ETH_ALEN;
  struct hit hit;
  if ((void*)(ip + 1) + sizeof(struct tcphdr) > ctx_data_end(ctx)) return UNDECIDED;
  if (*ether_type != bpf_htons(ETH_P_IP)) return UNDECIDED;
  if (!hit_parse(node, ip, length - (__u32)TUNNEL_LENGTH, zone, &hit)) return UNDECIDED;
  if (((outer->ip.tos ^ hit.tos) & ECN_MASK) && (outer->ip.tos & ECN_MASK)) return UNDECIDED; /* vxlan_inner_tos() */
  struct xlb_flow* flow = hit_find_answer(node, &hit);
  if (flow == NULL || !hit_is_settled(ctx, node, &hit, flow, 1)) return UNDECIDED;
  if (!hit_came_as_known(outer, inner, &flow->tunnel, zone)) return UNDECIDED;

  hit_count(node, flow, &hit, 1, length);
  hit_rewrite(ip, flow, &hit, 1);
  if (ctx_remove_tunnel(ctx) != 0) return drop(ctx, XLB_HOOK_XDP, XLB_DROP_REWRITE_FAILED);
  return hit_send(ctx, flow, &hit, 1);
}

/* Is it a frame of a tunnel whose insides may be a hit? The zone of what is in it, which for a client's packet is
 * XLB_ZONE_UPLINK; HIT_NO_TUNNEL: no. */
#define HIT_NO_TUNNEL 0xffu
static __always_inline __u32 hit_tunnel_zone(const struct xlb_node* node, const struct tunnel_header* outer,
                                             __u32 length) {
  const __u32* word = (const __u32*)outer;
  if (outer->ip.protocol != IPPROTO_UDP || outer->udp.dest != node->vxlan_port || node->vni == 0) return HIT_NO_TUNNEL;
  if ((word[0] & bpf_htonl(0xff000000)) != bpf_htonl(0x45000000)) return HIT_NO_TUNNEL;
  if (outer->ip.frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_OFFSET_BITS)) return HIT_NO_TUNNEL;
  if (bpf_ntohs(outer->ip.tot_len) != length - ETH_HLEN) return HIT_NO_TUNNEL;
  if (!(outer->vxlan.flags & bpf_htonl(VXLAN_FLAG_VNI))) return HIT_NO_TUNNEL;
  __be32 vni = outer->vxlan.vni & bpf_htonl(VXLAN_VNI_BITS);
  if (vni == node->vni) return XLB_ZONE_TUNNEL;
  if (vni != PEER_VNI_WORD) return HIT_NO_TUNNEL;
  return (outer->vxlan.vni & PEER_FLAG(XLB_TUNNEL_REPLY)) ? XLB_ZONE_PEER : XLB_ZONE_UPLINK;
}

/* The verdict, or UNDECIDED. (A global function: so its stack is its own, and only a hit's.) */
__noinline int hit(struct xdp_md* ctx) {
  const struct xlb_node* node = node_lookup();
  void *data = ctx_data(ctx), *end = ctx_data_end(ctx);
  const struct ethhdr* eth = data;
  const struct tunnel_header* outer = (const void*)(eth + 1);
  const __be16* ether_type = data + 2 * ETH_ALEN; /* struct ethhdr is packed, and clang would read it byte by byte */
  __u32 length = ctx_length(ctx);
  if (node == NULL || (const void*)(outer + 1) > end || length > node->max_frame) return UNDECIDED;
  if (*ether_type != bpf_htons(ETH_P_IP) || (eth->h_dest[0] & 1)) return UNDECIDED;
  __u32 zone = hit_tunnel_zone(node, outer, length);
  if (zone == HIT_NO_TUNNEL) return hit_client(ctx, node, length);
  return zone == XLB_ZONE_UPLINK ? hit_peers_client(ctx, node, length) : hit_answer(ctx, node, length, zone);
}

#endif
