// What Docker's rules in a namespace say of published ports.
#ifndef XLB_SWARM_LOCAL_RULES_H_
#define XLB_SWARM_LOCAL_RULES_H_

#include <vector>

#include "docker/types.h"
#include "netfilter/read.h"
#include "swarm/local_facts.h"

namespace xlb {

// In a task's namespace: published port -> target port.
std::vector<PublishedPort> RedirectedPorts(const FirewallRules& rules);
// In the ingress sandbox: published port -> mark of its service.
std::vector<MarkedPort> MarkedPorts(const FirewallRules& rules);

}  // namespace xlb

#endif  // XLB_SWARM_LOCAL_RULES_H_
