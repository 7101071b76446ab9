// What a worker can find out by itself of the published ports while no manager's xlbd tells. Pure.
#ifndef XLB_SWARM_LOCAL_FACTS_H_
#define XLB_SWARM_LOCAL_FACTS_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "docker/types.h"
#include "swarm/snapshot.h"

namespace xlb {

// A published port of which the node's own mesh knows the protocol: it marks the port's packets for the service with
// this load balancer index.
struct MarkedPort {
  uint32_t mark = 0;
  std::string protocol;
  uint16_t published = 0;
  bool operator==(const MarkedPort&) const = default;
};

struct LocalKnowledge {
  std::vector<GossipService> services;  // the swarm's nodes tell each other of these
  std::map<std::string, std::vector<PublishedPort>>
      redirected;                  // container of this node -> ports mapped in its namespace
  std::vector<MarkedPort> marked;  // in the ingress sandbox, on engines with IPVS
  bool operator==(const LocalKnowledge&) const = default;
};

struct LocalFacts {
  SwarmFacts facts;
  std::vector<std::pair<std::string, uint16_t>> unknown;  // service's name, published port whose protocol is not known
};

// `told` is what a manager's xlbd told last, if one ever did, else empty: its word on ports and drains stands, but a
// task that the nodes tell each other of no more is gone, and another one has come. Everything else is known here, or
// left unknown; nothing is guessed. The ports of a service are told without their protocols.
LocalFacts CompleteLocally(const SwarmFacts& told, const DockerSnapshot& docker, const LocalKnowledge& local);

}  // namespace xlb

#endif  // XLB_SWARM_LOCAL_FACTS_H_
