// Who is let in to what the sources want served, where, and what is left to others: the last step of the assembly.
// Pure.
#ifndef XLB_XLBD_GUARD_H_
#define XLB_XLBD_GUARD_H_

#include <functional>
#include <map>
#include <set>
#include <string>

#include "model/static_config.h"
#include "xlbd/assemble.h"
#include "xlbd/firewall_sources.h"
#include "xlbd/host_sockets.h"

namespace xlb {

struct GuardInputs {
  // Of ports that Docker publishes; static services are nothing that the host's firewall knows of.
  std::function<const PortFirewall&(Protocol, uint16_t)> firewall;
  std::map<std::string, std::set<Ipv4>> addresses_of_devices;
  PortOwners owners;
};

// - A service with lists of its own lets in whom they let in; one whose labels are wrong lets nobody in.
// - A service on every address that is bound to some is closed at the node's others, by an exception for each.
// - A published port asks the host's firewall as well; both must let a client in.
// - A port, or an address of it, that a process of this node waits on is left to that process.
void GuardPorts(const StaticConfig& config, const GuardInputs& inputs, Assembly& assembly);

}  // namespace xlb

#endif  // XLB_XLBD_GUARD_H_
