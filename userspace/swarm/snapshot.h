// What was read of Docker and of the kernel at one moment: the input of BuildSwarmView.
#ifndef XLB_SWARM_SNAPSHOT_H_
#define XLB_SWARM_SNAPSHOT_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "docker/types.h"
#include "netlink/types.h"

namespace xlb {

// On a worker the SwarmFacts are those of the manager that it follows.
struct DockerSnapshot : SwarmFacts {
  DockerInfo info;
  std::optional<DockerNetwork> ingress;          // the network with Ingress == true
  std::optional<DockerNetwork> gateway_network;  // docker_gwbridge
  std::set<std::string> dead_containers;         // known to have ended, whatever their task's state still says
};

// The namespace of the ingress network's bridge and vxlan device.
struct OverlayNetns {
  uint32_t mtu = 0;
  VxlanInfo vxlan;
  std::map<Ipv4, Mac> neighbors;
  std::map<Mac, Ipv4> fdb;
  bool operator==(const OverlayNetns&) const = default;
};

struct TaskNetns {
  std::vector<Link> links;
  std::vector<Route> default_routes;  // best first
  std::vector<Address> addresses;
  bool operator==(const TaskNetns&) const = default;
};

struct KernelSnapshot {
  std::vector<Link> links;  // of the host's namespace
  std::optional<OverlayNetns> overlay;
  std::string overlay_missing;             // why `overlay` is unset
  std::map<std::string, TaskNetns> tasks;  // key: sandbox id[:12], the name of the namespace's file
  // Data path address of a node -> the source address of the host's route to it.
  std::map<Ipv4, Ipv4> route_sources;
  bool operator==(const KernelSnapshot&) const = default;
};

// The container's network namespace by its endpoint on docker_gwbridge ("gateway_<sandbox id[:12]>"); empty: not said.
std::string SandboxOf(const NetworkEndpoint& gateway_endpoint);

}  // namespace xlb

#endif  // XLB_SWARM_SNAPSHOT_H_
