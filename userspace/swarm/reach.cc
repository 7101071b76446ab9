#include "swarm/reach.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "swarm/view.h"

namespace xlb {
namespace {

constexpr std::string_view kGatewayPrefix = "gateway_";
constexpr size_t kBridgeIdDigits = 12;
constexpr uint32_t kLoopbackIfindex = 1;  // in every namespace

Ipv4 IngressAddressOf(const SwarmTask& task, const std::string& network_id) {
  for (const NetworkAttachment& attachment : task.networks) {
    if (attachment.network_id == network_id) return attachment.address;
  }
  return Ipv4{};
}

// The ingress network's sandbox in one of the networks that it is in.
const NetworkEndpoint* SandboxEndpoint(const DockerSnapshot& docker, const DockerNetwork& network) {
  // The sandbox has the ingress network's name: "ingress-sbox" for the one that `swarm init` makes.
  const auto found = network.endpoints.find(docker.ingress->name + "-sbox");
  if (found == network.endpoints.end() || found->second.address.IsUnset()) return nullptr;
  return &found->second;
}

}  // namespace

std::string SandboxOf(const NetworkEndpoint& gateway_endpoint) {
  const std::string_view name = gateway_endpoint.name;
  // The rest names a file: nothing that could lead elsewhere.
  if (!name.starts_with(kGatewayPrefix) || name.find('/') != name.npos) return {};
  return std::string(name.substr(kGatewayPrefix.size()));
}

const NetworkEndpoint* OwnIngressEndpoint(const DockerSnapshot& docker) {
  return docker.ingress ? SandboxEndpoint(docker, *docker.ingress) : nullptr;
}

Ipv4 SandboxAddress(const DockerSnapshot& docker) {
  if (!docker.ingress || !docker.gateway_network) return Ipv4{};
  const NetworkEndpoint* endpoint = SandboxEndpoint(docker, *docker.gateway_network);
  return endpoint == nullptr ? Ipv4{} : endpoint->address;
}

std::string GatewayBridge(const DockerSnapshot& docker) {
  if (!docker.gateway_network) return kGatewayBridge;
  const auto& options = docker.gateway_network->options;
  const auto name = options.find("com.docker.network.bridge.name");
  if (name != options.end() && !name->second.empty()) return name->second;
  // As for any bridge network that was made without a name for its device.
  return "br-" + docker.gateway_network->id.substr(0, kBridgeIdDigits);
}

std::set<Ipv4Prefix> OtherNetworksOf(const TaskNetns& task) {
  std::set<Ipv4Prefix> networks;
  if (task.default_routes.empty()) return networks;
  for (const Address& address : task.addresses) {
    if (address.ifindex == task.default_routes.front().ifindex || address.ifindex == kLoopbackIfindex) continue;
    networks.insert(Ipv4Prefix::Around(address.address, address.prefix_length));
  }
  return networks;
}

Ipv4 TunnelSource(const DockerSnapshot& docker, const KernelSnapshot& kernel, Ipv4 destination) {
  if (kernel.overlay && !kernel.overlay->vxlan.local.IsUnset()) return kernel.overlay->vxlan.local;
  // Before 25.0 the device has no address of its own: the kernel takes the route's.
  const auto found = kernel.route_sources.find(destination);
  return found != kernel.route_sources.end() ? found->second : docker.info.node_address;
}

Ipv4 DataPathAddress(const DockerSnapshot& docker, const KernelSnapshot& kernel) {
  // Whatever node the forwarding table names is named by its data path address.
  Ipv4 other;
  if (kernel.overlay && !kernel.overlay->fdb.empty()) other = kernel.overlay->fdb.begin()->second;
  return TunnelSource(docker, kernel, other);
}

ReachFinder::ReachFinder(const DockerSnapshot& docker, const KernelSnapshot& kernel)
    : docker_(docker), kernel_(kernel) {
  for (const SwarmNode& node : docker.nodes) {
    nodes_[node.id] = &node;
    if (!node.address.IsUnset()) nodes_by_address_[node.address] = &node;
  }
  for (const Link& link : kernel.links) links_[link.ifindex] = &link;
}

const SwarmNode* ReachFinder::FindNode(const std::string& id) const {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : found->second;
}

absl::StatusOr<Reach> ReachFinder::Local(const SwarmTask& task, uint16_t target_port) const {
  if (!docker_.gateway_network) return absl::NotFoundError("this node has no network docker_gwbridge");
  const auto& endpoints = docker_.gateway_network->endpoints;
  const auto endpoint = endpoints.find(task.container_id);
  if (endpoint == endpoints.end()) {
    return absl::FailedPreconditionError("it has no leg on docker_gwbridge by which packets could reach it");
  }
  const std::string sandbox = SandboxOf(endpoint->second);
  const auto netns = kernel_.tasks.find(sandbox);
  if (netns == kernel_.tasks.end()) {
    return absl::NotFoundError(fmt::format("its network namespace {} cannot be read", sandbox));
  }
  const auto& links = netns->second.links;
  const auto leg =
      std::find_if(links.begin(), links.end(), [&](const Link& link) { return link.mac == endpoint->second.mac; });
  if (leg == links.end() || leg->kind != "veth") {
    return absl::NotFoundError(
        fmt::format("no device of its network namespace has the address {} of its leg on "
                    "docker_gwbridge",
                    endpoint->second.mac.ToString()));
  }
  const auto& routes = netns->second.default_routes;
  if (routes.empty() || routes.front().ifindex != leg->ifindex) {
    return absl::FailedPreconditionError("its default route does not lead to docker_gwbridge: replies would get lost");
  }
  // The veth's other end, if it is still that: a number that is free is soon given to another device.
  const auto veth = links_.find(leg->link_index);
  if (veth == links_.end() || veth->second->kind != "veth" || veth->second->link_index != leg->ifindex) {
    return absl::NotFoundError("the host's end of its leg on docker_gwbridge is gone");
  }
  const auto bridge = links_.find(veth->second->master);
  if (bridge == links_.end() || bridge->second->kind != "bridge") {
    return absl::NotFoundError("the host's end of its leg on docker_gwbridge is not on the bridge");
  }
  Reach reach;
  reach.kind = BackendKind::kLocal;
  reach.address = endpoint->second.address;
  reach.port = target_port;
  reach.ifindex = veth->second->ifindex;
  reach.dst_mac = leg->mac;
  reach.src_mac = bridge->second->mac;
  return reach;
}

absl::StatusOr<Reach> ReachFinder::Remote(const SwarmTask& task) const {
  const NetworkEndpoint* own = OwnIngressEndpoint(docker_);
  if (own == nullptr || !kernel_.overlay) return absl::NotFoundError("the ingress network is not up on this node");
  Reach reach;
  reach.kind = BackendKind::kVxlan;
  reach.address = IngressAddressOf(task, docker_.ingress->id);
  if (reach.address.IsUnset()) return absl::NotFoundError("it has no address in the ingress network");
  reach.snat_address = own->address;
  reach.src_mac = own->mac;
  reach.vni = kernel_.overlay->vxlan.vni;
  const auto neighbor = kernel_.overlay->neighbors.find(reach.address);
  reach.dst_mac =
      neighbor != kernel_.overlay->neighbors.end() ? neighbor->second : Mac::FromOverlayAddress(reach.address);
  reach.tunnel_dst = TunnelDestination(task, reach.dst_mac);
  if (reach.tunnel_dst.IsUnset()) {
    return absl::NotFoundError(fmt::format("the address of its node {} is not known", task.node_id));
  }
  reach.tunnel_src = TunnelSource(docker_, kernel_, reach.tunnel_dst);
  if (reach.tunnel_src.IsUnset()) return absl::NotFoundError("this node's own data path address is not known");
  return reach;
}

// The forwarding table knows data path addresses, which the API does not. But it lags behind when an address of the
// ingress network moves to another node within seconds; the API does not.
Ipv4 ReachFinder::TunnelDestination(const SwarmTask& task, const Mac& mac) const {
  const SwarmNode* node = FindNode(task.node_id);
  const Ipv4 advertised = node == nullptr ? Ipv4{} : node->address;
  const auto entry = kernel_.overlay->fdb.find(mac);
  if (entry == kernel_.overlay->fdb.end()) return advertised;
  const auto owner = nodes_by_address_.find(entry->second);
  const bool stale = owner != nodes_by_address_.end() && owner->second->id != task.node_id;
  return stale ? advertised : entry->second;
}

}  // namespace xlb
