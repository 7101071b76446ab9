/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The flows' part of xlb/abi.h, which includes it: a flow, the table of them, and what a CPU keeps for new ones. */
#ifndef XLB_ABI_FLOW_H
#define XLB_ABI_FLOW_H

#ifndef XLB_ABI_H
#error "include xlb/abi.h"
#endif

/* Where a packet was seen. The same five-tuple means different things on the wire, inside the tunnel, and coming out of
 * a task: overlay and bridge subnets may overlap the LAN's. */
enum xlb_zone {
  XLB_ZONE_UPLINK = 0,
  XLB_ZONE_TUNNEL = 1,
  XLB_ZONE_TASK = 2, /* out of a container on this node: a task's reply, or a client's own packet */
  XLB_ZONE_HOST = 3, /* of a process on the node itself */
  XLB_ZONE_PEER = 4, /* a reply in xlb's own VNI. (A request in it is of the zone that it was seen in: the uplink) */
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

/* What was seen of a flow, as bits; in xlb_flow.life. UDP uses REPLIED alone. */
enum xlb_flow_state {
  XLB_FLOW_REPLIED = 1,    /* the backend answered (TCP: SYN+ACK) */
  XLB_FLOW_FIN_CLIENT = 2, /* the client closed its half */
  XLB_FLOW_FIN_BACKEND = 4,
  XLB_FLOW_RESET = 8,
  XLB_FLOW_AFFINITY = 16,   /* the client keeps this backend (map affinity) while the flow is used */
  XLB_FLOW_LEFT_TO_TC = 32, /* the XDP program left a SYN of the flow to TC, which has not seen it yet */
};
#define XLB_FLOW_FIN_BOTH (XLB_FLOW_FIN_CLIENT | XLB_FLOW_FIN_BACKEND)

/* Where packets of one direction leave. */
struct xlb_flow_hop {
  __u32 ifindex;
  __u32 epoch;             /* xlb_node.epoch at which it, and the backend, were found good; 0: never */
  __u8 dmac[XLB_ETH_ALEN]; /* next hop on ifindex */
  __u8 smac[XLB_ETH_ALEN];
};

/* The tunnel that a flow crosses; vni 0: none. */
struct xlb_tunnel {
  __be32 dst; /* vxlan, peer: the node that runs the task; replies must come from it. Local: the peer by which the
                 client's packets come */
  __be32 src;
  __be32 vni;                    /* and, in xlb's own, the bits of enum xlb_tunnel_flags */
  __u8 inner_dmac[XLB_ETH_ALEN]; /* in xlb's own VNI: the first bytes of the backend's uid */
  __u8 inner_smac[XLB_ETH_ALEN]; /* in xlb's own VNI: the cookie that the pair of nodes knows */
};

/* Everything that a hit needs, for both directions. [0] is the client's packets, [1] the backend's answers: each is
 * found by its key, and what it becomes is the other key turned round. A flow of kind XLB_KIND_NONE has no answers: it
 * marks a connection that Docker's own mesh carries, and its packets pass up. */
struct xlb_flow {
  __u64 life; /* tick of the last packet in either direction, state, and whose this place is: xlb/flow_table.h */
  struct xlb_flow_key key[2];
  struct xlb_flow_hop hop[2];
  __u32 service; /* ids */
  __u32 backend;
  __u32 generation; /* the backend's when the flow was made */
  struct xlb_tunnel tunnel;
  __u32 in_ifindex; /* the device that the client's packets come in by */
  __u8 kind;        /* enum xlb_kind of the backend */
  __u8 pad[3];
  __u16 ip_diff; /* what the rewrite of a client's packet adds to the checksums of its IPv4 and L4 headers: one's */
  __u16 l4_diff; /* complement sums of (~old + new), RFC 1624. That of an answer is the complement */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_flow) == 128, "xlb_flow");

/* flow_heads, flows: a table of our own in two arrays, mapped by xlbd; xlb/flow_table.h has its rules. Bucket i has the
 * head i and the flows from i * XLB_FLOW_WAYS on. Heads lie close together, so that most are in a cache and few pages
 * hold them all; what a packet has to wait for is then one place in memory, its flow. */
#define XLB_FLOW_WAYS 8
#define XLB_FLOW_ANSWERS 16
#define XLB_FLOW_GROUP 4   /* buckets whose flows share a page of memory */
#define XLB_FLOW_PROBES 12 /* buckets in which a key may be found */

struct xlb_flow_head {
  __u16 tags[XLB_FLOW_WAYS];           /* of the bucket's flows; 0: the place is free */
  __u16 answer_tags[XLB_FLOW_ANSWERS]; /* of answers[i] */
  __u32 lock;    /* bit 0: somebody files a key whose home this is; the rest counts how often that was done */
  __u32 spilled; /* keys whose home this is and that are found elsewhere */
  __u32 hand;    /* the way at which the next flow to go is looked for first, modulo the ways */
  __u32 pad;
  __u32 answers[XLB_FLOW_ANSWERS]; /* where flows are whose key[1] has its home here: slots */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_flow_head) == 128, "xlb_flow_head");

/* 6.1 flows to a bucket, 189 bytes a flow: so every flow finds a place, though not each in its home, until the table
 * has nine tenths of what it is made for, and after that all but some two in 100,000. */
#define XLB_FLOW_BUCKETS(flows) ((((flows)*10ull + 60) / 61 + XLB_FLOW_GROUP - 1) / XLB_FLOW_GROUP * XLB_FLOW_GROUP)
#define XLB_BUCKETS_HOLD(buckets) ((buckets)*61ull / 10)

struct xlb_flow_config {
  __u64 seed[4]; /* of the hash; as long as the table lives */
  __u32 buckets;
  __u32 pad;
};

/* ---- new flows ---- */

/* new_flows: per CPU, what it needs to make a flow. */
struct xlb_new_flows {
  __u32 tick; /* the flood guard: flows made in this tick */
  __u32 made;
  __u32 crowded; /* and those of them that found no free place */
  __u32 pad;
  struct xlb_flow fresh; /* the one that is being made */
};

/* next_hops: per CPU, what the FIB said last of the way to a backend: index is the backend's id modulo XLB_NEXT_HOPS.
 * New flows to the same backend need not ask again within a tick, unless the node's epoch moves: so they find a way
 * that changed while no xlbd runs to notice it, too. */
#define XLB_NEXT_HOPS 1024

struct xlb_next_hop {
  __be32 src; /* what was asked */
  __be32 dst;
  __u32 in_ifindex;
  __u32 proto;
  struct xlb_flow_hop hop; /* what was said */
  __u32 tick;              /* when */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_next_hop) == 40, "xlb_next_hop");

#endif
