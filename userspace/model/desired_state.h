// What the data path should do: the sum of all sources, as pure data.
#ifndef XLB_MODEL_DESIRED_STATE_H_
#define XLB_MODEL_DESIRED_STATE_H_

#include <map>
#include <set>

#include "model/service.h"

namespace xlb {

// The node as the programs must know it (struct xlb_node and the map addrs).
struct NodeFacts {
  std::set<Ipv4> addresses;            // of this node; a service on "*" answers on them
  uint32_t vni = 0;                    // ingress network's VNI; 0: none
  uint16_t vxlan_port = 0;             // host order
  uint16_t tunnel_mtu = 0;             // largest inner IP packet
  std::set<Ipv4Prefix> task_networks;  // a client in one of them is unknown to tasks here, see xlb_node
  uint32_t new_flow_limit = 0;
  uint32_t tick_shift = 0;
  uint32_t max_frame = 0;
  Ipv4 bridge_address;   // of this node on docker_gwbridge; unset: none
  Ipv4 sandbox_address;  // of the ingress sandbox on it; unset: none
  bool operator==(const NodeFacts&) const = default;
};

struct DesiredState {
  NodeFacts node;
  std::map<Frontend, Service> services;
  // Services that the maps hold and whose source has not spoken yet in this process's life: left as they are. One that
  // is in `services` too is not kept but written as it says there.
  std::set<Frontend> kept;
  bool operator==(const DesiredState&) const = default;
};

}  // namespace xlb

#endif  // XLB_MODEL_DESIRED_STATE_H_
