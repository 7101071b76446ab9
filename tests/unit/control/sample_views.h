// One view of each type with every member set to something of its own, so that a member lost on the way is noticed.
#ifndef XLB_TESTS_UNIT_CONTROL_SAMPLE_VIEWS_H_
#define XLB_TESTS_UNIT_CONTROL_SAMPLE_VIEWS_H_

#include "model/views.h"

namespace xlb {

inline StatusView SampleStatus() {
  return {.version = "0.1.0",
          .schema = 1,
          .pid = 4711,
          .uptime_seconds = 11520.5,
          .mode = "swarm",
          .uplinks = {{"eth0", 2, "native", "link", ""},
                      {"eth1", 3, "generic", "dispatcher", "the driver has no native XDP"}},
          .addresses = {"192.0.2.11", "127.0.0.1"},
          .docker = "connected",
          .docker_version = "24.0.7",
          .swarm_role = "manager",
          .node_id = "x3kd92",
          .node_name = "node-1",
          .ingress_network = "ingress 10.0.0.0/24, VNI 4096, UDP port 4789, MTU 1450",
          .peers = "serves the swarm's nodes at 192.0.2.11:9651, 2 connected",
          .nodes = {{.node = "node-2", .address = "192.0.2.12", .state = "up", .version = 1, .answer_seconds = 0.25},
                    {.node = "node-3", .address = "192.0.2.13", .state = "no xlb", .version = 0, .answer_seconds = -1}},
          .docker_mesh = "generation A (IPVS, iptables), alive",
          .docker_flows = 12,
          .services = 2,
          .backends = 3,
          .flows = 1234,
          .flow_capacity = 262144,
          .warnings = {"port 53/sctp is left to Docker"}};
}

inline BackendView SampleBackend() {
  return {.service = "web",
          .frontend = "tcp/*:8091",
          .id = 7,
          .name = "web.2",
          .node = "node-2",
          .kind = "vxlan",
          .address = "10.0.0.7:8091",
          .via = "vxlan 192.0.2.12",
          .state = "active",
          .reason = "",
          .weight = 1,
          .live_flows = 12,
          .stats = {.flows = 100, .in = {2000, 3400000}, .out = {1500, 98000000}}};
}

inline BackendView SampleUnreachableBackend() {
  BackendView backend = SampleBackend();
  backend.id = 0;
  backend.name = "web.3";
  backend.kind = "none";
  backend.address = "";
  backend.via = "";
  backend.state = "unreachable";
  backend.reason = "no address in the ingress network";
  backend.live_flows = 0;
  backend.stats = {};
  return backend;
}

inline ServiceView SampleService() {
  return {.id = 3,
          .name = "web",
          .frontend = "tcp/*:8091",
          .source = "swarm",
          .scheduler = "rr",
          .ring_slots = 2,
          .stats = {.flows = 200, .in = {4000, 6800000}, .out = {3000, 196000000}},
          .backends = {SampleBackend(), SampleUnreachableBackend()}};
}

inline FlowView SampleFlow() {
  return {.protocol = "tcp",
          .client = "192.0.2.50:40000",
          .frontend = "192.0.2.11:8091",
          .source = "10.0.0.3:40000",
          .backend = "10.0.0.7:8091",
          .kind = "vxlan",
          .state = "established",
          .service = "web",
          .backend_name = "web.2",
          .idle_seconds = 0.5};
}

inline StatsReport SampleStats() {
  return {.counters = {{"forward_vxlan", "Sent on to a task on another node, in VXLAN.", "xdp", {2000, 3400000}},
                       {"pass_link", "Passed up: not IPv4 (ARP, IPv6, LLDP, ...).", "tc", {0, 0}}},
          .drops = {{"no_port", "No free source port.", "xdp", {3, 180}}}};
}

inline EventView SampleEvent(uint64_t sequence) {
  return {.sequence = sequence,
          .time = "2024-05-01T12:00:00.123Z",
          .kind = "service-added",
          .subject = "web",
          .text = "tcp/*:8091, scheduler rr"};
}

}  // namespace xlb

#endif  // XLB_TESTS_UNIT_CONTROL_SAMPLE_VIEWS_H_
