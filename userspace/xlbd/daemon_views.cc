// What the daemon shows of itself.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <unordered_map>

#include "base/file.h"
#include "model/flow_timeouts.h"
#include "model/records.h"
#include "xlbd/daemon.h"
#include "xlbd/peer_reach.h"

namespace xlb {
namespace {

std::string HostPort(uint32_t address_be, uint16_t port_be) {
  return fmt::format("{}:{}", Ipv4{address_be}.ToString(), ntohs(port_be));
}

std::string ViaOf(const Reach& reach, const std::string& device) {
  switch (reach.kind) {
    case BackendKind::kRoute:
      return fmt::format("source {}", reach.snat_address.ToString());
    case BackendKind::kVxlan:
      if (reach.peer) return fmt::format("xlb on {}{}", reach.tunnel_dst.ToString(), reach.direct ? ", direct" : "");
      return fmt::format("vxlan {}, source {}", reach.tunnel_dst.ToString(), reach.snat_address.ToString());
    case BackendKind::kLocal:
      return device;
  }
  return "";
}

// Forwarding is asked of the kernel each time: nothing tells of a changed sysctl.
bool ForwardsIp(const std::string& device) {
  const auto text = ReadFile(fmt::format("/proc/sys/net/ipv4/conf/{}/forwarding", device));
  return !text.ok() || !text->starts_with("0");
}

std::string FlowKindText(const xlb_flow& flow) {
  switch (flow.kind) {
    case XLB_KIND_VXLAN:
      return "vxlan";
    case XLB_KIND_PEER:
      return "peer";
    case XLB_KIND_LOCAL:
      return flow.tunnel.vni != 0 ? "local, by peer" : "local";
    default:
      return "route";
  }
}

FlowView ToView(const xlb_flow& flow, double idle_seconds) {
  const xlb_flow_key &key = flow.key[0], &answers = flow.key[1];
  FlowView view;
  view.protocol = ToString(static_cast<Protocol>(key.proto));
  view.client = HostPort(key.saddr, key.sport);
  view.frontend = HostPort(key.daddr, key.dport);
  view.source = HostPort(answers.daddr, answers.dport);
  view.backend = HostPort(answers.saddr, answers.sport);
  view.kind = FlowKindText(flow);
  view.state = ToString(PhaseOf(key.proto, xlb_life_state(flow.life)));
  view.idle_seconds = idle_seconds;
  return view;
}

}  // namespace

StatusView Daemon::Status() {
  StatusView view;
  view.version = XLB_VERSION;
  view.schema = XLB_SCHEMA;
  view.pid = getpid();
  view.uptime_seconds = std::chrono::duration<double>(clock_.Now() - started_).count();
  view.docker = "off";
  if (swarm_ != nullptr) {
    const SwarmView& swarm = swarm_->view();
    view.docker = swarm.docker;
    view.docker_version = swarm.docker_version;
    view.swarm_role = swarm.role;
    view.node_id = swarm.node_id;
    view.node_name = swarm.node_name;
    view.ingress_network = swarm.ingress_network;
    view.peers = swarm_->DescribePeers();
    if (peers_ != nullptr) view.nodes = peers_->Describe();
    view.docker_mesh = docker_mesh_->description();
    view.warnings = swarm.warnings;
    if (!swarm.pending.empty()) view.warnings.push_back(fmt::format("waiting: {}", swarm.pending));
  }
  view.warnings.insert(view.warnings.end(), warnings_.begin(), warnings_.end());
  if (!kept_.empty()) {
    view.warnings.push_back(fmt::format(
        "{} services of an earlier xlbd are kept as they were until Docker answers, or on a worker a manager's xlbd",
        kept_.size()));
  }
  if (!last_failure_.empty())
    view.warnings.push_back(fmt::format("the data path could not be brought up to date: {}", last_failure_));
  if (data_path_ == nullptr) {
    view.mode = "passive";
    view.warnings.push_back("detached: this node's traffic does not pass through xlb; start xlbd again to change that");
    return view;
  }
  if (!data_path_->host_warning().empty()) view.warnings.push_back(data_path_->host_warning());
  view.mode = view.swarm_role == "manager" || view.swarm_role == "worker" ? "swarm" : "static";
  view.uplinks = data_path_->uplinks();
  for (const UplinkDevice& device : uplinks_) {
    if (ForwardsIp(device.name)) continue;
    view.warnings.push_back(
        fmt::format("IP forwarding is off on {0}: TC does all the work, for backends behind {0} alone; "
                    "'sysctl -w net.ipv4.ip_forward=1' changes that",
                    device.name));
  }
  for (const std::string& name : options_.uplinks) {
    if (const auto named = node_->Named({name}); !named.ok()) {
      view.warnings.emplace_back(named.status().message());
    }
  }
  if (view.uplinks.empty() && options_.uplinks.empty())
    view.warnings.push_back("no uplink: this node has no Ethernet device with an address; name one with --uplink");
  for (const Ipv4 address : desired_.node.addresses) view.addresses.push_back(address.ToString());
  view.services = reconciler_->contents().services.size();
  for (const auto& [frontend, service] : desired_.services) view.services -= service.is_exception;
  view.backends = reconciler_->contents().backends.size();
  view.docker_flows = sweep_.marks;
  view.flows = sweep_.flows;
  view.flow_capacity = options_.max_flows;
  if (data_path_->flows().buckets() != XLB_FLOW_BUCKETS(options_.max_flows)) {
    view.flow_capacity = data_path_->flows().capacity();
    view.warnings.push_back(fmt::format(
        "the flow table made earlier holds {} flows; 'xlbctl detach' and a restart give it the {} asked for",
        view.flow_capacity, options_.max_flows));
  }
  return view;
}

std::vector<BackendView> Daemon::BackendsOf(const Service& service) const {
  std::vector<BackendView> views;
  std::map<std::string, std::string> unreachable(service.unreachable.begin(), service.unreachable.end());
  for (const Backend& backend : service.backends) {
    BackendView view;
    view.service = service.name;
    view.frontend = service.frontend.ToString();
    view.id = reconciler_->BackendId(backend.identity);
    view.name = backend.name;
    view.node = backend.node;
    Reach reach = backend.reach;
    reach.peer &= !service.snat;
    view.kind = reach.peer ? "peer" : ToString(reach.kind);
    if (peers_ != nullptr) view.reason = WhyNotPeer(peers_->tracker(), service, backend);
    view.address = fmt::format("{}:{}", backend.reach.address.ToString(),
                               backend.reach.port != 0 ? backend.reach.port : service.frontend.port);
    view.via = ViaOf(reach, node_->DeviceName(backend.reach.ifindex));
    view.state = ToString(backend.state);
    view.weight = backend.weight;
    const auto live = sweep_.flows_by_backend.find(view.id);
    view.live_flows = live == sweep_.flows_by_backend.end() ? 0 : live->second;
    view.stats = StatsOrNothing(data_path_->counters().Backend(view.id));
    if (auto lost = unreachable.extract(backend.name)) {
      view.state = "unreachable";
      view.reason = std::move(lost.mapped());
    }
    views.push_back(std::move(view));
  }
  for (const auto& [name, reason] : unreachable) {
    BackendView view;
    view.service = service.name;
    view.frontend = service.frontend.ToString();
    view.name = name;
    view.kind = "none";
    view.state = "unreachable";
    view.reason = reason;
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<ServiceView> Daemon::Services() {
  std::vector<ServiceView> views;
  if (data_path_ == nullptr) return views;
  const auto& contents = reconciler_->contents();
  for (const auto& [frontend, service] : desired_.services) {
    if (service.is_exception) continue;
    ServiceView view;
    for (const Ipv4Prefix& prefix : service.access.allow) view.allow.push_back(prefix.ToString());
    for (const Ipv4Prefix& prefix : service.access.deny) view.deny.push_back(prefix.ToString());
    view.bind = service.access.bind;
    view.left = service.left_because;
    view.id = reconciler_->ServiceId(frontend);
    view.name = service.name;
    view.frontend = frontend.ToString();
    view.source = ToString(service.source);
    view.scheduler = ToString(service.scheduler);
    if (const auto record = contents.services.find(ServiceKey(frontend)); record != contents.services.end())
      view.ring_slots = record->second.ring_len;
    view.stats = StatsOrNothing(data_path_->counters().Service(view.id));
    view.backends = BackendsOf(service);
    views.push_back(std::move(view));
  }
  return views;
}

absl::StatusOr<std::vector<FlowView>> Daemon::Flows(const FlowFilter& filter) {
  std::vector<FlowView> views;
  if (data_path_ == nullptr) return views;
  std::unordered_map<uint32_t, const Service*> services;
  std::unordered_map<uint32_t, const Backend*> backends;
  for (const auto& [frontend, service] : desired_.services) {
    if (!filter.service.empty() && filter.service != service.name && filter.service != frontend.ToString()) continue;
    services.emplace(reconciler_->ServiceId(frontend), &service);
    for (const Backend& backend : service.backends)
      backends.emplace(reconciler_->BackendId(backend.identity), &backend);
  }
  XLB_ASSIGN_OR_RETURN(const uint32_t now, data_path_->clock().Now());
  data_path_->flows().ForEach([&](const xlb_flow& flow) {
    if (flow.kind == XLB_KIND_NONE || views.size() >= filter.limit) return;
    const auto service = services.find(flow.service);
    if (service == services.end() && !filter.service.empty()) return;
    if (!filter.client.empty() && filter.client != Ipv4{flow.key[0].saddr}.ToString()) return;
    const auto idle = static_cast<int32_t>(now - xlb_life_seen(flow.life));
    FlowView view = ToView(flow, std::max(0, idle) * tick_seconds_);
    if (service != services.end()) view.service = service->second->name;
    const auto backend = backends.find(flow.backend);
    if (backend != backends.end()) view.backend_name = backend->second->name;
    views.push_back(std::move(view));
  });
  return views;
}

absl::StatusOr<StatsReport> Daemon::Stats() {
  if (data_path_ == nullptr) return StatsReport{};
  return data_path_->counters().Read();
}

}  // namespace xlb
