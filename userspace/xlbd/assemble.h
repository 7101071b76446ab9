// Sources -> desired state. Pure: routes are asked through a function.
#ifndef XLB_XLBD_ASSEMBLE_H_
#define XLB_XLBD_ASSEMBLE_H_

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/desired_state.h"
#include "model/static_config.h"
#include "swarm/view.h"

namespace xlb {

// Where the node sends packets for a routed backend, and the source address it takes; or why it cannot.
using RouteResolver = std::function<absl::StatusOr<Ipv4>(Ipv4 backend)>;
// The source address that a routed backend has in the data path so far; unset: none.
using FormerSource = std::function<Ipv4(const std::string& identity)>;

struct Assembly {
  DesiredState state;
  std::vector<std::string> warnings;
};

// `node`: facts that do not come from Swarm. A static service takes precedence over a published port; the warning says
// so.
Assembly Assemble(const NodeFacts& node, const StaticConfig& config, const SwarmView& swarm, const RouteResolver& route,
                  const FormerSource& former);

// What the ingress network carries by its own MTU may be more than the data path's device does, which is `mtu` bytes:
// then that counts, and a warning says so.
void FitTunnel(const std::string& device, uint32_t mtu, Assembly& assembly);

// Where the frames of the data path's device have no Ethernet header (WireGuard, tun, PPP), the programs cannot read
// them: Swarm's ports are left to Docker's mesh.
void LeaveTunnel(const std::string& device, Assembly& assembly);

}  // namespace xlb

#endif  // XLB_XLBD_ASSEMBLE_H_
