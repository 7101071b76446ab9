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

#define XLB_SCHEMA 6

/* Sizes of the maps that are arrays, and so bounds of the ids in them. Id 0 is "none" for services and backends alike.
 */
#define XLB_MAX_SERVICES 8192
#define XLB_MAX_BACKENDS 32768
#define XLB_RING_SLOTS (4 * 1024 * 1024)
#define XLB_MAX_ADDRS 4096
#define XLB_MAX_UPLINKS 64
#define XLB_MAX_SOURCES 65536
#define XLB_FRAGMENT_ENTRIES 16384
#define XLB_AFFINITY_ENTRIES 262144
#define XLB_MAX_PEERS 4096
#define XLB_DEFAULT_FLOWS (256 * 1024)
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
  XLB_PICK_NEXT = 0,   /* the ring's slots in turn (rr, wrr) */
  XLB_PICK_HASH = 1,   /* slot = hash(client address and port, protocol, service port) (maglev) */
  XLB_PICK_LEAST = 2,  /* of two slots at random, the backend with fewer live flows for its weight (least-conn) */
  XLB_PICK_SOURCE = 3, /* slot = hash(client address, protocol, service port) (sh) */
};

/* What else a service asks for, as bits of xlb_service.flags. */
enum xlb_service_flags {
  XLB_SERVICE_LEFT = 1,       /* begins no flow: its packets pass up, to a socket of the host or to Docker's mesh */
  XLB_SERVICE_CLOSED = 2,     /* not for this address: packets are dropped */
  XLB_SERVICE_SNAT = 4,       /* its backends see an address of the node in place of the client's */
  XLB_SERVICE_OWN_CHOICE = 8, /* other nodes choose other backends: what began there does not go on here */
};

struct xlb_service {
  __u32 id;       /* index into service_state and service_stats */
  __u32 ring_off; /* first slot in ring */
  __u32 ring_len; /* 0: no backend, packets pass up */
  __u8 pick;      /* enum xlb_pick */
  __u8 flags;     /* enum xlb_service_flags, bits */
  __u16 sources;  /* list in the map sources that decides who may come in; 0: everybody may */
  __u32 affinity; /* ticks for which a client keeps its backend after its last packet; 0: no affinity */
  __u32 pad;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_service) == 24, "xlb_service");

struct xlb_service_state {
  __u64 turn; /* XLB_PICK_NEXT: slots handed out so far; written by the programs only */
};

/* ---- shortcuts: what spares packets look-ups in services and addrs ----
 *
 * One record, mapped and kept by xlbd beside those maps, of which it never says more than is true: a service's port is
 * taken out before the service is added, and put in after the last one with it is gone. All zero says nothing. */
struct xlb_ports_without {
  __u64 any;   /* bit i: no service on every address of the node has the port 64 * index + i */
  __u64 bound; /* the same of services at one address */
};

#define XLB_OWN_ADDRESS_SLOTS 256
#define XLB_OWN_ADDRESS_SLOT(addr) ((addr) >> 24) /* the last octet of an address, where words are little-endian */

struct xlb_shortcuts {
  struct xlb_ports_without without[2][65536 / 64]; /* of TCP, of UDP */
  __be32 own[XLB_OWN_ADDRESS_SLOTS];               /* addresses that are in addrs; 0: none is known here */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_shortcuts) == 33792, "xlb_shortcuts"); /* a multiple of 8: it is mapped */

/* ---- sources: {list, client's address} -> may it come in; the longest prefix decides ----
 *
 * A value is four verdicts, a byte each: the host's firewall may tell clients from elsewhere from the node's own
 * containers, and packets that begin a connection from others. Every list has a prefix of length 0. A packet that finds
 * none met a list that is being taken away, and is not let in. */

#define XLB_SOURCE_NEW 0     /* a packet that begins a flow */
#define XLB_SOURCE_LIVING 8  /* a packet of a flow that lives, or of a connection that may have lived before xlb */
#define XLB_SOURCE_REMOTE 0  /* of a client elsewhere */
#define XLB_SOURCE_LOCAL 16  /* of a container on this node; shifts are added up */
#define XLB_SOURCE_MASK 0xff /* what is left of a shifted value */

enum xlb_source_verdict {
  XLB_SOURCE_ALLOW = 0,
  XLB_SOURCE_DENY = 1,
  XLB_SOURCE_LEAVE = 2, /* the host's own firewall and Docker's mesh decide */
};

struct xlb_source_key {
  __u32 prefix_length; /* 32 for the list, and as many bits of the address as count */
  __u32 list;
  __be32 addr;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_source_key) == 12, "xlb_source_key");

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
  /* Flows only, to a backend of kind vxlan that has the flag XLB_BACKEND_PEER: the client's packet as it came, in xlb's
   * own VNI, which xlb on the task's node delivers. */
  XLB_KIND_PEER = 4,
};

enum xlb_backend_flags {
  XLB_BACKEND_PEER = 1,   /* its node runs xlb and delivers to it: clients' packets may go there as they are */
  XLB_BACKEND_DIRECT = 2, /* with the above: replies go from its node to the client, not back through this one */
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
  __u8 flags;              /* enum xlb_backend_flags, bits */
  __u8 pad;
  __u16 weight; /* what XLB_PICK_LEAST divides live flows by; 0 counts as 1 */
  __u32 pad2;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_backend) == 72, "xlb_backend");

/* backend_load: what the programs saw of a backend, by id. */
struct xlb_backend_load {
  __u32 live;    /* flows that live: counted by the programs, set right by the sweep */
  __u32 avoided; /* tick up to which new flows go elsewhere if they can, since it refused one; 0: none */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_backend_load) == 8, "xlb_backend_load");

/* ---- affinity: {service, client} -> the backend that it keeps ---- */

struct xlb_affinity_key {
  __u32 service;
  __be32 client;
};

struct xlb_affinity {
  __u32 backend;
  __u32 generation; /* the backend's */
  __u32 seen;       /* tick of the last flow that began, or at which one was used */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_affinity) == 12, "xlb_affinity");

/* ---- flows ---- */

#include "xlb/abi_flow.h"

/* ---- fragments: a datagram's ports, which its first fragment alone has ---- */

struct xlb_fragment_key {
  __be32 saddr;
  __be32 daddr;
  __be16 id;
  __u8 proto;
  __u8 zone; /* enum xlb_zone */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_fragment_key) == 12, "xlb_fragment_key");

struct xlb_fragment {
  __be16 sport;
  __be16 dport;
  __u32 seen; /* tick of the first fragment: IDs come again */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_fragment) == 8, "xlb_fragment");

/* ---- node: one record, what the programs must know of the node as a whole ---- */

/* Networks that tasks on this node are on, each with its mask; addr is masked. Mask 0: no network. */
#define XLB_TASK_NETWORKS 8

struct xlb_network {
  __be32 addr;
  __be32 mask;
};

struct xlb_node {
  __u32 schema; /* XLB_SCHEMA; first, so that any version can read it */
  __u32 epoch;  /* raised, never 0, whenever a flow must look again: a next hop, a route or a backend changed */
  __be32 vni;   /* ingress VNI as the header has it; 0: no ingress network */
  __be16 vxlan_port;
  __u16 tunnel_mtu;     /* largest inner IP packet */
  __u32 new_flow_limit; /* new flows a CPU may make within a tick; 0: no limit */
  __u32 tick_shift;     /* a tick is 2^tick_shift jiffies, about a second */
  __u32 max_frame;      /* a longer frame at XDP was put together by GRO (generic mode) and is left to TC */
  __be32 bridge_addr;   /* this node's address on docker_gwbridge; 0: none */
  __be32 sandbox_addr;  /* the ingress sandbox's on it: Docker's own mesh answers there, to this node alone; 0: none */
  __u32 pad;
  struct xlb_network task_networks[XLB_TASK_NETWORKS]; /* to a client in one, tasks here see bridge_addr */
  struct xlb_flow_config flow_table;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_node) == 144, "xlb_node");

/* ---- peers: xlb on other nodes, and its own VNI ----
 *
 * Frames between two xlb are VXLAN on Swarm's data path port, with a VNI that Swarm does not give out (it counts up
 * from 4096). The inner frame's sender's address is the pair's cookie, the destination's says which backend is meant,
 * the reserved byte behind the VNI has flags. */
#define XLB_PEER_VNI 0x786c62 /* "xlb" */
#define XLB_UID_PREFIX 6      /* bytes of a backend's uid that name it in a frame */

enum xlb_tunnel_flags {
  XLB_TUNNEL_REPLY = 1,  /* of a backend's, on its way back to the node that the client's packets came by */
  XLB_TUNNEL_DIRECT = 2, /* replies to this packet go to the client by themselves */
};

/* peers: data path address of another node -> what both know (userspace/peer/pair_key.h derives it). `old_`: from
 * before the swarm's secret was changed, taken until the other side has the new one; all zero: there is none. */
struct xlb_peer {
  __u64 key[2]; /* of SipHash-2-4, as the two little-endian words that its definition makes of 16 bytes */
  __u64 old_key[2];
  __u8 cookie[XLB_ETH_ALEN];
  __u8 old_cookie[XLB_ETH_ALEN];
  __u32 pad;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_peer) == 48, "xlb_peer");

/* peer_states: data path address -> what the peer's programs answered last. */
struct xlb_peer_state {
  __u64 seq; /* of the question */
  __u16 version;
  __u16 capabilities;
  __u32 delivers; /* bit i: it delivers to uids[i] of that question */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_peer_state) == 16, "xlb_peer_state");

/* deliveries: what a peer's frame says -> id of the local backend. */
struct xlb_delivery_key {
  __u8 uid[XLB_UID_PREFIX];
  __u8 pad[2];
};
XLB_STATIC_ASSERT(sizeof(struct xlb_delivery_key) == 8, "xlb_delivery_key");

/* A hello, in place of the inner packet of a frame of xlb's own VNI; ethertype XLB_HELLO_ETHERTYPE, one of those that
 * IEEE 802 leaves to local experiments. xlbd asks, the peer's programs answer in place, the asker's programs note the
 * answer in peer_states. All but `version` is in network order; the words that SipHash-2-4 runs over are the struct's
 * first XLB_HELLO_SIGNED bytes, read as little-endian words. */
#define XLB_HELLO_ETHERTYPE 0x88b6
#define XLB_HELLO_VERSION 1
#define XLB_HELLO_UIDS 8

enum xlb_hello_kind {
  XLB_HELLO_ASK = 0,
  XLB_HELLO_ANSWER = 1,
};

struct xlb_hello {
  __be16 version; /* of whoever sends it; the fields up to here stay where they are in every version */
  __u8 kind;      /* enum xlb_hello_kind */
  __u8 pad;
  __be16 capabilities;
  __be16 pad2;
  __be64 seq;      /* grows with every question of the asker's, over restarts too; an answer has its question's */
  __be32 delivers; /* answer: bit i says that the sender delivers to uids[i] */
  __be32 asker;    /* the asker's data path address, in the answer as well: neither can be sent back as the other */
  struct xlb_delivery_key uids[XLB_HELLO_UIDS]; /* all zero: nothing asked */
  __u8 tag[8];                                  /* SipHash-2-4 by the pair's key */
};
#define XLB_HELLO_SIGNED 88
XLB_STATIC_ASSERT(sizeof(struct xlb_hello) == XLB_HELLO_SIGNED + 8, "xlb_hello");

/* ---- uplinks: ifindex -> may XDP send out of it ---- */

struct xlb_uplink {
  __u32 native_xdp; /* 1: a native XDP program is attached, so frames can be redirected to it */
};

/* ---- counters ---- */

enum xlb_hook {
  XLB_HOOK_XDP = 0,  /* uplink, XDP */
  XLB_HOOK_TC = 1,   /* uplink, TC ingress */
  XLB_HOOK_TASK = 2, /* host-side veth of a container, TC ingress */
  XLB_HOOK_HOST = 3, /* lo and docker_gwbridge, TC egress: what processes on the node send */
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

#endif
