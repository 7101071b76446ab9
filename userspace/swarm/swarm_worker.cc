// A worker, whose Docker tells it nothing of services and tasks: a manager's xlbd does.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "docker/readers.h"
#include "netfilter/read.h"
#include "swarm/carried.h"
#include "swarm/local_rules.h"
#include "swarm/swarm_source_impl.h"

namespace xlb {

namespace asio = boost::asio;

asio::awaitable<absl::StatusOr<bool>> SwarmSource::Impl::IsStillWorker() {
  const auto now = std::chrono::steady_clock::now();
  if (now - role_checked_ >= options_.role_poll_interval) {
    XLB_CO_ASSIGN_OR_RETURN(const boost::json::value json, co_await client_.Get("/info"));
    if (stopped_) co_return absl::CancelledError("stopped");
    DockerInfo info = ReadInfo(json);
    if (info.swarm_state != "active" || info.control_available) co_return false;
    docker_.SetInfo(std::move(info));
    role_checked_ = now;
  }
  peers_.BeWorker(docker_.snapshot().info.managers);
  co_return true;
}

void SwarmSource::Impl::OnFacts(const SwarmFacts& facts) {
  docker_.SetFacts(facts);
  told_ = facts;
  facts_known_ = true;
  StopLooking();
  leg_attempts_.clear();
  Wake(0);
}

void SwarmSource::Impl::StopLooking() {
  looked_ = false;
  untold_since_ = {};
  last_seen_ = {};
  unknown_ports_.clear();
}

asio::awaitable<absl::Status> SwarmSource::Impl::LookAround() {
  // A manager of a moment ago was told by its own Docker.
  if (!told_ && facts_known_ && !looked_) told_ = docker_.snapshot();
  const auto now = std::chrono::steady_clock::now();
  if (peers_.IsTold()) {
    if (looked_ && told_) docker_.SetFacts(*told_);
    StopLooking();
    co_return absl::OkStatus();
  }
  if (untold_since_ == std::chrono::steady_clock::time_point{}) untold_since_ = now;
  if (now - untold_since_ < options_.look_after || now - last_look_ < options_.look_interval)
    co_return absl::OkStatus();
  last_look_ = now;
  if (!docker_.snapshot().ingress) co_return absl::OkStatus();
  auto seen = co_await ReadLocalKnowledge();
  if (stopped_) co_return absl::CancelledError("stopped");
  if (IsRefusal(seen.status())) co_return absl::OkStatus();
  XLB_CO_RETURN_IF_ERROR(seen.status());
  // What the nodes tell each other takes a while to arrive after a start of Docker, and ports flap during updates: only
  // what is seen twice counts. Nor does nothing at all, which is what a node sees that has just lost the others.
  const bool settled = *seen == last_seen_ && !seen->services.empty();
  last_seen_ = *std::move(seen);
  if (!settled || peers_.IsTold()) co_return absl::OkStatus();
  LocalFacts made = CompleteLocally(told_ ? *told_ : SwarmFacts{}, docker_.snapshot(), last_seen_);
  docker_.SetFacts(std::move(made.facts));
  unknown_ports_ = std::move(made.unknown);
  looked_ = facts_known_ = true;
  co_return absl::OkStatus();
}

asio::awaitable<absl::StatusOr<LocalKnowledge>> SwarmSource::Impl::ReadLocalKnowledge() {
  std::string path = fmt::format("/networks/{}?verbose=true", docker_.snapshot().ingress->id);
  XLB_CO_ASSIGN_OR_RETURN(const boost::json::value json, co_await client_.Get(std::move(path)));
  if (stopped_) co_return absl::CancelledError("stopped");
  LocalKnowledge local;
  local.services = ReadGossip(json);
  co_await ReadRules(local);
  co_return local;
}

asio::awaitable<void> SwarmSource::Impl::ReadRules(LocalKnowledge& local) {
  const std::vector<FirewallTool> tools = FindFirewallTools();
  std::map<std::string, std::string> sandboxes;  // container -> namespace
  const DockerSnapshot& docker = docker_.snapshot();
  for (const auto& [container, endpoint] : docker.ingress->endpoints) {
    if (!docker.gateway_network || !docker.gateway_network->endpoints.contains(container)) continue;
    sandboxes[container] = SandboxOf(docker.gateway_network->endpoints.at(container));
  }
  for (const auto& [container, sandbox] : sandboxes) {
    if (sandbox.empty() || stopped_) continue;
    std::string path = fmt::format("{}/{}", options_.netns_dir, sandbox);
    // A namespace that is gone, or a node without iptables, tells nothing.
    const auto rules = co_await ReadFirewall(std::move(path), tools);
    if (rules.ok()) local.redirected[container] = RedirectedPorts(*rules);
  }
  std::string path = fmt::format("{}/{}", options_.netns_dir, kIngressSandbox);
  const auto rules = co_await ReadFirewall(std::move(path), tools);
  if (rules.ok()) local.marked = MarkedPorts(*rules);
}

void SwarmSource::Impl::AddPeers(SwarmView& view) const {
  for (const auto& [service, port] : unknown_ports_) {
    view.unknown_ports.insert(port);
    view.warnings.push_back(
        fmt::format("{}: port {} is left to Docker's mesh: nothing on this worker says its protocol, and no manager's "
                    "xlbd tells it",
                    service, port));
  }
  const std::string& warning = peers_.warning();
  if (IsManager() || told_) {
    if (!warning.empty()) {
      view.warnings.push_back(IsManager() ? warning : fmt::format("{}; what was last known is served", warning));
    }
    return;
  }
  view.services_known = facts_known_;
  if (options_.peers.listen.port == 0) {
    view.warnings.push_back(
        "this node is a worker, and --peer off lets it follow no manager's xlbd: it serves what it can know by itself");
    return;
  }
  if (!view.pending.empty()) view.pending += "; ";
  view.pending += warning.empty() ? "a manager's xlbd has not answered yet" : warning;
}

std::string SwarmSource::Impl::DescribePeers() const {
  return peers_.Describe([this](const std::string& node_id) {
    for (const SwarmNode& node : docker_.snapshot().nodes) {
      if (node.id == node_id) return node.hostname;
    }
    return std::string();
  });
}

}  // namespace xlb
