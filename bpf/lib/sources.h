/* SPDX-License-Identifier: GPL-2.0-only */
/* Who may come in: ports that are not xlb's, addresses that a service is not bound to, and sources that it, or the
 * host's firewall, keeps out. */
#ifndef XLB_BPF_SOURCES_H
#define XLB_BPF_SOURCES_H

#include "lib/count.h"
#include "lib/flow.h"
#include "lib/pick.h"

static __always_inline __u32 source_verdict(const struct xlb_service* service, const struct xlb_flow_key* key,
                                            __u32 living) {
  /* A process on the node itself passes no chain of the firewall that clients pass, and is nobody's stranger. */
  if (service->sources == 0 || key->zone == XLB_ZONE_HOST) return XLB_SOURCE_ALLOW;
  struct xlb_source_key at = {.prefix_length = 64, .list = service->sources, .addr = key->saddr};
  __u32* verdicts = bpf_map_lookup_elem(&sources, &at);
  if (verdicts == NULL) return XLB_SOURCE_DENY;
  __u32 local = key->zone == XLB_ZONE_TASK ? XLB_SOURCE_LOCAL : XLB_SOURCE_REMOTE;
  return (*verdicts >> (local + living)) & XLB_SOURCE_MASK;
}

/* UNDECIDED, or the packet's verdict. `living`: XLB_SOURCE_NEW or XLB_SOURCE_LIVING. */
static __always_inline int service_admits(ctx_t* ctx, __u32 hook, const struct xlb_service* service,
                                          const struct xlb_flow_key* key, __u32 living) {
  if (service->flags & XLB_SERVICE_CLOSED) return drop(ctx, hook, XLB_DROP_NOT_BOUND);
  __u32 verdict = source_verdict(service, key, living);
  if (verdict == XLB_SOURCE_DENY) return drop(ctx, hook, XLB_DROP_SOURCE_DENIED);
  if (verdict != XLB_SOURCE_ALLOW) return pass(ctx, hook, XLB_COUNT_PASS_SOURCE);
  return UNDECIDED;
}

/* The same for a packet of a flow, when the node's epoch moved. A port that is left to somebody else keeps the flows
 * that it has. A flow that may not go on is forgotten. */
static __always_inline int flow_stays_admitted(ctx_t* ctx, __u32 hook, const struct packet* packet) {
  struct xlb_flow_key copy = packet->key, *key = &copy;
  if (packet->reply) return UNDECIDED;
  struct xlb_service* service = service_lookup(key);
  if (service == NULL) return UNDECIDED; /* then its backend is gone as well */
  int verdict = service_admits(ctx, hook, service, key, XLB_SOURCE_LIVING);
  if (verdict != UNDECIDED) flow_forget(key, packet->life);
  return verdict;
}

#endif
