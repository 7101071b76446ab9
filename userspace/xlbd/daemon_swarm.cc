// What Swarm says, and what follows for its mesh and for xlb on the swarm's other nodes.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "model/records.h"
#include "swarm/carried.h"
#include "xlbd/daemon.h"

namespace xlb {

absl::Status Daemon::OpenPeers() {
  PeerTimes times;
  times.silence = std::chrono::milliseconds(options_.peer_timeout_ms);
  PeerNodes::Callbacks callbacks;
  callbacks.on_change = [this] { Reconcile(); };
  callbacks.on_keys = [this] {
    if (absl::Status status = reconciler_->BumpEpoch(); !status.ok()) RetryLater(status);
  };
  callbacks.on_event = [this](const char* kind, const std::string& subject, const std::string& text) {
    events_.Add(kind, subject, text);
  };
  peers_ = std::make_unique<PeerNodes>(io_.get_executor(), &clock_, times, data_path_->peer_maps(), callbacks);
  return peers_->Start();
}

void Daemon::OnSwarm(const SwarmView& view) {
  if (data_path_ == nullptr) return;
  TellDockerMesh(view);
  peers_->SetTopology({.own_address = view.data_path_address,
                       .vxlan_port = view.vni != 0 ? view.vxlan_port : uint16_t{0},
                       .secret = view.tunnel_secret,
                       .nodes = view.nodes});
  const bool connected = view.docker.starts_with("connected");
  // What an earlier xlbd knew of ports whose protocol is not known now is better than nothing.
  const bool services_known = view.services_known && (kept_.empty() || view.unknown_ports.empty());
  if (connected && !view.role.empty() && services_known && !AwaitsIngress(view)) {
    swarm_view_ = view;
    swarm_known_ = true;
    kept_.clear();
    kept_uplinks_.clear();
  } else if (swarm_known_) {
    // Docker is away, or has just come back and not yet built its ingress network, or nothing is known of services. The
    // last view stands, and with it the flows to tasks elsewhere; tasks of this node that went with Docker leave it.
    neighbors_.Hurry();
    swarm_view_.services = connected ? WithoutLostTasks(std::move(swarm_view_.services)) : view.services;
  } else {
    return;
  }
  if (absl::Status status = RefreshNode(); !status.ok()) return RetryLater(status);
  Reconcile();
}

void Daemon::TellDockerMesh(const SwarmView& view) {
  if (view.role.empty()) return;
  const bool publishes = std::any_of(view.services.begin(), view.services.end(), [](const Service& service) {
    return std::any_of(service.backends.begin(), service.backends.end(),
                       [](const Backend& backend) { return backend.state == BackendState::kActive; });
  });
  docker_mesh_->SetDocker(view.docker_version, view.role != "none", publishes);
}

std::vector<Service> Daemon::WithoutLostTasks(std::vector<Service> services) const {
  for (Service& service : services) {
    const auto is_lost = [&](const Backend& backend) {
      return backend.reach.kind == BackendKind::kLocal && node_->Device(backend.reach.ifindex) == nullptr;
    };
    const SharedVector<Backend>& backends = service.backends;
    if (std::any_of(backends.begin(), backends.end(), is_lost)) std::erase_if(service.backends.own(), is_lost);
  }
  return services;
}

void Daemon::LeaveDockersFlows(const DesiredState& state) {
  PublishedPorts ports;
  for (const auto& [frontend, service] : state.services) {
    const auto& known = reconciler_->contents().services;
    const auto record = known.find(ServiceKey(frontend));
    const bool is_served = record != known.end() && !(record->second.flags & XLB_SERVICE_LEFT);
    if (service.source == ServiceSource::kSwarm && service.handling == Handling::kServe && !is_served) {
      ports.emplace(static_cast<uint8_t>(frontend.protocol), frontend.port);
    }
  }
  if (ports.empty()) return;
  const auto mark = [&]() -> absl::StatusOr<size_t> {
    XLB_ASSIGN_OR_RETURN(const std::vector<xlb_flow_key> keys, ReadCarriedFlows(options_.netns_dir, ports));
    return data_path_->flows().MarkDockers(keys);
  };
  // Not worth a node without its load balancer.
  if (const auto marked = mark(); !marked.ok()) {
    events_.Add("docker-flows-unknown", "data path", std::string(marked.status().message()));
  } else if (*marked != 0) {
    events_.Add("docker-flows", "data path", fmt::format("{} marks keep what Docker's mesh carries with it", *marked));
  }
}

}  // namespace xlb
