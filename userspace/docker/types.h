// What Docker's API tells, as far as xlb reads it: values, no JSON.
#ifndef XLB_DOCKER_TYPES_H_
#define XLB_DOCKER_TYPES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/ip.h"

namespace xlb {

struct DockerVersion {
  std::string version;  // "20.10.24"
  std::string api;      // "1.41"
  std::string min_api;
  bool operator==(const DockerVersion&) const = default;
};

// A manager as this node's Docker knows it.
struct RemoteManager {
  std::string node_id;
  std::string host;  // IP address, of either family
  bool operator==(const RemoteManager&) const = default;
};

struct DockerInfo {
  std::string name;            // host name
  std::string server_version;  // "20.10.24"
  std::string node_id;
  Ipv4 node_address;               // the advertised one
  std::string swarm_state;         // "inactive", "pending", "active", "error", "locked"
  std::string swarm_error;         // why, for "error"
  bool control_available = false;  // a manager that can be asked
  std::vector<RemoteManager> managers;
  bool operator==(const DockerInfo&) const = default;
};

struct NetworkEndpoint {
  std::string name;  // "gateway_<sandbox id[:12]>" on docker_gwbridge
  Mac mac;
  Ipv4 address;
  bool operator==(const NetworkEndpoint&) const = default;
};

struct DockerNetwork {
  std::string id;
  std::string name;
  std::string driver;
  bool ingress = false;
  std::string subnet;                                // the first IPv4 one: "10.0.0.0/24"
  std::map<std::string, std::string> options;        // "encrypted", "com.docker.network.driver.mtu", ...
  std::map<std::string, NetworkEndpoint> endpoints;  // of this node alone; key: container id, or "<name>-sbox"
  bool operator==(const DockerNetwork&) const = default;
};

struct PublishedPort {
  std::string protocol;  // "tcp", "udp", "sctp"
  uint16_t target = 0;
  uint16_t published = 0;  // 0: not allocated yet
  std::string mode;        // "ingress", "host"
  bool operator==(const PublishedPort&) const = default;
};

struct SwarmService {
  std::string id;
  std::string name;
  bool global = false;
  std::map<std::string, std::string> labels;
  std::vector<PublishedPort> ports;           // as allocated
  bool has_previous = false;                  // the service was updated before
  std::vector<PublishedPort> previous_ports;  // as specified then
  std::string update_state;                   // "", "updating", "paused", "completed", "rollback_started", ...
  int64_t update_started_ns = 0;              // Unix time; 0: unknown
  int64_t updated_ns = 0;
  bool operator==(const SwarmService&) const = default;
};

struct NetworkAttachment {
  std::string network_id;
  Ipv4 address;
  bool operator==(const NetworkAttachment&) const = default;
};

struct SwarmTask {
  std::string id;
  std::string service_id;
  std::string node_id;
  uint64_t slot = 0;  // 0: of a global service
  std::string state;  // "running", "starting", "shutdown", "failed", ...
  std::string desired_state;
  std::string container_id;
  int64_t created_ns = 0;
  std::vector<NetworkAttachment> networks;
  bool operator==(const SwarmTask&) const = default;
};

struct SwarmNode {
  std::string id;
  std::string hostname;
  std::string role;   // "manager", "worker"
  std::string state;  // "ready", "down", "unknown", "disconnected"
  Ipv4 address;       // unset when Docker does not know it ("0.0.0.0")
  bool operator==(const SwarmNode&) const = default;
};

// The swarm itself, as managers are told (GET /swarm).
struct SwarmIdentity {
  std::string id;
  std::string worker_join_token;  // a secret
};

// What Docker tells managers alone. Workers have it from a manager's xlbd.
struct SwarmFacts {
  std::vector<SwarmService> services;
  std::vector<SwarmService> removed_services;  // Docker knows them no more, but tasks of theirs still run
  std::vector<SwarmTask> tasks;
  std::vector<SwarmNode> nodes;
  std::string tunnel_secret;  // peer/pair_key.h; empty: not known. For xlb's own frames; never shown, never logged
  bool operator==(const SwarmFacts&) const = default;
};

// What the swarm's nodes tell each other of a service on a network, as far as Docker shows it (?verbose=true). Tasks
// that drain are not told from others.
struct GossipPort {
  uint16_t target = 0;
  uint16_t published = 0;
  bool operator==(const GossipPort&) const = default;
};

struct GossipTask {
  std::string name;   // "web.2.<task id>"
  Ipv4 address;       // on the network
  Ipv4 node_address;  // its node's data path address
  bool operator==(const GossipTask&) const = default;
};

struct GossipService {
  std::string name;
  uint32_t mark = 0;  // this node's load balancer index for it; 0: none
  std::vector<GossipPort> ports;
  std::vector<GossipTask> tasks;
  bool operator==(const GossipService&) const = default;
};

struct DockerEvent {
  std::string type;      // "container", "network", "service", "node", "daemon"
  std::string action;    // "start", "die", "update", ...
  std::string actor_id;  // container, network, ... id
  std::map<std::string, std::string> attributes;
  bool operator==(const DockerEvent&) const = default;
};

}  // namespace xlb

#endif  // XLB_DOCKER_TYPES_H_
