// What Swarm wants of this node's data path: a pure function of what Docker and the kernel say.
#ifndef XLB_SWARM_VIEW_H_
#define XLB_SWARM_VIEW_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/ip.h"
#include "model/service.h"
#include "swarm/snapshot.h"

namespace xlb {

struct SwarmView {
  // "connected", "connecting", "absent", or one of them with ": " and why. Kept by SwarmSource.
  std::string docker;
  std::string docker_version;
  std::string role;  // "manager", "worker", "none"; empty: not known yet
  std::string node_id;
  std::string node_name;

  std::string ingress_network;  // "ingress 10.0.0.0/24, VNI 4096, UDP port 4789, MTU 1450", or why there is none
  uint32_t vni = 0;             // 0: no ingress network that xlb may send into
  uint16_t vxlan_port = 0;      // host order
  uint16_t tunnel_mtu = 0;      // largest inner IP packet
  Ipv4 data_path_address;       // outer source of what this node sends; unset: not known
  Ipv4 ingress_address;         // this node's own in the ingress network; unset: not known

  std::vector<Service> services;      // one per published port that xlb serves, sorted by frontend
  std::vector<std::string> warnings;  // one line each
  std::string pending;                // what is not known yet and will be asked again; empty: nothing

  bool operator==(const SwarmView&) const = default;
};

// Has the view services that want the ingress network, and the network, or this node's place in it, is still to come?
// Then dockerd is starting, and the view before this one says better where tasks on other nodes are.
bool AwaitsIngress(const SwarmView& view);

// For a manager. Leaves `docker` as it is (empty).
SwarmView BuildSwarmView(const DockerSnapshot& docker, const KernelSnapshot& kernel);

}  // namespace xlb

#endif  // XLB_SWARM_VIEW_H_
