/* SPDX-License-Identifier: GPL-2.0-only */
/* Look-ups that most packets are spared: what xlbd says of whole maps in one record (struct xlb_shortcuts). */
#ifndef XLB_BPF_SHORTCUTS_H
#define XLB_BPF_SHORTCUTS_H

#include "lib/count.h"

static __always_inline const struct xlb_shortcuts* shortcuts_lookup(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&shortcuts, &zero);
}

/* What is known of the port, of a service's or of none; NULL: nothing. */
static __always_inline const struct xlb_ports_without* ports_without(__u8 proto, __be16 dport) {
  const struct xlb_shortcuts* known = shortcuts_lookup();
  return known != NULL ? &known->without[proto == IPPROTO_UDP][bpf_ntohs(dport) / 64] : NULL;
}

/* Is there certainly no service with the port at one address, or on every address? Whoever asks both asks in this
 * order: a service that moves from one address to all of them is added there before it goes here. */
static __always_inline int has_no_bound(const struct xlb_ports_without* without, __be16 dport) {
  return without != NULL && XLB_LOAD(without->bound) >> (bpf_ntohs(dport) % 64) & 1;
}

static __always_inline int has_no_any(const struct xlb_ports_without* without, __be16 dport) {
  return without != NULL && XLB_LOAD(without->any) >> (bpf_ntohs(dport) % 64) & 1;
}

/* Has no service the port? */
static __always_inline int is_no_services_port(__u8 proto, __be16 dport) {
  const struct xlb_ports_without* without = ports_without(proto, dport);
  if (!has_no_bound(without, dport)) return 0;
  xlb_ordered();
  return has_no_any(without, dport);
}

/* Is it an address of this node's, of those in the map addrs? */
static __always_inline int is_own_address(__be32 address) {
  const struct xlb_shortcuts* known = shortcuts_lookup();
  if (known != NULL && address != 0 && XLB_LOAD(known->own[XLB_OWN_ADDRESS_SLOT(address)]) == address) return 1;
  return bpf_map_lookup_elem(&addrs, &address) != NULL;
}

#endif
