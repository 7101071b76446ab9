#include "control/static_diff.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

namespace xlb {
namespace {

std::string Title(const StaticService& service) {
  return fmt::format("{} {}", service.name, service.frontend.ToString());
}

void DiffBackend(const StaticBackend& before, const StaticBackend& after, std::vector<std::string>& changes) {
  const std::string endpoint = after.endpoint.ToString();
  if (before.weight != after.weight) {
    changes.push_back(fmt::format("backend {} weight {} -> {}", endpoint, before.weight, after.weight));
  }
  if (before.draining != after.draining) {
    changes.push_back(fmt::format("backend {} {}", endpoint, after.draining ? "drained" : "undrained"));
  }
}

void DiffBackends(const std::vector<StaticBackend>& before, const std::vector<StaticBackend>& after,
                  std::vector<std::string>& changes) {
  std::map<Endpoint, const StaticBackend*> gone;
  for (const StaticBackend& backend : before) gone[backend.endpoint] = &backend;
  for (const StaticBackend& backend : after) {
    const auto old = gone.find(backend.endpoint);
    if (old == gone.end()) {
      changes.push_back(fmt::format("backend {} added", backend.endpoint.ToString()));
      continue;
    }
    DiffBackend(*old->second, backend, changes);
    gone.erase(old);
  }
  for (const auto& [endpoint, backend] : gone) {
    changes.push_back(fmt::format("backend {} removed", endpoint.ToString()));
  }
}

std::vector<std::string> DiffServices(const StaticService& before, const StaticService& after) {
  std::vector<std::string> changes;
  if (before.name != after.name) changes.push_back(fmt::format("name {} -> {}", before.name, after.name));
  if (before.scheduler != after.scheduler) {
    changes.push_back(fmt::format("scheduler {} -> {}", ToString(before.scheduler), ToString(after.scheduler)));
  }
  if (before.allow != after.allow || before.deny != after.deny) changes.emplace_back("other clients");
  if (before.bind != after.bind) changes.emplace_back("bound to other addresses");
  DiffBackends(before.backends, after.backends, changes);
  return changes;
}

}  // namespace

ApplyReply DiffStaticConfigs(const StaticConfig& before, const StaticConfig& after) {
  ApplyReply reply;
  std::map<Frontend, const StaticService*> gone;
  for (const StaticService& service : before.services()) gone[service.frontend] = &service;
  for (const StaticService& service : after.services()) {
    const auto old = gone.find(service.frontend);
    if (old == gone.end()) {
      reply.added.push_back(Title(service));
      continue;
    }
    const std::vector<std::string> changes = DiffServices(*old->second, service);
    if (!changes.empty()) {
      reply.changed.push_back(fmt::format("{}: {}", Title(service), fmt::join(changes, ", ")));
    }
    gone.erase(old);
  }
  for (const auto& [frontend, change] : after.overrides()) {
    const auto old = before.overrides().find(frontend);
    if (old == before.overrides().end()) {
      reply.added.push_back(fmt::format("override of {}", frontend.ToString()));
    } else if (old->second != change) {
      reply.changed.push_back(fmt::format("override of {}", frontend.ToString()));
    }
  }
  for (const auto& [frontend, change] : before.overrides()) {
    if (!after.overrides().contains(frontend))
      reply.removed.push_back(fmt::format("override of {}", frontend.ToString()));
  }
  for (const auto& [frontend, service] : gone) reply.removed.push_back(Title(*service));
  return reply;
}

}  // namespace xlb
