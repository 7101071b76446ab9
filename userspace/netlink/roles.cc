#include "netlink/roles.h"

#include <algorithm>
#include <string_view>

namespace xlb {
namespace {

constexpr std::string_view kNetworkPrefix = "br-";
constexpr size_t kNetworkIdDigits = 12;

bool IsNetworkBridgeName(std::string_view name) {
  if (!name.starts_with(kNetworkPrefix) || name.size() != kNetworkPrefix.size() + kNetworkIdDigits) return false;
  return name.find_first_not_of("0123456789abcdef", kNetworkPrefix.size()) == std::string_view::npos;
}

bool OnlyPacksOrSwallows(const Link& link) {
  return link.kind == "vxlan" || link.kind == "geneve" || link.kind == "dummy" || link.kind == "ifb";
}

}  // namespace

bool IsDockerBridge(const Link& link, const std::string& gateway_bridge) {
  if (link.kind != "bridge") return false;
  return link.name == "docker0" || link.name == gateway_bridge || IsNetworkBridgeName(link.name);
}

std::set<uint32_t> ContainerVeths(const Links& links, const std::string& gateway_bridge) {
  std::set<uint32_t> veths;
  for (const auto& [ifindex, link] : links) {
    if (link.kind != "veth" || link.master == 0) continue;
    const auto bridge = links.find(link.master);
    if (bridge != links.end() && IsDockerBridge(bridge->second, gateway_bridge)) veths.insert(ifindex);
  }
  return veths;
}

std::set<uint32_t> HostOutputs(const Links& links, const std::string& gateway_bridge) {
  std::set<uint32_t> devices;
  for (const auto& [ifindex, link] : links) {
    if (link.loopback || (link.kind == "bridge" && link.name == gateway_bridge)) devices.insert(ifindex);
  }
  return devices;
}

std::set<uint32_t> ClientDevices(const Links& links, const std::vector<Address>& addresses,
                                 const std::string& gateway_bridge) {
  std::set<uint32_t> devices;
  for (const Address& address : addresses) {
    const auto found = links.find(address.ifindex);
    if (!address.global || found == links.end()) continue;
    const Link& link = found->second;
    if (!link.up || !link.ethernet || OnlyPacksOrSwallows(link) || IsDockerBridge(link, gateway_bridge)) continue;
    devices.insert(link.ifindex);
  }
  return devices;
}

}  // namespace xlb
