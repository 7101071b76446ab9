// What xlbd shows of itself: plain data, filled by the daemon, turned into JSON and metrics by control/, into tables by
// xlbctl.
#ifndef XLB_MODEL_VIEWS_H_
#define XLB_MODEL_VIEWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/service.h"

namespace xlb {

struct UplinkView {
  std::string name;
  uint32_t ifindex = 0;
  std::string xdp;     // "native", "generic", "off"
  std::string attach;  // "link" (pinned bpf_link), "dispatcher" (libxdp), "none"
  std::string reason;  // why it is so when it is not what was asked for or not the best; else empty
};

// xlb on another node, or that there is none.
struct PeerView {
  std::string node;     // host name, or the address
  std::string address;  // of its data path
  std::string state;    // "up", "silent", "no xlb", "unknown"
  uint32_t version = 0;
  double answer_seconds = -1;  // since its last answer; negative: it gave none
};

struct StatusView {
  std::string version;
  uint32_t schema = 0;
  int64_t pid = 0;
  double uptime_seconds = 0;
  std::string mode;  // "swarm", "static", "passive" (after detach)
  std::vector<UplinkView> uplinks;
  std::vector<std::string> addresses;  // this node's, that services on "*" answer on
  // Docker and Swarm, as far as known.
  std::string docker;  // "connected", "connecting", "absent", "off" - and why, behind ": "
  std::string docker_version;
  std::string swarm_role;  // "manager", "worker", "none", ""
  std::string node_id;
  std::string node_name;
  std::string ingress_network;  // "ingress 10.0.0.0/24, VNI 4096, UDP port 4789, MTU 1450" or why there is none
  std::string peers;            // "follows the manager n0 at ...", "serves the swarm's nodes at ..."; empty: neither
  std::vector<PeerView> nodes;  // the swarm's others
  std::string docker_mesh;      // Docker's own: "generation A (IPVS, iptables), alive"; empty: not looked at
  uint64_t docker_flows = 0;    // marks in the flow table that keep connections with it
  uint64_t services = 0;
  uint64_t backends = 0;
  uint64_t flows = 0;  // live entries / 2, from the last sweep
  uint64_t flow_capacity = 0;
  std::vector<std::string> warnings;  // one line each
};

struct TrafficView {
  uint64_t packets = 0, bytes = 0;
};
struct StatsView {
  uint64_t flows = 0;
  TrafficView in, out;
};

struct BackendView {
  std::string service;  // name
  std::string frontend;
  uint32_t id = 0;
  std::string name;
  std::string node;
  std::string kind;     // "route", "vxlan", "peer", "local"; "none" for an unreachable one
  std::string address;  // "10.0.0.7:8091": where packets are sent
  std::string via;      // "vxlan 192.0.2.12", "veth ifindex 17", "source 192.0.2.11": how, for people
  std::string state;    // "active", "draining", "down", "unreachable"
  std::string reason;   // for unreachable; and why it does not see clients' addresses
  uint32_t weight = 0;
  uint64_t live_flows = 0;
  StatsView stats;
};

struct ServiceView {
  uint32_t id = 0;
  std::string name;
  std::string frontend;
  std::string source;  // "static", "swarm"
  std::string scheduler;
  uint32_t ring_slots = 0;
  std::vector<std::string> allow = {}, deny = {};  // prefixes of clients
  std::vector<std::string> bind = {};              // addresses and devices
  std::string left = {};  // why the port, or some of its clients or addresses, is left to others; else empty
  StatsView stats;
  std::vector<BackendView> backends;
};

// A flow, client side first: client -> frontend, then what the backend sees.
struct FlowView {
  std::string protocol;
  std::string client;    // "192.0.2.50:40000"
  std::string frontend;  // "192.0.2.11:8091"
  std::string source;    // what the backend sees as the source: "10.0.0.3:40000"
  std::string backend;   // "10.0.0.7:8091"
  std::string kind;
  std::string state;  // "syn", "established", "closing", "closed", "reset", "udp"
  std::string service;
  std::string backend_name;
  double idle_seconds = 0;
};

struct CounterView {
  std::string name, sentence, hook;
  TrafficView traffic;
};  // hook: "xdp", "tc", "task", "host"
struct StatsReport {
  std::vector<CounterView> counters;
  std::vector<CounterView> drops;
};

struct EventView {
  uint64_t sequence = 0;
  std::string time;     // RFC 3339, UTC, milliseconds
  std::string kind;     // "service-added", "backend-draining", "docker-connected", ...
  std::string subject;  // "web", "web.2"
  std::string text;     // one line
};

}  // namespace xlb

#endif  // XLB_MODEL_VIEWS_H_
