/* SPDX-License-Identifier: GPL-2.0-only */
/* Header formats and arithmetic of the wire. Compiles for BPF and, for tests and fuzzing, for the host. */
#ifndef XLB_BPF_WIRE_H
#define XLB_BPF_WIRE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "xlb/abi.h"

#define IP_DONT_FRAGMENT 0x4000 /* RFC 791 3.1, with the two below */
#define IP_MORE_FRAGMENTS 0x2000
#define IP_OFFSET_BITS 0x1fff /* in units of 8 bytes */
#define ECN_MASK 3            /* RFC 3168 */
#define ECN_ECT_1 1
#define ECN_ECT_0 2
#define ECN_CE 3 /* congestion experienced */

#define VXLAN_FLAG_VNI 0x08000000 /* RFC 7348: the I flag */
#define VXLAN_VNI_BITS 0xffffff00 /* the rest of the word is reserved */
#define PEER_VNI_WORD bpf_htonl((__u32)XLB_PEER_VNI << 8)
#define PEER_FLAG(flag) bpf_htonl(flag) /* of enum xlb_tunnel_flags, in the reserved rest of the word */

struct vxlan_header {
  __be32 flags;
  __be32 vni; /* upper 24 bits */
};

/* What a VXLAN frame has between its Ethernet header and that of the inner frame. */
struct tunnel_header {
  struct iphdr ip;
  struct udphdr udp;
  struct vxlan_header vxlan;
};
#define TUNNEL_LENGTH (ETH_HLEN + sizeof(struct tunnel_header) + ETH_HLEN) /* up to the inner IP header */
XLB_STATIC_ASSERT(TUNNEL_LENGTH == ETH_HLEN + XLB_VXLAN_HEADROOM, "tunnel_header");

/* RFC 1624: the checksum after `diff`, a one's complement sum of (~old + new) words, was added to the data. */
static __always_inline __sum16 csum_replace(__sum16 check, __u64 diff) {
  __u64 sum = (__u16)~check + diff;
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__sum16)~sum;
}

/* A sum of diffs as one 16-bit word. */
static __always_inline __u16 csum_fold16(__u64 sum) { return (__u16)~csum_replace(0xffff, sum); }

/* The diff of one 32-bit word, to be added up with others. */
static __always_inline __u64 csum_word_diff(__u32 from, __u32 to) { return (__u64)(__u32)~from + to; }

/* Brings a sum of diffs into 32 bits, as the kernel's __wsum. */
static __always_inline __u32 csum_fold32(__u64 sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  return (__u32)sum;
}

/* The 16-bit one's complement sum of a header without options, its checksum field included: 0xffff when that is right.
 */
static __always_inline __u16 ip_header_sum(const struct iphdr* ip) {
  const __u32* word = (const __u32*)ip;
  __u64 sum = (__u64)word[0] + word[1] + word[2] + word[3] + word[4];
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)sum;
}

/* The sum of the pseudo header (RFC 9293 3.1, RFC 768) of a packet with this key and `length` bytes of TCP or UDP. */
static __always_inline __u16 pseudo_header_sum(const struct xlb_flow_key* key, __u16 length) {
  __u64 sum = (__u64)key->saddr + key->daddr + bpf_htons(key->proto) + bpf_htons(length);
  return (__u16)~csum_replace(0xffff, sum);
}

/* The Ethernet header of an IPv4 packet. The addresses lie one behind the other in every struct that has them, on four
 * bytes each, as the kernel's own does not tell: clang would copy them byte by byte. */
static __always_inline void eth_write(struct ethhdr* eth, const __u8* dmac, const __u8* smac) {
  __u32* word = (__u32*)eth;
  __u16* half = (__u16*)eth;
  const __u32* source = (const __u32*)dmac;
  (void)smac;
  word[0] = source[0];
  word[1] = source[1];
  word[2] = source[2];
  half[6] = bpf_htons(ETH_P_IP);
}

static __always_inline void eth_turn_round(struct ethhdr* eth) {
  __u8 sender[ETH_ALEN];
  __builtin_memcpy(sender, eth->h_source, ETH_ALEN);
  __builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
  __builtin_memcpy(eth->h_dest, sender, ETH_ALEN);
}

static __always_inline int same_mac(const __u8* a, const __u8* b) {
  __u32 differs = (__u32)(a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) | (a[5] ^ b[5]);
  return differs == 0;
}

struct l4_ports {
  __be16 source;
  __be16 destination;
};

static __always_inline __u32 ports_word(__be16 source, __be16 destination) {
  struct l4_ports ports = {.source = source, .destination = destination};
  __u32 word;
  __builtin_memcpy(&word, &ports, sizeof(word));
  return word;
}

/* Spreads every input bit over the 64 of the result (the finalizer of splitmix64, Steele et al. 2014). */
static __always_inline __u64 mix64(__u64 x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

#endif
