#include "swarm/view.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "model/policy.h"
#include "swarm/reach.h"

namespace xlb {
namespace {

std::optional<Protocol> ServedProtocol(const PublishedPort& port) {
  if (port.protocol == "tcp") return Protocol::kTcp;
  if (port.protocol == "udp") return Protocol::kUdp;
  return std::nullopt;
}

bool IsIngress(const PublishedPort& port) { return port.mode == "ingress" && port.published != 0; }

// Nothing: the task gets and keeps no flow.
std::optional<BackendState> StateOf(const SwarmTask& task, const SwarmNode* node, const DockerSnapshot& docker,
                                    bool service_removed) {
  if (task.state != "running" || docker.dead_containers.contains(task.container_id)) return std::nullopt;
  if (node != nullptr && node->state == "down") return BackendState::kDown;
  if (service_removed || task.desired_state == "shutdown" || task.desired_state == "remove") {
    return BackendState::kDraining;
  }
  // A job's tasks are wanted "complete" while they run.
  if (task.desired_state == "running" || task.desired_state == "complete") return BackendState::kActive;
  return std::nullopt;
}

// The target port of `port` as this task knows it. While an update that changes the published ports is under way, the
// tasks from before it still have the ports of the specification before: nothing when `port` is not among them.
std::optional<uint16_t> TargetPortOf(const SwarmTask& task, const SwarmService& service, const PublishedPort& port) {
  const bool updating = service.has_previous && !service.update_state.ends_with("completed");
  const int64_t update_ns = service.update_started_ns != 0 ? service.update_started_ns : service.updated_ns;
  if (!updating || task.created_ns >= update_ns) return port.target;
  for (const PublishedPort& previous : service.previous_ports) {
    // One that Docker has chosen is not in the specification: then the target port tells that it is the same.
    const bool same =
        previous.published == port.published || (previous.published == 0 && previous.target == port.target);
    if (same && previous.protocol == port.protocol && previous.mode == port.mode) return previous.target;
  }
  return std::nullopt;
}

class Builder {
 public:
  Builder(const DockerSnapshot& docker, const KernelSnapshot& kernel)
      : docker_(docker), kernel_(kernel), finder_(docker, kernel) {
    for (const SwarmTask& task : docker.tasks) tasks_[task.service_id].push_back(&task);
    for (auto& [service, tasks] : tasks_) {
      std::sort(tasks.begin(), tasks.end(), [](const SwarmTask* a, const SwarmTask* b) {
        return std::tie(a->slot, a->node_id, a->id) < std::tie(b->slot, b->node_id, b->id);
      });
    }
  }

  SwarmView Build() &&;

 private:
  void DescribeNode();
  std::map<Ipv4, std::string> OtherNodes() const;
  void DescribeIngress();
  // Why xlb must leave the ingress network to Docker's own mesh; empty: it need not.
  std::string LeftToDocker() const;
  void AddService(const SwarmService& service, bool removed);
  // Ports that the service had before its last update and has no more: tasks from before it keep their connections
  // there.
  void AddFormerPorts(const SwarmService& service);
  Service NewService(const SwarmService& service, const PublishedPort& port, Protocol protocol, size_t ports);
  void AddBackends(const SwarmService& service, const PublishedPort& port, bool removed, Service& to);
  void Await(const std::string& what);

  const DockerSnapshot& docker_;
  const KernelSnapshot& kernel_;
  ReachFinder finder_;
  std::map<std::string, std::vector<const SwarmTask*>> tasks_;  // by service
  std::map<Frontend, Service> services_;
  std::map<Frontend, std::map<std::string, std::string>> labels_;  // of the service that has the port
  std::vector<std::string> awaited_;
  SwarmView view_;
};

SwarmView Builder::Build() && {
  DescribeNode();
  DescribeIngress();
  if (const std::string reason = LeftToDocker(); !reason.empty()) {
    view_.warnings.push_back(reason);
    view_.vni = 0;
    awaited_.clear();
  } else {
    for (const SwarmService& service : docker_.services) AddService(service, false);
    for (const SwarmService& service : docker_.services) AddFormerPorts(service);
    // After the others: a port that was published anew belongs to its new service.
    for (const SwarmService& service : docker_.removed_services) AddService(service, true);
  }
  for (auto& [frontend, service] : services_) {
    for (const std::string& problem : ApplyPolicyLabels(labels_.at(frontend), service)) {
      view_.warnings.push_back(fmt::format("{}: {}", service.name, problem));
    }
    view_.services.push_back(std::move(service));
  }
  view_.pending = fmt::format("{}", fmt::join(awaited_, "; "));
  return std::move(view_);
}

void Builder::DescribeNode() {
  view_.docker_version = docker_.info.server_version;
  view_.role = docker_.info.control_available ? "manager" : "worker";
  view_.node_id = docker_.info.node_id;
  view_.node_name = docker_.info.name;
  view_.data_path_address = DataPathAddress(docker_, kernel_);
  view_.sandbox_address = SandboxAddress(docker_);
  view_.gateway_bridge = GatewayBridge(docker_);
  view_.nodes = OtherNodes();
  view_.tunnel_secret = docker_.tunnel_secret;
  for (const auto& [sandbox, task] : kernel_.tasks) view_.task_networks.merge(OtherNetworksOf(task));
}

// Those that the forwarding table names, which does so by data path addresses, and the others by what they advertise.
std::map<Ipv4, std::string> Builder::OtherNodes() const {
  std::map<Ipv4, std::string> nodes;
  if (kernel_.overlay) {
    for (const auto& [mac, address] : kernel_.overlay->fdb) nodes[address];
  }
  for (const SwarmNode& node : docker_.nodes) {
    if (node.id != docker_.info.node_id && !node.address.IsUnset()) nodes[node.address] = node.hostname;
  }
  nodes.erase(view_.data_path_address);
  nodes.erase(docker_.info.node_address);
  return nodes;
}

void Builder::DescribeIngress() {
  if (!docker_.ingress) {
    view_.ingress_network = "none";
    Await("the swarm has no ingress network");
    return;
  }
  const DockerNetwork& network = *docker_.ingress;
  view_.ingress_network = fmt::format("{} {}", network.name, network.subnet);
  if (const NetworkEndpoint* own = OwnIngressEndpoint(docker_)) {
    view_.ingress_address = own->address;
  } else {
    Await("this node has no address in the ingress network yet");
  }
  if (!kernel_.overlay) {
    Await(fmt::format("the ingress network is not up on this node: {}", kernel_.overlay_missing));
    return;
  }
  const OverlayNetns& overlay = *kernel_.overlay;
  view_.vni = overlay.vxlan.vni;
  view_.vxlan_port = overlay.vxlan.port;
  view_.tunnel_mtu = static_cast<uint16_t>(std::min<uint32_t>(overlay.mtu, 65535));
  view_.ingress_network +=
      fmt::format(", VNI {}, UDP port {}, MTU {}", overlay.vxlan.vni, overlay.vxlan.port, overlay.mtu);
}

std::string Builder::LeftToDocker() const {
  if (!docker_.ingress) return {};
  const auto& options = docker_.ingress->options;
  if (options.contains("encrypted")) {
    return "the ingress network is encrypted: its ports are left to Docker's mesh, since xlb would send in the clear";
  }
  if (options.contains("dsr")) {
    return "the ingress network uses direct server return (option dsr): its ports are left to Docker's mesh";
  }
  return {};
}

void Builder::AddService(const SwarmService& service, bool removed) {
  std::vector<std::pair<PublishedPort, Protocol>> served;
  for (const PublishedPort& port : service.ports) {
    if (!IsIngress(port)) continue;
    if (const auto protocol = ServedProtocol(port)) {
      served.emplace_back(port, *protocol);
    } else if (!removed) {
      view_.warnings.push_back(fmt::format("{}: {} port {} is left to Docker's mesh: xlb serves TCP and UDP",
                                           service.name, port.protocol, port.published));
    }
  }
  for (const auto& [port, protocol] : served) {
    const Frontend frontend{protocol, Ipv4{}, port.published};
    auto found = services_.find(frontend);
    if (found == services_.end()) {
      found = services_.emplace(frontend, NewService(service, port, protocol, served.size())).first;
      labels_[frontend] = service.labels;
    }
    AddBackends(service, port, removed, found->second);
  }
}

void Builder::AddFormerPorts(const SwarmService& service) {
  if (!service.has_previous) return;
  SwarmService former = service;
  former.ports = service.previous_ports;
  const auto is_published = [&](const PublishedPort& port) {
    return std::any_of(service.ports.begin(), service.ports.end(), [&](const PublishedPort& present) {
      return present.published == port.published && present.protocol == port.protocol;
    });
  };
  std::erase_if(former.ports, is_published);
  const int64_t update_ns = service.update_started_ns != 0 ? service.update_started_ns : service.updated_ns;
  std::vector<const SwarmTask*> before;
  std::copy_if(tasks_[service.id].begin(), tasks_[service.id].end(), std::back_inserter(before),
               [&](const SwarmTask* task) { return task->created_ns < update_ns && task->state == "running"; });
  if (before.empty() || former.ports.empty()) return;
  std::swap(tasks_[service.id], before);
  AddService(former, true);
  std::swap(tasks_[service.id], before);
}

Service Builder::NewService(const SwarmService& service, const PublishedPort& port, Protocol protocol, size_t ports) {
  Service made;
  made.frontend = Frontend{protocol, Ipv4{}, port.published};
  made.source = ServiceSource::kSwarm;
  made.name = ports == 1 ? service.name : fmt::format("{}:{}/{}", service.name, port.published, port.protocol);
  if (auto access = AccessOfLabels(service.labels); access.ok()) {
    made.access = *std::move(access);
  } else {
    made.access_problem = std::string(access.status().message());
    view_.warnings.push_back(
        fmt::format("{}: {}; nobody is let in until it is corrected", made.name, made.access_problem));
  }
  return made;
}

void Builder::AddBackends(const SwarmService& service, const PublishedPort& port, bool removed, Service& to) {
  for (const SwarmTask* task : tasks_[service.id]) {
    const SwarmNode* node = finder_.FindNode(task->node_id);
    const auto state = StateOf(*task, node, docker_, removed);
    const auto target = TargetPortOf(*task, service, port);
    if (!state || !target) continue;
    Backend backend;
    backend.identity = fmt::format("swarm:{}/{}:{}", task->id, port.protocol, port.published);
    backend.name = fmt::format("{}.{}", service.name, task->slot != 0 ? std::to_string(task->slot) : task->node_id);
    backend.node = node == nullptr ? std::string() : node->hostname;
    backend.state = *state;
    const bool local = task->node_id == docker_.info.node_id;
    const auto reach = local ? finder_.Local(*task, *target) : finder_.Remote(*task);
    if (reach.ok()) {
      backend.reach = *reach;
      to.backends.push_back(std::move(backend));
      continue;
    }
    const std::string reason(reach.status().message());
    if (local && absl::IsNotFound(reach.status())) Await(fmt::format("{}: {}", backend.name, reason));
    to.unreachable.emplace_back(backend.name, reason);
  }
}

void Builder::Await(const std::string& what) {
  if (std::find(awaited_.begin(), awaited_.end(), what) == awaited_.end()) awaited_.push_back(what);
}

}  // namespace

bool AwaitsIngress(const SwarmView& view) {
  const bool is_up = view.vni != 0 && !view.ingress_address.IsUnset();
  return !is_up && !view.pending.empty() && !view.services.empty();
}

SwarmView BuildSwarmView(const DockerSnapshot& docker, const KernelSnapshot& kernel) {
  return Builder(docker, kernel).Build();
}

}  // namespace xlb
