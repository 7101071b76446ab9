// The connections that Docker's own mesh carries at a moment: xlb must not take them over in their middle, nor use for
// another client the ports that they go by.
#ifndef XLB_SWARM_CARRIED_H_
#define XLB_SWARM_CARRIED_H_

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ip.h"
#include "base/status.h"
#include "model/records.h"
#include "netlink/conntrack.h"

namespace xlb {

// libnetwork's name for the namespace in which the mesh chooses a task.
inline constexpr char kIngressSandbox[] = "ingress_sbox";

using PublishedPorts = std::set<std::pair<uint8_t, uint16_t>>;  // IP protocol number, port in host order

// Collects, as keys of the map flows, the packets that such connections consist of. Pure.
class CarriedFlows {
 public:
  // `sandbox`: the addresses that the ingress sandbox has. Connections to other published ports are no concern.
  CarriedFlows(std::set<Ipv4> sandbox, const PublishedPorts& ports) : sandbox_(std::move(sandbox)), ports_(ports) {}

  // One of the host's namespace. Docker's mesh has translated its destination to the sandbox. Of TCP, where a SYN may
  // always begin a flow, only remote clients': of theirs, other segments may as well (a connection that comes from
  // another node).
  void AddHosts(const Connection& connection);
  // One of the sandbox's own. IPVS has chosen a task for it and it goes there from an address of the sandbox: its
  // replies come to that address, where those of our flows come too.
  void AddSandboxs(const Connection& connection);

  const std::vector<xlb_flow_key>& keys() const { return keys_; }

 private:
  bool IsPublished(const Connection& connection) const {
    return ports_.contains({connection.protocol, connection.original.destination_port});
  }
  void Add(uint8_t protocol, const ConnectionTuple& tuple, xlb_zone zone) {
    keys_.push_back(FlowKey(protocol, Endpoint{tuple.source, tuple.source_port},
                            Endpoint{tuple.destination, tuple.destination_port}, zone));
  }

  std::set<Ipv4> sandbox_;
  const PublishedPorts& ports_;
  std::vector<xlb_flow_key> keys_;
};

// The addresses in a namespace, named by its file.
absl::StatusOr<std::set<Ipv4>> AddressesIn(const std::string& netns_path);

// What both connection trackers say now. Without an ingress sandbox on this node, or without connection tracking, there
// are none.
absl::StatusOr<std::vector<xlb_flow_key>> ReadCarriedFlows(const std::string& netns_dir, const PublishedPorts& ports);

}  // namespace xlb

#endif  // XLB_SWARM_CARRIED_H_
