#include "model/static_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "xlb/abi.h"

namespace xlb {
namespace {

// A name has neither '/' nor ':', so that it can never be taken for a frontend where either may be given.
absl::Status CheckName(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  const bool good = !name.empty() && name.size() <= 63 && name.front() != '-' &&
                    name.find_first_not_of(kAllowed) == std::string_view::npos;
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "\"{}\" cannot be a name; use 1 to 63 letters, digits, '.', '_' or '-', not starting with '-'", name));
}

// Addresses that no unicast packet from or to another machine has.
absl::Status CheckUnicast(Ipv4 address, std::string_view what) {
  const uint32_t first_byte = address.HostOrder() >> 24;
  const char* kind = first_byte == 127                       ? "a loopback"
                     : first_byte >= 224 && first_byte < 240 ? "a multicast"
                     : first_byte >= 240                     ? "a reserved or broadcast"
                     : first_byte == 0                       ? "an unset"
                                                             : nullptr;
  if (kind == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} is {} address; give one that other machines can reach", what, kind));
}

absl::Status CheckBackend(const StaticBackend& backend) {
  const std::string text = backend.endpoint.ToString();
  XLB_RETURN_IF_ERROR(CheckUnicast(backend.endpoint.address, text));
  if (backend.endpoint.port == 0) {
    return absl::InvalidArgumentError(fmt::format("{}: a backend's port is a number from 1 to 65535", text));
  }
  if (backend.weight > kMaxWeight) {
    return absl::InvalidArgumentError(
        fmt::format("{}: weight {} is too large; it is a number from 0 to {}", text, backend.weight, kMaxWeight));
  }
  return absl::OkStatus();
}

absl::Status CheckFrontend(const Frontend& frontend) {
  if (frontend.port == 0) {
    return absl::InvalidArgumentError(
        fmt::format("{}: a service's port is a number from 1 to 65535", frontend.ToString()));
  }
  return frontend.address.IsUnset() ? absl::OkStatus() : CheckUnicast(frontend.address, frontend.ToString());
}

absl::Status BackendExists(const StaticService& service, const Endpoint& endpoint) {
  return absl::AlreadyExistsError(fmt::format("service \"{}\" has backend {} already; 'xlbctl backend set' changes it",
                                              service.name, endpoint.ToString()));
}

absl::Status CheckServiceAccess(const Frontend& frontend, const Access& access) {
  const absl::Status status = CheckAccess(access);
  if (!status.ok()) {
    return absl::InvalidArgumentError(fmt::format("{}: {}", frontend.ToString(), std::string(status.message())));
  }
  if (access.bind.empty() || frontend.address.IsUnset()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} is at one address already; --bind is for services on every address", frontend.ToString()));
}

// What can be said of a service without knowing the others.
absl::Status CheckService(const StaticService& service) {
  XLB_RETURN_IF_ERROR(CheckName(service.name));
  XLB_RETURN_IF_ERROR(CheckFrontend(service.frontend));
  XLB_RETURN_IF_ERROR(CheckServiceAccess(service.frontend, {service.allow, service.deny, service.bind}));
  std::set<Endpoint> seen;
  for (const StaticBackend& backend : service.backends) {
    XLB_RETURN_IF_ERROR(CheckBackend(backend));
    if (!seen.insert(backend.endpoint).second) return BackendExists(service, backend.endpoint);
  }
  return absl::OkStatus();
}

absl::Status CheckNameIsFree(const std::vector<StaticService>& services, std::string_view name) {
  for (const StaticService& other : services) {
    if (other.name == name) {
      return absl::AlreadyExistsError(
          fmt::format("service \"{}\" exists already, on {}; choose another name", name, other.frontend.ToString()));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFrontendIsFree(const std::vector<StaticService>& services, const Frontend& frontend) {
  for (const StaticService& other : services) {
    if (other.frontend == frontend) {
      return absl::AlreadyExistsError(
          fmt::format("{} belongs to service \"{}\" already; 'xlbctl service rm {}' frees it", frontend.ToString(),
                      other.name, other.name));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRoom(const std::vector<StaticService>& services, size_t more_services, size_t more_backends) {
  constexpr size_t kServices = XLB_MAX_SERVICES - 1;  // id 0 is "none"
  constexpr size_t kBackends = XLB_MAX_BACKENDS - 1;
  size_t backends = more_backends;
  for (const StaticService& service : services) backends += service.backends.size();
  if (services.size() + more_services > kServices) {
    return absl::ResourceExhaustedError(fmt::format("there is room for {} services; remove one first", kServices));
  }
  if (backends > kBackends) {
    return absl::ResourceExhaustedError(fmt::format("there is room for {} backends; remove some first", kBackends));
  }
  return absl::OkStatus();
}

auto FindBackend(StaticService& service, const Endpoint& endpoint) {
  return std::find_if(service.backends.begin(), service.backends.end(),
                      [&](const StaticBackend& backend) { return backend.endpoint == endpoint; });
}

absl::Status NoSuchBackend(const StaticService& service, const Endpoint& endpoint) {
  return absl::NotFoundError(fmt::format("service \"{}\" has no backend {}; 'xlbctl backend ls {}' lists them",
                                         service.name, endpoint.ToString(), service.name));
}

}  // namespace

absl::StatusOr<StaticService*> StaticConfig::Find(std::string_view service) {
  Frontend frontend;
  const bool by_frontend = service.find('/') != std::string_view::npos;
  if (by_frontend) {
    XLB_ASSIGN_OR_RETURN(frontend, Frontend::Parse(service));
  }
  for (StaticService& candidate : services_) {
    if (by_frontend ? candidate.frontend == frontend : candidate.name == service) return &candidate;
  }
  return absl::NotFoundError(fmt::format("service \"{}\" does not exist; 'xlbctl service ls' lists them", service));
}

absl::Status StaticConfig::AddService(StaticService service) {
  XLB_RETURN_IF_ERROR(CheckService(service));
  XLB_RETURN_IF_ERROR(CheckNameIsFree(services_, service.name));
  XLB_RETURN_IF_ERROR(CheckFrontendIsFree(services_, service.frontend));
  XLB_RETURN_IF_ERROR(CheckRoom(services_, 1, service.backends.size()));
  services_.push_back(std::move(service));
  return absl::OkStatus();
}

absl::Status StaticConfig::SetService(std::string_view service, const ServiceChange& change) {
  XLB_ASSIGN_OR_RETURN(StaticService * found, Find(service));
  if (change.name && *change.name != found->name) {
    XLB_RETURN_IF_ERROR(CheckName(*change.name));
    XLB_RETURN_IF_ERROR(CheckNameIsFree(services_, *change.name));
  }
  Access access{found->allow, found->deny, found->bind};
  change.access().ApplyTo(access);
  XLB_RETURN_IF_ERROR(CheckServiceAccess(found->frontend, access));
  found->allow = std::move(access.allow);
  found->deny = std::move(access.deny);
  found->bind = std::move(access.bind);
  found->name = change.name.value_or(found->name);
  found->scheduler = change.scheduler.value_or(found->scheduler);
  return absl::OkStatus();
}

absl::Status StaticConfig::RemoveService(std::string_view service) {
  XLB_ASSIGN_OR_RETURN(StaticService * found, Find(service));
  services_.erase(services_.begin() + (found - services_.data()));
  return absl::OkStatus();
}

absl::Status StaticConfig::AddBackend(std::string_view service, StaticBackend backend) {
  XLB_ASSIGN_OR_RETURN(StaticService * found, Find(service));
  XLB_RETURN_IF_ERROR(CheckBackend(backend));
  if (FindBackend(*found, backend.endpoint) != found->backends.end()) return BackendExists(*found, backend.endpoint);
  XLB_RETURN_IF_ERROR(CheckRoom(services_, 0, 1));
  found->backends.push_back(backend);
  return absl::OkStatus();
}

absl::Status StaticConfig::SetBackend(std::string_view service, const Endpoint& endpoint, const BackendChange& change) {
  XLB_ASSIGN_OR_RETURN(StaticService * found, Find(service));
  const auto backend = FindBackend(*found, endpoint);
  if (backend == found->backends.end()) return NoSuchBackend(*found, endpoint);
  StaticBackend changed = *backend;
  changed.weight = change.weight.value_or(changed.weight);
  changed.draining = change.draining.value_or(changed.draining);
  XLB_RETURN_IF_ERROR(CheckBackend(changed));
  *backend = changed;
  return absl::OkStatus();
}

absl::Status StaticConfig::RemoveBackend(std::string_view service, const Endpoint& endpoint) {
  XLB_ASSIGN_OR_RETURN(StaticService * found, Find(service));
  const auto backend = FindBackend(*found, endpoint);
  if (backend == found->backends.end()) return NoSuchBackend(*found, endpoint);
  found->backends.erase(backend);
  return absl::OkStatus();
}

absl::Status StaticConfig::ChangeOverride(const Frontend& frontend, const AccessChange& change) {
  AccessChange changed;
  if (const auto present = overrides_.find(frontend); present != overrides_.end()) changed = present->second;
  change.ApplyTo(changed);
  Access access;
  changed.ApplyTo(access);
  XLB_RETURN_IF_ERROR(CheckFrontend(frontend));
  XLB_RETURN_IF_ERROR(CheckServiceAccess(frontend, access));
  if (!overrides_.contains(frontend) && overrides_.size() >= XLB_MAX_SERVICES) {
    return absl::ResourceExhaustedError(fmt::format("there is room for {} overrides", XLB_MAX_SERVICES));
  }
  if (!changed.IsNone()) overrides_[frontend] = std::move(changed);
  return absl::OkStatus();
}

absl::Status StaticConfig::RemoveOverride(const Frontend& frontend) {
  if (overrides_.erase(frontend) != 0) return absl::OkStatus();
  return absl::NotFoundError(fmt::format("{} is as its labels say already", frontend.ToString()));
}

absl::StatusOr<StaticConfig> StaticConfig::FromServices(std::vector<StaticService> services,
                                                        std::map<Frontend, AccessChange> overrides) {
  StaticConfig config;
  for (const auto& [frontend, change] : overrides) XLB_RETURN_IF_ERROR(config.ChangeOverride(frontend, change));
  // With these, the checks that walk all services run only where they will find something.
  std::set<std::string> names;
  std::set<Frontend> frontends;
  for (size_t i = 0; i < services.size(); ++i) {
    const StaticService& service = services[i];
    absl::Status status = CheckService(service);
    if (status.ok() && !names.insert(service.name).second) status = CheckNameIsFree(config.services_, service.name);
    if (status.ok() && !frontends.insert(service.frontend).second) {
      status = CheckFrontendIsFree(config.services_, service.frontend);
    }
    if (!status.ok()) {
      const absl::string_view why = status.message();
      return absl::Status(status.code(), fmt::format("service {} of {} (\"{}\"): {}", i + 1, services.size(),
                                                     service.name, std::string_view(why.data(), why.size())));
    }
    config.services_.push_back(service);
  }
  XLB_RETURN_IF_ERROR(CheckRoom(config.services_, 0, 0));
  return config;
}

}  // namespace xlb
