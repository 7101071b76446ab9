#include "swarm/local_facts.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>
#include <utility>

namespace xlb {
namespace {

constexpr std::string_view kLocalPrefix = "local:";  // of ids made here; Docker's have no colon

// "web.2.x342gblr5y0l96hp4pc1v973a": the service's name, the slot (for a global service the node's id) and the task's
// id.
struct TaskName {
  std::string id;
  uint64_t slot = 0;
};

TaskName ReadTaskName(std::string_view name) {
  TaskName read;
  const size_t last = name.rfind('.');
  if (last == name.npos || last == 0) return read;
  read.id = std::string(name.substr(last + 1));
  const size_t before = name.rfind('.', last - 1);
  if (before == name.npos) return read;
  const std::string_view slot = name.substr(before + 1, last - before - 1);
  const auto [stop, error] = std::from_chars(slot.data(), slot.data() + slot.size(), read.slot);
  if (error != std::errc() || stop != slot.data() + slot.size()) read.slot = 0;
  return read;
}

class Completer {
 public:
  Completer(const SwarmFacts& told, const DockerSnapshot& docker, const LocalKnowledge& local)
      : told_(told), docker_(docker), local_(local) {
    for (const SwarmTask& task : told.tasks) told_tasks_[task.id] = &task;
    if (docker.ingress) {
      for (const auto& [container, endpoint] : docker.ingress->endpoints) containers_[endpoint.address] = container;
    }
  }

  LocalFacts Complete() {
    made_.facts.services = told_.services;
    made_.facts.removed_services = told_.removed_services;
    made_.facts.nodes = told_.nodes;
    made_.facts.tunnel_secret = told_.tunnel_secret;
    for (const GossipService& service : local_.services) {
      // The nodes' own endpoints have no service.
      if (!service.name.empty()) Add(service);
    }
    return std::move(made_);
  }

 private:
  void Add(const GossipService& from);
  void AddPorts(const GossipService& from, SwarmService& service);
  std::vector<PublishedPort> PortsKnownHere(const GossipService& from) const;
  SwarmTask TaskOf(const GossipTask& from, const std::string& service_id);
  std::string NodeAt(Ipv4 address);
  std::string ContainerOf(const GossipTask& task) const {
    const auto found = containers_.find(task.address);
    return found == containers_.end() ? std::string() : found->second;
  }

  const SwarmFacts& told_;
  const DockerSnapshot& docker_;
  const LocalKnowledge& local_;
  std::map<std::string, const SwarmTask*> told_tasks_;
  std::map<Ipv4, std::string> containers_;  // address in the ingress network -> container of this node
  LocalFacts made_;
};

void Completer::Add(const GossipService& from) {
  const auto is_same = [&from](const SwarmService& service) { return service.name == from.name; };
  auto& services = made_.facts.services;
  const bool removed = std::any_of(made_.facts.removed_services.begin(), made_.facts.removed_services.end(), is_same);
  auto service = std::find_if(services.begin(), services.end(), is_same);
  if (service == services.end() && !removed) {
    SwarmService made;
    made.id = std::string(kLocalPrefix) + from.name;
    made.name = from.name;
    service = services.insert(services.end(), std::move(made));
  }
  if (service != services.end()) AddPorts(from, *service);
  const std::string service_id = service == services.end() ? std::string() : service->id;
  for (const GossipTask& task : from.tasks) made_.facts.tasks.push_back(TaskOf(task, service_id));
}

void Completer::AddPorts(const GossipService& from, SwarmService& service) {
  for (const PublishedPort& port : PortsKnownHere(from)) {
    const auto is_same = [&port](const PublishedPort& other) {
      return other.published == port.published && other.protocol == port.protocol;
    };
    if (std::none_of(service.ports.begin(), service.ports.end(), is_same)) service.ports.push_back(port);
  }
  // A port for two protocols is told twice.
  std::map<uint16_t, int> told;
  for (const GossipPort& port : from.ports) ++told[port.published];
  for (const auto& [published, times] : told) {
    const auto known = std::count_if(service.ports.begin(), service.ports.end(), [&](const PublishedPort& port) {
      return port.published == published && port.mode == "ingress";
    });
    if (known < times) made_.unknown.emplace_back(from.name, published);
  }
}

std::vector<PublishedPort> Completer::PortsKnownHere(const GossipService& from) const {
  std::vector<PublishedPort> ports;
  for (const GossipTask& task : from.tasks) {
    const auto redirected = local_.redirected.find(ContainerOf(task));
    if (redirected != local_.redirected.end()) {
      ports.insert(ports.end(), redirected->second.begin(), redirected->second.end());
    }
  }
  for (const MarkedPort& marked : local_.marked) {
    if (marked.mark != from.mark || from.mark == 0) continue;
    for (const GossipPort& port : from.ports) {
      if (port.published == marked.published) {
        ports.push_back({marked.protocol, port.target, port.published, "ingress"});
      }
    }
  }
  return ports;
}

SwarmTask Completer::TaskOf(const GossipTask& from, const std::string& service_id) {
  const TaskName name = ReadTaskName(from.name);
  if (const auto told = told_tasks_.find(name.id); told != told_tasks_.end()) return *told->second;
  SwarmTask task;
  task.id = name.id;
  task.slot = name.slot;
  task.service_id = service_id;
  task.state = task.desired_state = "running";
  task.container_id = ContainerOf(from);
  task.node_id = task.container_id.empty() ? NodeAt(from.node_address) : docker_.info.node_id;
  // Its ports are those that its service has now.
  task.created_ns = INT64_MAX;
  if (docker_.ingress) task.networks = {{docker_.ingress->id, from.address}};
  return task;
}

// By its data path address, which is told; a manager would tell its id and its name.
std::string Completer::NodeAt(Ipv4 address) {
  auto& nodes = made_.facts.nodes;
  for (const SwarmNode& node : nodes) {
    if (node.address == address) return node.id;
  }
  SwarmNode node;
  node.id = std::string(kLocalPrefix) + address.ToString();
  node.hostname = address.ToString();
  node.state = "ready";
  node.address = address;
  nodes.push_back(node);
  return node.id;
}

}  // namespace

LocalFacts CompleteLocally(const SwarmFacts& told, const DockerSnapshot& docker, const LocalKnowledge& local) {
  return Completer(told, docker, local).Complete();
}

}  // namespace xlb
