#include "swarm/docker_reader.h"

#include <fmt/core.h>

#include <boost/json/value.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "docker/readers.h"
#include "peer/pair_key.h"

namespace xlb {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kRememberDeaths{60};
constexpr char kNodes[] = "/nodes";
constexpr char kSwarm[] = "/swarm";
constexpr char kServices[] = "/services";
constexpr char kTasks[] = "/tasks";
constexpr char kOverlayNetworks[] = "/networks?filters=%7B%22driver%22%3A%5B%22overlay%22%5D%7D";

}  // namespace

uint32_t PartsConcernedBy(const DockerEvent& event) {
  const std::string& action = event.action;
  if (event.type == "service") return kServicesPart | kTasksPart;
  if (event.type == "node") return kNodesPart | kTasksPart;
  if (event.type == "daemon") return kEveryPart;
  if (event.type == "network") {
    // A container comes to docker_gwbridge or leaves it without the swarm's knowing.
    if (action == "connect" || action == "disconnect") return kGatewayPart | kTasksPart | kNamespacesPart;
    return kIngressPart | kGatewayPart | kTasksPart;
  }
  if (event.type != "container") return 0;
  // Health checks make an exec_* event each; they concern nobody here.
  static const std::set<std::string_view> kLifecycle = {"start",   "die",   "kill",    "stop",
                                                        "destroy", "pause", "unpause", "restart"};
  if (kLifecycle.contains(action) || action.starts_with("health_status")) return kGatewayPart | kTasksPart;
  return 0;
}

asio::awaitable<absl::Status> DockerReader::Read(uint32_t parts) {
  if ((parts & kNodesPart) != 0) {
    XLB_CO_ASSIGN_OR_RETURN(const auto json, co_await Fetch(kNodes));
    if (json) snapshot_.nodes = ReadNodes(*json);
    co_await ReadSecret();
  }
  if ((parts & kIngressPart) != 0) {
    XLB_CO_RETURN_IF_ERROR(co_await ReadIngress());
  }
  // Before the tasks: a task whose service is not listed any more belongs to a removed one.
  if ((parts & kServicesPart) != 0) {
    XLB_CO_ASSIGN_OR_RETURN(const auto json, co_await Fetch(kServices));
    if (json) TakeServices(ReadServices(*json));
  }
  if ((parts & kTasksPart) != 0) {
    XLB_CO_ASSIGN_OR_RETURN(const auto json, co_await Fetch(kTasks));
    if (json) snapshot_.tasks = ReadTasks(*json);
    DropEndedServices();
  }
  if ((parts & kGatewayPart) != 0) {
    XLB_CO_RETURN_IF_ERROR(co_await ReadNetworkInto("/networks/docker_gwbridge", snapshot_.gateway_network));
  }
  co_return absl::OkStatus();
}

asio::awaitable<absl::StatusOr<std::optional<boost::json::value>>> DockerReader::Fetch(std::string path) {
  auto answer = co_await client_.GetText(path);
  if (!answer.ok()) {
    last_.erase(path);
    co_return std::move(answer).status();
  }
  std::string& last = last_[path];
  if (last == *answer) co_return std::nullopt;
  auto json = ParseJson(*answer);
  if (!json.ok()) {
    last_.erase(path);
    co_return absl::DataLossError(fmt::format("Docker answers GET {} with something that is not JSON", path));
  }
  last = *std::move(answer);
  co_return std::optional<boost::json::value>(*std::move(json));
}

asio::awaitable<absl::Status> DockerReader::ReadNetworkInto(std::string path, std::optional<DockerNetwork>& network) {
  const auto json = co_await Fetch(std::move(path));
  if (absl::IsNotFound(json.status())) {
    network.reset();
    co_return absl::OkStatus();
  }
  if (!json.ok()) co_return json.status();
  if (json->has_value()) network = ReadNetwork(**json);
  co_return absl::OkStatus();
}

// Not worth anything else that is read: without it, no client's address reaches a task on another node.
asio::awaitable<void> DockerReader::ReadSecret() {
  const auto json = co_await Fetch(kSwarm);
  if (!json.ok() || !json->has_value()) co_return;
  const SwarmIdentity swarm = ReadSwarmIdentity(**json);
  snapshot_.tunnel_secret = TunnelSecret(swarm.id, swarm.worker_join_token);
}

asio::awaitable<absl::Status> DockerReader::ReadIngress() {
  XLB_CO_ASSIGN_OR_RETURN(const auto json, co_await Fetch(kOverlayNetworks));
  if (json) {
    ingress_id_.clear();
    for (const DockerNetwork& network : ReadNetworks(*json)) {
      if (network.ingress) ingress_id_ = network.id;
    }
  }
  std::string path = "/networks/" + ingress_id_;
  // Another one than before, or none: the last answer of this path then says nothing of the snapshot.
  if (!snapshot_.ingress || snapshot_.ingress->id != ingress_id_) {
    snapshot_.ingress.reset();
    last_.erase(path);
  }
  if (ingress_id_.empty()) co_return absl::OkStatus();
  co_return co_await ReadNetworkInto(std::move(path), snapshot_.ingress);
}

void DockerReader::TakeServices(std::vector<SwarmService> services) {
  std::set<std::string> present;
  for (const SwarmService& service : services) present.insert(service.id);
  for (SwarmService& before : snapshot_.services) {
    if (!present.contains(before.id)) snapshot_.removed_services.push_back(std::move(before));
  }
  snapshot_.services = std::move(services);
  std::erase_if(snapshot_.removed_services, [&](const SwarmService& service) { return present.contains(service.id); });
}

void DockerReader::DropEndedServices() {
  std::set<std::string> running;
  for (const SwarmTask& task : snapshot_.tasks) {
    if (task.state == "running") running.insert(task.service_id);
  }
  std::erase_if(snapshot_.removed_services, [&](const SwarmService& service) { return !running.contains(service.id); });
}

void DockerReader::SetFacts(SwarmFacts facts) {
  static_cast<SwarmFacts&>(snapshot_) = std::move(facts);
  // A node that is a manager again reads them again, even if Docker says the same as when it was one before.
  for (const char* path : {kNodes, kSwarm, kServices, kTasks}) last_.erase(path);
}

void DockerReader::ContainerDied(const std::string& container_id, Time now) {
  deaths_[container_id] = now;
  snapshot_.dead_containers.insert(container_id);
}

void DockerReader::ContainerStarted(const std::string& container_id) {
  deaths_.erase(container_id);
  snapshot_.dead_containers.erase(container_id);
}

void DockerReader::ForgetDead(Time now) {
  std::set<std::string> running;
  for (const SwarmTask& task : snapshot_.tasks) {
    if (task.state == "running") running.insert(task.container_id);
  }
  std::erase_if(deaths_, [&](const auto& death) {
    const bool over = now - death.second > kRememberDeaths && !running.contains(death.first);
    if (over) snapshot_.dead_containers.erase(death.first);
    return over;
  });
}

std::vector<const SwarmTask*> DockerReader::LocalTasks() const {
  std::vector<const SwarmTask*> tasks;
  for (const SwarmTask& task : snapshot_.tasks) {
    if (task.node_id == snapshot_.info.node_id && task.state == "running" && !task.container_id.empty() &&
        !snapshot_.dead_containers.contains(task.container_id)) {
      tasks.push_back(&task);
    }
  }
  return tasks;
}

}  // namespace xlb
