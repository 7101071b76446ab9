// What this node's kernel says of its tasks and of the ingress network.
#include <string>

#include "swarm/swarm_source_impl.h"

namespace xlb {
namespace {

// A task without a leg on docker_gwbridge after so many polls has none.
constexpr int kLegAttempts = 20;

}  // namespace

void SwarmSource::Impl::ReadKernel(bool again) {
  const DockerSnapshot& docker = docker_.snapshot();
  std::map<std::string, Mac> sandboxes;
  if (docker.gateway_network) {
    for (const SwarmTask* task : docker_.LocalTasks()) {
      const auto endpoint = docker.gateway_network->endpoints.find(task->container_id);
      if (endpoint == docker.gateway_network->endpoints.end()) continue;
      if (const std::string sandbox = SandboxOf(endpoint->second); !sandbox.empty()) {
        sandboxes[sandbox] = endpoint->second.mac;
      }
    }
  }
  kernel_.ReadLinks();
  kernel_.ReadOverlay(docker.ingress ? docker.ingress->id : std::string(), docker.nodes);
  kernel_.ReadTasks(sandboxes, again);
}

bool SwarmSource::Impl::LegsMissing() {
  const DockerSnapshot& docker = docker_.snapshot();
  bool missing = false;
  for (const SwarmTask* task : docker_.LocalTasks()) {
    const bool known = docker.gateway_network && docker.gateway_network->endpoints.contains(task->container_id);
    const bool read =
        known && kernel_.snapshot().tasks.contains(SandboxOf(docker.gateway_network->endpoints.at(task->container_id)));
    if (!read && leg_attempts_[task->container_id]++ < kLegAttempts) missing = true;
  }
  return missing;
}

void SwarmSource::Impl::OnLinksChanged() {
  if (stopped_ || !is_member_) return;
  kernel_.ReadLinks();
  Publish();
}

}  // namespace xlb
