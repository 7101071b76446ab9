#include "xlbd/assemble.h"

#include <fmt/core.h>

#include <utility>

namespace xlb {
namespace {

Service FromStatic(const StaticService& from, const RouteResolver& route) {
  Service service{.frontend = from.frontend,
                  .name = from.name,
                  .source = ServiceSource::kStatic,
                  .scheduler = from.scheduler,
                  .backends = {},
                  .unreachable = {}};
  for (const StaticBackend& backend : from.backends) {
    const std::string name = backend.endpoint.ToString();
    const absl::StatusOr<Ipv4> source = route(backend.endpoint.address);
    if (!source.ok()) {
      service.unreachable.emplace_back(name, std::string(source.status().message()));
      continue;
    }
    Reach reach;
    reach.kind = BackendKind::kRoute;
    reach.address = backend.endpoint.address;
    reach.port = backend.endpoint.port;
    reach.snat_address = *source;
    service.backends.push_back({.identity = fmt::format("static:{}/{}", from.frontend.ToString(), name),
                                .name = name,
                                .node = "",
                                .weight = backend.weight,
                                .state = backend.draining ? BackendState::kDraining : BackendState::kActive,
                                .reach = reach});
  }
  return service;
}

}  // namespace

Assembly Assemble(const NodeFacts& node, const StaticConfig& config, const SwarmView& swarm,
                  const RouteResolver& route) {
  Assembly assembly;
  assembly.state.node = node;
  assembly.state.node.vni = swarm.vni;
  assembly.state.node.vxlan_port = swarm.vxlan_port;
  assembly.state.node.tunnel_mtu = swarm.tunnel_mtu;
  for (const StaticService& service : config.services()) {
    assembly.state.services.emplace(service.frontend, FromStatic(service, route));
  }
  for (const Service& service : swarm.services) {
    const bool added = assembly.state.services.emplace(service.frontend, service).second;
    if (!added) {
      assembly.warnings.push_back(fmt::format("{} is published by swarm service {} but a static service has it",
                                              service.frontend.ToString(), service.name));
    }
  }
  return assembly;
}

}  // namespace xlb
