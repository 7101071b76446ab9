/* SPDX-License-Identifier: GPL-2.0-only */
/* Hellos between nodes that run xlb, answered here and not by xlbd: an answer says that the data path is at work. Each
 * is signed by the pair's key with SipHash-2-4 (Aumasson and Bernstein, 2012). */
#ifndef XLB_BPF_HELLO_H
#define XLB_BPF_HELLO_H

#include "lib/count.h"
#include "lib/parse.h"
#include "lib/vxlan.h"

#define HELLO_CAPABILITIES 0

struct sip {
  __u64 v0, v1, v2, v3;
};

static __always_inline __u64 sip_turn(__u64 x, int bits) { return (x << bits) | (x >> (64 - bits)); }

static __always_inline void sip_round(struct sip* s) {
  s->v0 += s->v1;
  s->v2 += s->v3;
  s->v1 = sip_turn(s->v1, 13) ^ s->v0;
  s->v3 = sip_turn(s->v3, 16) ^ s->v2;
  s->v0 = sip_turn(s->v0, 32);
  s->v2 += s->v1;
  s->v0 += s->v3;
  s->v1 = sip_turn(s->v1, 17) ^ s->v2;
  s->v3 = sip_turn(s->v3, 21) ^ s->v0;
  s->v2 = sip_turn(s->v2, 32);
}

static __always_inline void sip_take(struct sip* s, __u64 word) {
  s->v3 ^= word;
  sip_round(s);
  sip_round(s);
  s->v0 ^= word;
}

/* The hash of a hello's signed part. */
__noinline __u64 hello_hash(const struct xlb_hello* hello, __u64 key0, __u64 key1) {
  if (hello == NULL) return 0;
  const __u64* words = (const __u64*)hello;
  struct sip s = {.v0 = key0 ^ 0x736f6d6570736575ULL,
                  .v1 = key1 ^ 0x646f72616e646f6dULL,
                  .v2 = key0 ^ 0x6c7967656e657261ULL,
                  .v3 = key1 ^ 0x7465646279746573ULL};
  for (int i = 0; i < XLB_HELLO_SIGNED / 8; i++) sip_take(&s, words[i]);
  sip_take(&s, (__u64)XLB_HELLO_SIGNED << 56); /* the length's last byte closes the message */
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; i++) sip_round(&s);
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static __always_inline __u64 hello_tag(const struct xlb_hello* hello) {
  __u64 tag;
  __builtin_memcpy(&tag, hello->tag, sizeof(tag));
  return tag;
}

/* The key that the hello is signed with, of the two that count; NULL: neither. */
static __always_inline const __u64* hello_key(const struct xlb_peer* peer, const struct xlb_hello* hello) {
  __u64 tag = hello_tag(hello);
  if (tag == hello_hash(hello, peer->key[0], peer->key[1])) return peer->key;
  if ((peer->old_key[0] | peer->old_key[1]) == 0) return NULL;
  return tag == hello_hash(hello, peer->old_key[0], peer->old_key[1]) ? peer->old_key : NULL;
}

/* 1 or 0. A global function, whose answer the verifier does not know: else each answer would double the ways on. */
__noinline __u32 hello_asks_of_ours(const struct xlb_delivery_key* uid) {
  if (uid == NULL) return 0;
  struct xlb_delivery_key key = *uid;
  return bpf_map_lookup_elem(&deliveries, &key) != NULL;
}

/* Which of the backends asked about are here. */
static __always_inline __u32 hello_delivers(const struct xlb_hello* hello) {
  __u32 bits = 0;
  for (int i = 0; i < XLB_HELLO_UIDS; i++) bits |= (hello_asks_of_ours(&hello->uids[i]) & 1) << i;
  return bits;
}

/* Sends the frame back, its headers turned round; the answer goes to the data path port, where the asker's programs see
 * it and its firewall lets it in. */
static __always_inline int hello_send_back(ctx_t* ctx, __u32 hook, const struct xlb_hello* answer, __be16 port) {
  struct ethhdr* eth = ctx_data(ctx);
  struct tunnel_header* outer = (void*)(eth + 1);
  struct xlb_hello* hello = ctx_data(ctx) + TUNNEL_LENGTH;
  if ((void*)(hello + 1) > ctx_data_end(ctx)) return drop(ctx, hook, XLB_DROP_REWRITE_FAILED);
  __be32 sender = outer->ip.saddr;
  outer->ip.saddr = outer->ip.daddr;
  outer->ip.daddr = sender;
  outer->ip.ttl = VXLAN_TTL;
  outer->ip.check = 0;
  outer->ip.check = (__sum16)~ip_header_sum(&outer->ip);
  outer->udp.source = port;
  outer->udp.dest = port;
  outer->udp.check = 0;
  eth_turn_round(eth);
  *hello = *answer;
  return ctx_send_back(ctx, hook);
}

/* Notes the answer to a question of ours. One that comes late or again says nothing new. */
static __always_inline void hello_note(__be32 address, const struct xlb_hello* hello) {
  struct xlb_peer_state state = {.seq = bpf_be64_to_cpu(hello->seq),
                                 .version = bpf_ntohs(hello->version),
                                 .capabilities = bpf_ntohs(hello->capabilities),
                                 .delivers = bpf_ntohl(hello->delivers)};
  struct xlb_peer_state* known = bpf_map_lookup_elem(&peer_states, &address);
  if (known != NULL && known->seq >= state.seq) return;
  bpf_map_update_elem(&peer_states, &address, &state, BPF_ANY);
}

/* A question comes from who asks it, an answer comes to who asked. */
static __always_inline int hello_goes_right(const struct packet* packet, const struct xlb_hello* hello) {
  return hello->asker == (hello->kind == XLB_HELLO_ASK ? packet->outer_source : packet->outer_destination);
}

/* A hello, which is as it came. (A global function: see begin().) */
__noinline int peer_hello(ctx_t* ctx, __u32 hook, const struct packet* packet) {
  const struct xlb_node* node = node_lookup();
  if (node == NULL || packet == NULL) return CTX_DROP;
  ctx_make_linear(ctx, TUNNEL_LENGTH + sizeof(struct xlb_hello));
  const struct xlb_hello* came = ctx_data(ctx) + TUNNEL_LENGTH;
  if ((const void*)(came + 1) > ctx_data_end(ctx)) return drop(ctx, hook, XLB_DROP_PEER_UNKNOWN);
  struct xlb_hello hello = *came;
  __be32 address = packet->outer_source;
  struct xlb_peer* peer = bpf_map_lookup_elem(&peers, &address);
  const __u64* key = peer != NULL ? hello_key(peer, &hello) : NULL;
  if (key == NULL || !hello_goes_right(packet, &hello)) return peer_stranger(ctx, hook, packet);
  if (hello.kind != XLB_HELLO_ASK) {
    count(hook, XLB_COUNT_PEER_ANSWER, packet->frame_length);
    hello_note(address, &hello);
    return CTX_DROP; /* it has arrived */
  }
  count(hook, XLB_COUNT_PEER_HELLO, packet->frame_length);
  hello.kind = XLB_HELLO_ANSWER;
  hello.version = bpf_htons(XLB_HELLO_VERSION);
  hello.capabilities = bpf_htons(HELLO_CAPABILITIES);
  hello.delivers = bpf_htonl(hello_delivers(&hello));
  __u64 tag = hello_hash(&hello, key[0], key[1]);
  __builtin_memcpy(hello.tag, &tag, sizeof(tag));
  return hello_send_back(ctx, hook, &hello, node->vxlan_port);
}

#endif
