/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The one definition of everything that the BPF programs and user space share: map keys and values, ids, limits.
 *
 * Plain C, fixed widths, every padding byte named (map keys are compared byte by byte). A change of a layout or of a
 * meaning raises XLB_SCHEMA: an xlbd refuses pins of another schema instead of misreading them. Byte order:
 * __be16/__be32 are network order, everything else is the host's.
 */
#ifndef XLB_ABI_H
#define XLB_ABI_H

#include <linux/types.h>

#ifdef __cplusplus
#define XLB_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define XLB_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#define XLB_SCHEMA 1

/* Sizes of the maps that are arrays, and so bounds of the ids in them. Id 0 is "none" for services and backends alike.
 */
#define XLB_MAX_SERVICES 8192
#define XLB_MAX_BACKENDS 32768
#define XLB_RING_SLOTS (4 * 1024 * 1024)
#define XLB_MAX_ADDRS 4096
#define XLB_MAX_UPLINKS 64
#define XLB_DEFAULT_FLOW_ENTRIES (512 * 1024)
#define XLB_DEFAULT_NEW_FLOW_LIMIT 200000

#define XLB_ETH_ALEN 6
#define XLB_VXLAN_HEADROOM 50 /* outer IPv4 20 + UDP 8 + VXLAN 8 + inner Ethernet 14 (RFC 7348) */

/* ---- services: {address, port, protocol} -> service ---- */

struct xlb_service_key {
  __be32 addr; /* 0: every address in the map addrs, that is, of this node */
  __be16 port;
  __u8 proto; /* IPPROTO_TCP, IPPROTO_UDP */
  __u8 pad;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_service_key) == 8, "xlb_service_key");

enum xlb_pick {
  XLB_PICK_NEXT = 0, /* the ring's slots in turn (rr, wrr) */
  XLB_PICK_HASH = 1, /* slot = hash(client address and port, protocol, service port) (maglev) */
};

struct xlb_service {
  __u32 id;       /* index into service_state and service_stats */
  __u32 ring_off; /* first slot in ring */
  __u32 ring_len; /* 0: no backend, packets pass up */
  __u8 pick;      /* enum xlb_pick */
  __u8 pad[3];
};
XLB_STATIC_ASSERT(sizeof(struct xlb_service) == 16, "xlb_service");

struct xlb_service_state {
  __u64 turn; /* XLB_PICK_NEXT: slots handed out so far; written by the programs only */
};

/* ring: backend ids, each service's slots side by side. An array map's values are 8 bytes at least, also where they lie
 * in mapped memory, so that one value holds two slots: slot i is backend[i % 2] of value i / 2. */
struct xlb_ring_pair {
  __u32 backend[2];
};

/* ---- backends: id -> how to reach it ---- */

enum xlb_kind {
  XLB_KIND_NONE = 0,
  XLB_KIND_ROUTE = 1, /* any address that this node routes to: full NAT */
  XLB_KIND_VXLAN = 2, /* a task on another node: full NAT inside the ingress network's VXLAN */
  XLB_KIND_LOCAL = 3, /* a task on this node, by the host-side veth of its docker_gwbridge leg: DNAT */
};

enum xlb_backend_state {
  XLB_BACKEND_GONE = 0, /* the slot is free; flows that name it end */
  XLB_BACKEND_ACTIVE = 1,
  XLB_BACKEND_DRAINING = 2, /* in no ring; its flows go on */
  XLB_BACKEND_DOWN = 3,     /* in no ring; its flows end as if it were gone */
};

struct xlb_backend {
  __u8 uid[16];            /* which backend this is, over restarts: a hash of its identity, never of its address */
  __u32 generation;        /* changes each time the id is given to another backend */
  __u8 kind;               /* enum xlb_kind */
  __u8 state;              /* enum xlb_backend_state */
  __be16 port;             /* 0: the port that the client asked for */
  __be32 addr;             /* where packets for it are sent */
  __be32 snat_addr;        /* source they are sent from; 0: the client's own */
  __be32 tunnel_dst;       /* vxlan: the node that runs it */
  __be32 tunnel_src;       /* vxlan: this node's data path address */
  __be32 vni;              /* vxlan: the VNI as the header has it, in the upper 24 bits */
  __u32 ifindex;           /* local: the host-side veth */
  __u8 dmac[XLB_ETH_ALEN]; /* local, vxlan: the task's MAC address */
  __u8 smac[XLB_ETH_ALEN]; /* local: the bridge's; vxlan: this node's MAC in the ingress network */
  __u32 service;           /* id of the one service it belongs to */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_backend) == 64, "xlb_backend");

/* ---- flows: one entry a direction ---- */

/* Where a packet was seen. The same five-tuple means different things on the wire, inside the tunnel, and coming out of
 * a task: overlay and bridge subnets may overlap the LAN's. */
enum xlb_zone {
  XLB_ZONE_UPLINK = 0,
  XLB_ZONE_TUNNEL = 1,
  XLB_ZONE_TASK = 2,
};

struct xlb_flow_key {
  __be32 saddr;
  __be32 daddr;
  __be16 sport;
  __be16 dport;
  __u8 proto;
  __u8 zone; /* enum xlb_zone */
  __u16 pad;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_flow_key) == 16, "xlb_flow_key");

/* What a flow's two entries have both seen, as bits of xlb_flow.state. UDP uses REPLIED alone. */
enum xlb_flow_state {
  XLB_FLOW_REPLIED = 1,    /* the backend answered (TCP: SYN+ACK) */
  XLB_FLOW_FIN_CLIENT = 2, /* the client closed its half */
  XLB_FLOW_FIN_BACKEND = 4,
  XLB_FLOW_RESET = 8,
};
#define XLB_FLOW_FIN_BOTH (XLB_FLOW_FIN_CLIENT | XLB_FLOW_FIN_BACKEND)

/* Everything that a hit needs. The other direction's key is the rewritten tuple turned round. */
struct xlb_flow {
  __be32 saddr; /* addresses and ports after the rewrite */
  __be32 daddr;
  __be16 sport;
  __be16 dport;
  __u32 ifindex; /* out of this device; 0: not yet known */
  __u32 epoch;   /* xlb_node.epoch at which next hop and backend were found good; 0: never */
  __u32 seen;    /* tick of the last packet in either direction, see xlb_node.tick_shift */
  __u32 service; /* ids */
  __u32 backend;
  __u32 generation;        /* the backend's when the flow was made */
  __u8 kind;               /* enum xlb_kind of the backend */
  __u8 reply;              /* 0: client to backend, 1: backend to client */
  __u8 state;              /* enum xlb_flow_state, bits */
  __u8 peer_zone;          /* zone of the other direction's key */
  __u8 dmac[XLB_ETH_ALEN]; /* next hop on ifindex; local: the task */
  __u8 smac[XLB_ETH_ALEN];
  __be32 tunnel_dst; /* vxlan: the node that runs the task; replies must come from it */
  __be32 tunnel_src;
  __be32 vni;
  __u8 inner_dmac[XLB_ETH_ALEN];
  __u8 inner_smac[XLB_ETH_ALEN];
  __u32 in_ifindex; /* the uplink that the client's packets come in by */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_flow) == 80, "xlb_flow");

/* ---- node: one record, what the programs must know of the node as a whole ---- */

struct xlb_node {
  __u32 schema; /* XLB_SCHEMA; first, so that any version can read it */
  __u32 epoch;  /* raised, never 0, whenever a flow must look again: a next hop, a route or a backend changed */
  __be32 vni;   /* ingress VNI as the header has it; 0: no ingress network */
  __be16 vxlan_port;
  __u16 tunnel_mtu;     /* largest inner IP packet */
  __u32 new_flow_limit; /* new flows a CPU may make within a tick; 0: no limit */
  __u32 tick_shift;     /* a tick is 2^tick_shift jiffies, about a second */
  __u32 max_frame;      /* a longer frame at XDP was put together by GRO (generic mode) and is left to TC */
  __u32 pad;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_node) == 32, "xlb_node");

/* ---- uplinks: ifindex -> may XDP send out of it ---- */

struct xlb_uplink {
  __u32 native_xdp; /* 1: a native XDP program is attached, so frames can be redirected to it */
};

/* ---- counters ---- */

enum xlb_hook {
  XLB_HOOK_XDP = 0,  /* uplink, XDP */
  XLB_HOOK_TC = 1,   /* uplink, TC ingress */
  XLB_HOOK_TASK = 2, /* host-side veth of a local task, TC ingress */
  XLB_HOOKS
};

enum xlb_counter {
#define X(id, name, sentence) XLB_COUNT_##id,
#include "xlb/counters.def"
#undef X
  XLB_COUNTERS
};

enum xlb_drop_reason {
#define X(id, name, sentence) XLB_DROP_##id,
#include "xlb/drop_reasons.def"
#undef X
  XLB_DROP_REASONS
};

/* counters: per CPU, index hook * XLB_COUNTERS + counter; drops: hook * XLB_DROP_REASONS + reason. */
struct xlb_traffic {
  __u64 packets;
  __u64 bytes; /* of the frame as it came in, Ethernet header included */
};

/* service_stats, backend_stats: per CPU, by id. */
struct xlb_stats {
  __u64 flows;            /* new ones */
  struct xlb_traffic in;  /* client to backend */
  struct xlb_traffic out; /* backend to client */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_stats) == 40, "xlb_stats");

/* new_flows: per CPU, the flood guard's state. */
struct xlb_new_flows {
  __u32 tick;
  __u32 made;
};

#endif
