// What the others are told.
#include <algorithm>
#include <utility>

#include "swarm/swarm_source_impl.h"

namespace xlb {

void SwarmSource::Impl::Publish() {
  SwarmView view;
  if (is_member_) {
    view = BuildSwarmView(docker_.snapshot(), kernel_.snapshot());
    AddPeers(view);
  } else {
    const DockerInfo& info = docker_.snapshot().info;
    view.docker_version = info.server_version;
    view.role = "none";
    view.node_id = info.node_id;
    view.node_name = info.name;
    view.ingress_network = "none";
  }
  view.docker = connected_ ? "connected" : view_.docker;
  Take(std::move(view));
}

void SwarmSource::Impl::PublishState(std::string docker) {
  SwarmView view = view_;
  view.docker = std::move(docker);
  Take(std::move(view));
}

void SwarmSource::Impl::Take(SwarmView view) {
  if (view == view_) return;
  const SwarmView before = std::exchange(view_, std::move(view));
  if (before.role != view_.role) Tell("swarm-role", view_.node_name, view_.role);
  for (const std::string& warning : view_.warnings) {
    const bool known = std::find(before.warnings.begin(), before.warnings.end(), warning) != before.warnings.end();
    if (!known) Tell("swarm-warning", view_.node_name, warning);
  }
  if (before.pending != view_.pending) {
    if (view_.pending.empty()) {
      Tell("swarm-ready", view_.node_name, "nothing is awaited any more");
    } else {
      Tell("swarm-pending", view_.node_name, view_.pending);
    }
  }
  if (on_change_) on_change_(view_);
}

}  // namespace xlb
