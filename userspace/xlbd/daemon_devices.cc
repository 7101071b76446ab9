// On which devices of the node the daemon has its programs.
#include <fmt/core.h>

#include "netlink/roles.h"
#include "xlbd/daemon.h"

namespace xlb {

std::vector<Link> Daemon::UplinkLinks() const {
  std::vector<Link> links;
  for (const UplinkDevice& device : uplinks_) {
    if (const Link* link = node_->Device(device.ifindex)) links.push_back(*link);
  }
  return links;
}

// When the node's networking restarts, devices go down and come up again and the default route goes for a while: the
// uplinks so far stay, and connections outlive that.
std::set<uint32_t> Daemon::UplinksToKeep() const {
  std::set<uint32_t> keep = kept_uplinks_;
  for (const UplinkDevice& device : uplinks_) {
    if (const Link* link = node_->Device(device.ifindex); link != nullptr && !link->up) keep.insert(device.ifindex);
  }
  if (node_->HasDefaultRoute()) return keep;
  if (uplinks_.empty()) keep.merge(data_path_->AttachedUplinks());
  for (const UplinkDevice& device : uplinks_) keep.insert(device.ifindex);
  return keep;
}

std::vector<UplinkDevice> Daemon::ChooseUplinks() const {
  if (options_.uplinks.empty())
    return node_->Found(swarm_view_.data_path_address, swarm_view_.gateway_bridge, UplinksToKeep());
  std::vector<UplinkDevice> devices;
  for (const std::string& name : options_.uplinks) {
    // One that went away comes back as another device; until then the others serve.
    if (const auto named = node_->Named({name}); named.ok()) devices.push_back(named->front());
  }
  return devices;
}

absl::Status Daemon::RefreshNode() {
  XLB_RETURN_IF_ERROR(node_->Refresh());
  uplinks_ = ChooseUplinks();
  const size_t before = data_path_->uplinks().size();
  XLB_RETURN_IF_ERROR(data_path_->SetUplinks(uplinks_));
  if (data_path_->uplinks().size() != before) {
    for (const UplinkView& uplink : data_path_->uplinks()) {
      events_.Add(
          "uplink", uplink.name,
          fmt::format("XDP {} ({}){}{}", uplink.xdp, uplink.attach, uplink.reason.empty() ? "" : ": ", uplink.reason));
    }
  }
  return AttachOnNode();
}

// The programs for clients on the node, and for its tasks: before a task gets traffic, its veth is among the devices.
absl::Status Daemon::AttachOnNode() {
  std::set<uint32_t> containers = ContainerVeths(node_->links(), swarm_view_.gateway_bridge);
  std::set<uint32_t> outputs = HostOutputs(node_->links(), swarm_view_.gateway_bridge);
  if (!kept_.empty()) {
    // Docker has not said yet whether its bridge has a name of its own.
    for (const uint32_t ifindex : data_path_->AttachedContainers()) containers.insert(ifindex);
    for (const uint32_t ifindex : data_path_->AttachedHostOutputs()) outputs.insert(ifindex);
  }
  for (absl::Status status : {data_path_->SetContainers(containers), data_path_->SetHostOutputs(outputs)}) {
    // A device that goes in this very moment takes its container along; the next report says so.
    if (!status.ok() && !absl::IsNotFound(status)) return status;
  }
  return absl::OkStatus();
}

}  // namespace xlb
