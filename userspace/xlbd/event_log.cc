#include "xlbd/event_log.h"

#include <fmt/chrono.h>
#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

namespace xlb {
namespace {

constexpr size_t kKept = 1000;

std::string TimeNow() {
  const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto second = std::chrono::time_point_cast<std::chrono::seconds>(now);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(second)),
                     (now - second).count());
}

std::string Where(const Backend& backend) {
  const std::string node = backend.node.empty() ? "" : fmt::format(" on {}", backend.node);
  const std::string_view kind = backend.reach.peer ? "peer" : ToString(backend.reach.kind);
  return fmt::format("{} {}:{}{}", kind, backend.reach.address.ToString(), backend.reach.port, node);
}

std::map<std::string, const Backend*> ByIdentity(const Service& service) {
  std::map<std::string, const Backend*> backends;
  for (const Backend& backend : service.backends) backends.emplace(backend.identity, &backend);
  return backends;
}

}  // namespace

void EventLog::Add(std::string kind, std::string subject, std::string text) {
  spdlog::info("{} {}: {}", kind, subject, text);
  events_.push_back({++last_, TimeNow(), std::move(kind), std::move(subject), std::move(text)});
  if (events_.size() > kKept) events_.pop_front();
}

void EventLog::AddBackendChanges(const Service& before, const Service& after) {
  auto old_backends = ByIdentity(before);
  for (const auto& [identity, backend] : ByIdentity(after)) {
    const auto found = old_backends.find(identity);
    if (found == old_backends.end()) {
      Add("backend-added", backend->name,
          fmt::format("{} of {}: {}", ToString(backend->state), after.frontend.ToString(), Where(*backend)));
      continue;
    }
    const Backend& old = *found->second;
    if (old.state != backend->state) {
      Add(fmt::format("backend-{}", ToString(backend->state)), backend->name,
          fmt::format("was {}, of {}", ToString(old.state), after.frontend.ToString()));
    } else if (old != *backend) {
      Add("backend-changed", backend->name,
          fmt::format("of {}: {}, weight {}", after.frontend.ToString(), Where(*backend), backend->weight));
    }
    old_backends.erase(found);
  }
  for (const auto& [identity, backend] : old_backends) {
    Add("backend-removed", backend->name, fmt::format("of {}: {}", after.frontend.ToString(), Where(*backend)));
  }
}

// To whom a port is left, and when it is xlb's again.
void EventLog::AddLeaving(const Service& before, const Service& after) {
  if (before.left_because == after.left_because && (before.handling == after.handling || before.left_because.empty())) {
    return;
  }
  const Service& named = after.name.empty() ? before : after;
  if (after.left_because.empty()) {
    Add("port-taken-back", named.name,
        fmt::format("{}: {}", named.frontend.ToString(), "nothing stands against it now"));
  } else {
    Add(after.handling == Handling::kLeave ? "port-left" : "clients-left", named.name,
        fmt::format("{}: {}", named.frontend.ToString(), after.left_because));
  }
}

void EventLog::AddChanges(const std::map<Frontend, Service>& before, const std::map<Frontend, Service>& after) {
  static const Service kNone;
  for (const auto& [frontend, service] : after) {
    const auto old = before.find(frontend);
    AddLeaving(old == before.end() ? kNone : old->second, service);
    if (service.is_exception) continue;
    if (old == before.end())
      Add("service-added", service.name,
          fmt::format("{} ({}), scheduler {}", frontend.ToString(), ToString(service.source),
                      ToString(service.scheduler)));
    if (old != before.end() && old->second.scheduler != service.scheduler) {
      Add("service-changed", service.name,
          fmt::format("{}: scheduler {}", frontend.ToString(), ToString(service.scheduler)));
    }
    AddBackendChanges(old == before.end() ? kNone : old->second, service);
  }
  for (const auto& [frontend, service] : before) {
    if (service.is_exception && !after.contains(frontend)) AddLeaving(service, kNone);
    if (!service.is_exception && !after.contains(frontend)) Add("service-removed", service.name, frontend.ToString());
  }
}

std::vector<EventView> EventLog::After(uint64_t sequence) const {
  std::vector<EventView> found;
  for (const EventView& event : events_) {
    if (event.sequence > sequence) found.push_back(event);
  }
  return found;
}

}  // namespace xlb
