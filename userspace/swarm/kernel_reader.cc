#include "swarm/kernel_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "netlink/netlink.h"

namespace xlb {
namespace {

// libnetwork names an overlay's namespace "<n>-<first characters of the network's id>"; n counts how often the node
// joined.
constexpr size_t kIdCharacters = 10;

absl::StatusOr<OverlayNetns> ReadOverlayNetns(const std::string& path) {
  XLB_ASSIGN_OR_RETURN(Netlink netlink, Netlink::OpenIn(path));
  XLB_ASSIGN_OR_RETURN(const std::vector<Link> links, netlink.Links());
  const auto device = std::find_if(links.begin(), links.end(), [](const Link& link) { return link.vxlan.has_value(); });
  if (device == links.end()) return absl::NotFoundError(fmt::format("{} has no vxlan device", path));
  OverlayNetns overlay;
  overlay.mtu = device->mtu;
  overlay.vxlan = *device->vxlan;
  XLB_ASSIGN_OR_RETURN(const std::vector<Neighbor> neighbors, netlink.Neighbors(device->ifindex));
  for (const Neighbor& neighbor : neighbors) {
    if (!neighbor.mac.IsUnset()) overlay.neighbors[neighbor.address] = neighbor.mac;
  }
  XLB_ASSIGN_OR_RETURN(const std::vector<FdbEntry> entries, netlink.BridgeFdb(device->ifindex));
  for (const FdbEntry& entry : entries) overlay.fdb[entry.mac] = entry.destination;
  return overlay;
}

absl::StatusOr<TaskNetns> ReadTaskNetns(const std::string& path) {
  XLB_ASSIGN_OR_RETURN(Netlink netlink, Netlink::OpenIn(path));
  TaskNetns task;
  XLB_ASSIGN_OR_RETURN(task.links, netlink.Links());
  XLB_ASSIGN_OR_RETURN(task.default_routes, netlink.DefaultRoutes());
  XLB_ASSIGN_OR_RETURN(task.addresses, netlink.Addresses());
  return task;
}

// Docker lists a leg before the device is where it belongs and the routes are set.
bool IsComplete(const TaskNetns& task, const Mac& leg) {
  const auto has_leg = [&leg](const Link& link) { return link.mac == leg; };
  return !task.default_routes.empty() && std::any_of(task.links.begin(), task.links.end(), has_leg);
}

}  // namespace

void KernelReader::ReadLinks() {
  auto netlink = Netlink::Open();
  if (!netlink.ok()) return;
  // When the devices cannot be read just now, those known stand.
  if (auto links = netlink->Links(); links.ok()) snapshot_.links = *std::move(links);
}

absl::StatusOr<std::string> KernelReader::FindOverlayNetns(const std::string& network_id) const {
  const std::string suffix = "-" + network_id.substr(0, kIdCharacters);
  std::error_code error;
  std::filesystem::directory_iterator entry(netns_dir_, error);
  if (error) return absl::NotFoundError(fmt::format("cannot list {}: {}", netns_dir_, error.message()));
  std::string newest;
  int newest_number = -1;
  for (; entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    int number = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
    if (parsed.ec != std::errc() || std::string_view(parsed.ptr) != suffix || number <= newest_number) continue;
    newest = entry->path().string();
    newest_number = number;
  }
  if (newest.empty()) return absl::NotFoundError(fmt::format("there is no {}/*{}", netns_dir_, suffix));
  return newest;
}

void KernelReader::ReadOverlay(const std::string& network_id, const std::vector<SwarmNode>& nodes) {
  snapshot_.overlay.reset();
  snapshot_.overlay_missing = "the swarm has no ingress network";
  if (network_id.empty()) return;
  const auto path = FindOverlayNetns(network_id);
  absl::StatusOr<OverlayNetns> overlay = path.ok() ? ReadOverlayNetns(*path) : path.status();
  if (!overlay.ok()) {
    snapshot_.overlay_missing = std::string(overlay.status().message());
    return;
  }
  snapshot_.overlay = *std::move(overlay);
  snapshot_.overlay_missing.clear();
  ReadRouteSources(nodes);
}

void KernelReader::ReadRouteSources(const std::vector<SwarmNode>& nodes) {
  std::set<Ipv4> destinations;
  for (const auto& [mac, destination] : snapshot_.overlay->fdb) destinations.insert(destination);
  for (const SwarmNode& node : nodes) destinations.insert(node.address);
  destinations.erase(Ipv4{});
  snapshot_.route_sources.clear();
  auto netlink = Netlink::Open();
  if (!netlink.ok()) return;
  for (const Ipv4 destination : destinations) {
    const auto route = netlink->RouteTo(destination);
    // A local one is this node itself.
    if (!route.ok() || route->type != RouteType::kUnicast || route->prefsrc.IsUnset()) continue;
    snapshot_.route_sources[destination] = route->prefsrc;
  }
}

void KernelReader::ReadTasks(const std::map<std::string, Mac>& sandboxes, bool again) {
  std::map<std::string, TaskNetns> tasks;
  for (const auto& [sandbox, leg] : sandboxes) {
    const auto known = snapshot_.tasks.find(sandbox);
    if (known != snapshot_.tasks.end() && !again && IsComplete(known->second, leg)) {
      tasks[sandbox] = std::move(known->second);
    } else if (auto read = ReadTaskNetns(fmt::format("{}/{}", netns_dir_, sandbox)); read.ok()) {
      tasks[sandbox] = *std::move(read);
    }
  }
  snapshot_.tasks = std::move(tasks);
}

}  // namespace xlb
