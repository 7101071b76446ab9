// Docker's own routing mesh on this node: which of its generations, and whether it works.
#ifndef XLB_SWARM_DOCKER_MESH_H_
#define XLB_SWARM_DOCKER_MESH_H_

#include <set>
#include <string>

#include "base/ip.h"
#include "netfilter/read.h"

namespace xlb {

struct MeshFacts {
  std::string server_version;  // dockerd's, "20.10.24"; empty: not known
  bool in_swarm = false;
  bool publishes = false;  // a port of a service that has a task: by now Docker must have set it up
  bool has_ipvs = false;
  bool has_sandbox = false;  // the namespace in which the mesh chooses a task
  std::set<Ipv4> sandbox_addresses;
  FirewallRules rules;               // of the host
  std::string rules_unknown;         // why `rules` is empty; empty: it was read
  std::set<std::string> nft_tables;  // names
};

// A: IPVS, the host's rules in chain DOCKER-INGRESS, entered from FORWARD (up to 28.0.0). B: entered from
// DOCKER-FORWARD (28.0.1 and later). C: IPVS, an ordinary port mapping to the sandbox (29.8). D: nftables alone, no
// IPVS (proposed). By what is found; where nothing is, by dockerd's version. '?': neither tells.
char MeshGeneration(const MeshFacts& facts);

// For people: "generation A (IPVS, iptables), alive", "generation A (IPVS, iptables), dead: the kernel has no IPVS".
std::string DescribeDockerMesh(const MeshFacts& facts);

}  // namespace xlb

#endif  // XLB_SWARM_DOCKER_MESH_H_
