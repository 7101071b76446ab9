#include "xlbd/port_guard.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "netlink/roles.h"

namespace xlb {
namespace {

constexpr std::chrono::seconds kSocketInterval{2};

}  // namespace

PortGuard::PortGuard(boost::asio::any_io_executor executor, std::function<void()> on_change)
    : executor_(executor), on_change_(std::move(on_change)), timer_(executor) {}

PortGuard::~PortGuard() { Stop(); }

void PortGuard::Start(bool with_docker) {
  if (with_docker) {
    firewall_ = std::make_unique<FirewallWatch>(executor_, on_change_);
    firewall_->Start();
  }
  Poll();
}

void PortGuard::Stop() {
  if (firewall_ != nullptr) firewall_->Stop();
  timer_.cancel();
}

// Nothing tells of sockets that begin or cease to wait.
void PortGuard::Poll() {
  timer_.expires_after(kSocketInterval);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    const PortOwners before = sockets_.owners();
    (void)sockets_.Refresh(ports_);  // Apply says what is wrong
    Poll();
    if (sockets_.owners() != before) on_change_();
  });
}

// The names by which the rules know the devices: a packet that comes in by the port of a bridge or bond is the bridge's
// or the bond's, and one with a VLAN tag is the VLAN device's.
FirewallSurroundings PortGuard::Surroundings(const NodeWatch& node, const std::vector<UplinkDevice>& uplinks,
                                             const std::string& gateway_bridge, Ipv4 sandbox) const {
  std::set<std::string> names, bridges;
  for (const UplinkDevice& uplink : uplinks) {
    const Link* link = node.Device(uplink.ifindex);
    names.insert(link != nullptr && link->master != 0 ? node.DeviceName(link->master) : uplink.name);
    for (const auto& [ifindex, other] : node.links()) {
      if (other.kind == "vlan" && other.link_index == uplink.ifindex && !other.link_netnsid) names.insert(other.name);
    }
  }
  for (const auto& [ifindex, link] : node.links()) {
    if (IsDockerBridge(link, gateway_bridge)) bridges.insert(link.name);
  }
  FirewallSurroundings surroundings;
  surroundings.uplinks.assign(names.begin(), names.end());
  surroundings.bridges.assign(bridges.begin(), bridges.end());
  surroundings.addresses.assign(node.addresses().begin(), node.addresses().end());
  surroundings.gateway_bridge = gateway_bridge;
  if (!sandbox.IsUnset()) surroundings.sandbox = {sandbox.HostOrder(), sandbox.HostOrder()};
  return surroundings;
}

void PortGuard::Apply(const NodeWatch& node, const std::vector<UplinkDevice>& uplinks,
                      const std::string& gateway_bridge, const StaticConfig& config, Assembly& assembly) {
  ports_.clear();
  for (const auto& [frontend, service] : assembly.state.services) ports_.insert({frontend.protocol, frontend.port});
  GuardInputs inputs;
  if (const absl::Status status = sockets_.Refresh(ports_); !status.ok()) {
    assembly.warnings.push_back(
        fmt::format("ports that a process of this node waits on cannot be seen: {}", std::string(status.message())));
  }
  inputs.owners = sockets_.owners();
  for (const Address& address : node.all_addresses()) {
    inputs.addresses_of_devices[node.DeviceName(address.ifindex)].insert(address.address);
  }
  if (firewall_ != nullptr) {
    sources_.Update(firewall_->rules(), firewall_->version(), firewall_->problem(),
                    Surroundings(node, uplinks, gateway_bridge, assembly.state.node.sandbox_address));
    inputs.firewall = [this](Protocol protocol, uint16_t port) -> const PortFirewall& {
      return sources_.Of(protocol, port);
    };
    if (!firewall_->warning().empty()) assembly.warnings.push_back(firewall_->warning());
  }
  GuardPorts(config, inputs, assembly);
}

}  // namespace xlb
