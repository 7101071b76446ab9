#include "xlbd/node_watch.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace xlb {
namespace {

bool IsLoopback(Ipv4 address) { return address.HostOrder() >> 24 == 127; }

}  // namespace

absl::StatusOr<NodeWatch> NodeWatch::Open() {
  XLB_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
  return NodeWatch(std::move(netlink));
}

absl::Status NodeWatch::Refresh() {
  XLB_ASSIGN_OR_RETURN(std::vector<Link> links, netlink_.Links());
  XLB_ASSIGN_OR_RETURN(all_addresses_, netlink_.Addresses());
  XLB_ASSIGN_OR_RETURN(default_routes_, netlink_.DefaultRoutes());
  links_.clear();
  for (Link& link : links) links_.emplace(link.ifindex, std::move(link));
  addresses_.clear();
  for (const Address& address : all_addresses_) {
    if (!IsLoopback(address.address)) addresses_.insert(address.address);
  }
  return absl::OkStatus();
}

UplinkDevice NodeWatch::ToDevice(const Link& link) const {
  UplinkDevice device{
      .name = link.name, .ifindex = link.ifindex, .mtu = link.mtu, .is_veth = link.kind == "veth", .has_vlans = false};
  for (const auto& [ifindex, other] : links_) {
    if (other.kind == "vlan" && other.link_index == link.ifindex && !other.link_netnsid) device.has_vlans = true;
  }
  return device;
}

absl::StatusOr<std::vector<UplinkDevice>> NodeWatch::Named(const std::vector<std::string>& names) const {
  std::vector<UplinkDevice> devices;
  for (const std::string& name : names) {
    const Link* found = nullptr;
    for (const auto& [ifindex, link] : links_) {
      if (link.name == name) found = &link;
    }
    if (found == nullptr) {
      return absl::NotFoundError(
          fmt::format("uplink \"{}\" does not exist on this node: 'ip link' lists its devices", name));
    }
    devices.push_back(ToDevice(*found));
  }
  return devices;
}

std::vector<UplinkDevice> NodeWatch::Found(Ipv4 data_path, const std::string& gateway_bridge,
                                           const std::set<uint32_t>& also) const {
  std::set<uint32_t> wanted = ClientDevices(links_, all_addresses_, gateway_bridge);
  wanted.insert(also.begin(), also.end());
  for (const Route& route : default_routes_) wanted.insert(route.ifindex);
  for (const Address& address : all_addresses_) {
    if (!data_path.IsUnset() && address.address == data_path) wanted.insert(address.ifindex);
  }
  std::vector<UplinkDevice> devices;
  for (const uint32_t ifindex : wanted) {
    const auto link = links_.find(ifindex);
    if (link != links_.end()) devices.push_back(ToDevice(link->second));
  }
  return devices;
}

const Link* NodeWatch::DeviceWith(Ipv4 wanted) const {
  const auto found = std::find_if(all_addresses_.begin(), all_addresses_.end(),
                                  [&](const Address& address) { return address.address == wanted; });
  return found == all_addresses_.end() ? nullptr : Device(found->ifindex);
}

Ipv4 NodeWatch::GatewayAddress(const std::string& gateway_bridge) const {
  for (const Address& address : all_addresses_) {
    const Link* link = Device(address.ifindex);
    if (link != nullptr && link->kind == "bridge" && link->name == gateway_bridge) return address.address;
  }
  return Ipv4{};
}

const Link* NodeWatch::Device(uint32_t ifindex) const {
  const auto link = links_.find(ifindex);
  return link == links_.end() ? nullptr : &link->second;
}

std::string NodeWatch::DeviceName(uint32_t ifindex) const {
  const Link* device = Device(ifindex);
  return device == nullptr ? fmt::format("device {}", ifindex) : device->name;
}

}  // namespace xlb
