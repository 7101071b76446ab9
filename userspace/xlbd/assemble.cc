#include "xlbd/assemble.h"

#include <fmt/core.h>

#include <utility>

namespace xlb {
namespace {

Backend FromStatic(const StaticService& service, const StaticBackend& from) {
  const std::string name = from.endpoint.ToString();
  Backend backend{.identity = fmt::format("static:{}/{}", service.frontend.ToString(), name),
                  .name = name,
                  .node = "",
                  .weight = from.weight,
                  .state = from.draining ? BackendState::kDraining : BackendState::kActive,
                  .reach = {}};
  backend.reach.kind = BackendKind::kRoute;
  backend.reach.address = from.endpoint.address;
  backend.reach.port = from.endpoint.port;
  return backend;
}

Service FromStatic(const StaticService& from, const RouteResolver& route, const FormerSource& former) {
  Service service{.frontend = from.frontend,
                  .name = from.name,
                  .source = ServiceSource::kStatic,
                  .scheduler = from.scheduler,
                  .backends = {}};
  service.access = {from.allow, from.deny, from.bind};
  SharedVector<Backend> lost;
  for (const StaticBackend& from_backend : from.backends) {
    Backend backend = FromStatic(from, from_backend);
    const absl::StatusOr<Ipv4> source = route(backend.reach.address);
    backend.reach.snat_address = source.ok() ? *source : former(backend.identity);
    if (!source.ok()) service.unreachable.emplace_back(backend.name, std::string(source.status().message()));
    if (backend.reach.snat_address.IsUnset()) continue;
    (source.ok() ? service.backends : lost).push_back(std::move(backend));
  }
  // Every route is gone, as when the link goes down and up again: the flows live on, and find the way when it is back.
  if (service.backends.empty()) service.backends = std::move(lost);
  return service;
}

// A static service at one address of this node stands in front of the port that the swarm publishes on all of them.
void WarnOfHiddenPorts(const StaticConfig& config, Assembly& assembly) {
  for (const StaticService& service : config.services()) {
    if (!assembly.state.node.addresses.contains(service.frontend.address)) continue;
    Frontend everywhere = service.frontend;
    everywhere.address = Ipv4{};
    const auto hidden = assembly.state.services.find(everywhere);
    if (hidden == assembly.state.services.end() || hidden->second.source != ServiceSource::kSwarm) continue;
    assembly.warnings.push_back(fmt::format("the static service {} at {} hides the swarm service {} on that address",
                                            service.name, service.frontend.ToString(), hidden->second.name));
  }
}

}  // namespace

Assembly Assemble(const NodeFacts& node, const StaticConfig& config, const SwarmView& swarm, const RouteResolver& route,
                  const FormerSource& former) {
  Assembly assembly;
  assembly.state.node = node;
  assembly.state.node.vni = swarm.vni;
  assembly.state.node.vxlan_port = swarm.vxlan_port;
  assembly.state.node.tunnel_mtu = swarm.tunnel_mtu;
  assembly.state.node.sandbox_address = swarm.sandbox_address;
  assembly.state.node.task_networks = swarm.task_networks;
  for (const StaticService& service : config.services()) {
    assembly.state.services.emplace(service.frontend, FromStatic(service, route, former));
  }
  for (const Service& service : swarm.services) {
    const bool added = assembly.state.services.emplace(service.frontend, service).second;
    if (!added) {
      assembly.warnings.push_back(fmt::format("{} is published by swarm service {} but a static service has it",
                                              service.frontend.ToString(), service.name));
    }
  }
  WarnOfHiddenPorts(config, assembly);
  return assembly;
}

void FitTunnel(const std::string& device, uint32_t mtu, Assembly& assembly) {
  constexpr uint32_t kLeastMtu = 576;  // RFC 791: less is no MTU to believe in
  NodeFacts& node = assembly.state.node;
  if (node.vni == 0 || mtu < kLeastMtu + XLB_VXLAN_HEADROOM || mtu >= uint32_t{node.tunnel_mtu} + XLB_VXLAN_HEADROOM)
    return;
  assembly.warnings.push_back(fmt::format(
      "the MTU of {} is {}, too small for the ingress network's {} and {} bytes of VXLAN: packets to other nodes are "
      "kept "
      "to {}, but Docker's own may be cut in two: give the network the option com.docker.network.driver.mtu={}",
      device, mtu, node.tunnel_mtu, XLB_VXLAN_HEADROOM, mtu - XLB_VXLAN_HEADROOM, mtu));
  node.tunnel_mtu = static_cast<uint16_t>(mtu - XLB_VXLAN_HEADROOM);
}

void LeaveTunnel(const std::string& device, Assembly& assembly) {
  assembly.state.node.vni = 0;
  std::erase_if(assembly.state.services,
                [](const auto& entry) { return entry.second.source == ServiceSource::kSwarm; });
  assembly.warnings.push_back(fmt::format(
      "the swarm's data path goes by {}, which has no Ethernet frames: Swarm's ports are left to Docker's mesh",
      device));
}

}  // namespace xlb
