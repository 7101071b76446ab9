// The services that a person configures (`xlbctl service add`), beside those that Swarm brings. Pure: no file, no JSON.
#ifndef XLB_MODEL_STATIC_CONFIG_H_
#define XLB_MODEL_STATIC_CONFIG_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/access.h"
#include "model/service.h"

namespace xlb {

struct StaticBackend {
  Endpoint endpoint;
  uint32_t weight = 1;
  bool draining = false;
  bool operator==(const StaticBackend&) const = default;
};

struct StaticService {
  std::string name;   // unique; letters, digits, '.', '_', '-', 1 to 63 characters, not starting with '-'
  Frontend frontend;  // unique
  SchedulerKind scheduler = SchedulerKind::kRoundRobin;
  std::vector<StaticBackend> backends;  // endpoints unique
  // As in Access. Only a service on every address can be bound to some.
  std::vector<Ipv4Prefix> allow = {}, deny = {};
  std::vector<std::string> bind = {};
  bool operator==(const StaticService&) const = default;
};

// What `service set` and `backend set` may change; absent: as it is.
struct ServiceChange {
  std::optional<std::string> name = std::nullopt;
  std::optional<SchedulerKind> scheduler = std::nullopt;
  std::optional<std::vector<Ipv4Prefix>> allow = std::nullopt, deny = std::nullopt;
  std::optional<std::vector<std::string>> bind = std::nullopt;

  AccessChange access() const { return {allow, deny, bind}; }
};
struct BackendChange {
  std::optional<uint32_t> weight = std::nullopt;
  std::optional<bool> draining = std::nullopt;
};

// Every edit either happens whole or returns a one-line reason (NotFound, AlreadyExists, InvalidArgument,
// ResourceExhausted) and changes nothing. `service` arguments are a name or a frontend ("tcp/192.0.2.10:80").
class StaticConfig {
 public:
  absl::Status AddService(StaticService service);
  absl::Status SetService(std::string_view service, const ServiceChange& change);
  absl::Status RemoveService(std::string_view service);
  absl::Status AddBackend(std::string_view service, StaticBackend backend);
  absl::Status SetBackend(std::string_view service, const Endpoint& endpoint, const BackendChange& change);
  absl::Status RemoveBackend(std::string_view service, const Endpoint& endpoint);

  // What this node's administrator says of who reaches a service that Swarm brings, over its labels. A frontend that no
  // service has is kept for when one has it.
  absl::Status ChangeOverride(const Frontend& frontend, const AccessChange& change);
  absl::Status RemoveOverride(const Frontend& frontend);
  const std::map<Frontend, AccessChange>& overrides() const { return overrides_; }

  // A whole configuration at once, for `apply`: every entry is checked, and the error names the entry.
  static absl::StatusOr<StaticConfig> FromServices(std::vector<StaticService> services,
                                                   std::map<Frontend, AccessChange> overrides = {});

  const std::vector<StaticService>& services() const { return services_; }  // in order of addition
  bool operator==(const StaticConfig&) const = default;

 private:
  absl::StatusOr<StaticService*> Find(std::string_view service);
  std::vector<StaticService> services_;
  std::map<Frontend, AccessChange> overrides_;
};

}  // namespace xlb

#endif  // XLB_MODEL_STATIC_CONFIG_H_
