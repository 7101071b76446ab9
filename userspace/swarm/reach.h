// How this node's packets get to a task.
#ifndef XLB_SWARM_REACH_H_
#define XLB_SWARM_REACH_H_

#include <map>
#include <set>

#include "base/status.h"
#include "model/service.h"
#include "swarm/snapshot.h"

namespace xlb {

// Refers to the snapshots that it was made from. A status is why a task cannot be reached, for people: NotFound when
// that may come with time, FailedPrecondition when the task's own configuration stands in the way.
class ReachFinder {
 public:
  ReachFinder(const DockerSnapshot& docker, const KernelSnapshot& kernel);

  // By the task's leg on docker_gwbridge, to `target_port`: no packet of ours ever meets the task's own port mapping.
  absl::StatusOr<Reach> Local(const SwarmTask& task, uint16_t target_port) const;
  // Through the ingress network, to the published port, which the task's namespace maps in every version of Docker.
  absl::StatusOr<Reach> Remote(const SwarmTask& task) const;

  const SwarmNode* FindNode(const std::string& id) const;  // null: unknown

 private:
  Ipv4 TunnelDestination(const SwarmTask& task, const Mac& mac) const;

  const DockerSnapshot& docker_;
  const KernelSnapshot& kernel_;
  std::map<std::string, const SwarmNode*> nodes_;
  std::map<Ipv4, const SwarmNode*> nodes_by_address_;
  std::map<uint32_t, const Link*> links_;
};

// The networks that the task is on beside docker_gwbridge: to a client with an address in one of them it would answer
// there, and not by the way that the client's packet came.
std::set<Ipv4Prefix> OtherNetworksOf(const TaskNetns& task);

// This node's endpoint in the ingress network; null: not there.
const NetworkEndpoint* OwnIngressEndpoint(const DockerSnapshot& docker);
// The ingress sandbox's address on docker_gwbridge, by which Docker's mesh serves the node itself; unset: none.
Ipv4 SandboxAddress(const DockerSnapshot& docker);
// The name of docker_gwbridge's device.
std::string GatewayBridge(const DockerSnapshot& docker);
// The source address that this node's kernel gives to tunnelled packets for `destination`.
Ipv4 TunnelSource(const DockerSnapshot& docker, const KernelSnapshot& kernel, Ipv4 destination);
// The same for any other node.
Ipv4 DataPathAddress(const DockerSnapshot& docker, const KernelSnapshot& kernel);

}  // namespace xlb

#endif  // XLB_SWARM_REACH_H_
