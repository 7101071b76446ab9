// What Swarm wants of this node's data path: a pure function of what Docker and the kernel say.
#ifndef XLB_SWARM_VIEW_H_
#define XLB_SWARM_VIEW_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/ip.h"
#include "model/service.h"
#include "swarm/snapshot.h"

namespace xlb {

// The device of the network docker_gwbridge, unless somebody made the network with another one.
inline constexpr char kGatewayBridge[] = "docker_gwbridge";

struct SwarmView {
  // "connected", "connecting", "absent", or one of them with ": " and why. Kept by SwarmSource.
  std::string docker;
  std::string docker_version;
  std::string role;  // "manager", "worker", "none"; empty: not known yet
  std::string node_id;
  std::string node_name;

  std::string ingress_network;        // "ingress 10.0.0.0/24, VNI 4096, UDP port 4789, MTU 1450", or why there is none
  uint32_t vni = 0;                   // 0: no ingress network that xlb may send into
  uint16_t vxlan_port = 0;            // host order
  uint16_t tunnel_mtu = 0;            // largest inner IP packet
  Ipv4 data_path_address;             // outer source of what this node sends; unset: not known
  std::string tunnel_secret;          // of the swarm, for frames between nodes; empty: not known. Never shown
  std::map<Ipv4, std::string> nodes;  // the others, by data path address; names as far as known
  Ipv4 ingress_address;               // this node's own in the ingress network; unset: not known
  Ipv4 sandbox_address;               // the ingress sandbox's on docker_gwbridge; unset: not known
  std::string gateway_bridge = kGatewayBridge;  // the device of docker_gwbridge

  // Networks of this node's tasks. To a client with an address in one of them the tasks would not answer by the way
  // that its packets came: they get another source.
  std::set<Ipv4Prefix> task_networks;

  bool services_known = true;         // false: nothing could be learned of them yet, and none being here means nothing
  std::set<uint16_t> unknown_ports;   // published, but of unknown protocol: left to Docker
  std::vector<Service> services;      // one per published port that xlb serves, sorted by frontend
  std::vector<std::string> warnings;  // one line each
  std::string pending;                // what is not known yet and will be asked again; empty: nothing

  bool operator==(const SwarmView&) const = default;
};

// Has the view services that want the ingress network, and the network, or this node's place in it, is still to come?
// Then dockerd is starting, and the view before this one says better where tasks on other nodes are.
bool AwaitsIngress(const SwarmView& view);

// For a member of a swarm. Leaves `docker` as it is (empty).
SwarmView BuildSwarmView(const DockerSnapshot& docker, const KernelSnapshot& kernel);

}  // namespace xlb

#endif  // XLB_SWARM_VIEW_H_
