#include "control/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>

#include "control/json.h"
#include "control/metrics.h"
#include "control/static_diff.h"
#include "control/url.h"

namespace xlb {
namespace {

constexpr uint64_t kMaxWaitSeconds = 30;
constexpr uint64_t kMaxFlows = 4'000'000;  // no flow table is larger

// A request whose route is found.
struct Call {
  const HttpRequest& request;
  const std::vector<std::string>& args;  // what the route's {} matched
  const std::map<std::string, std::string>& query;
  DaemonInterface& daemon;

  std::string Text(const std::string& key) const {
    const auto found = query.find(key);
    return found == query.end() ? "" : found->second;
  }
  absl::StatusOr<uint64_t> Number(const std::string& key, uint64_t fallback, uint64_t max) const;
};

absl::StatusOr<uint64_t> Call::Number(const std::string& key, uint64_t fallback, uint64_t max) const {
  const auto found = query.find(key);
  if (found == query.end()) return fallback;
  const std::string& text = found->second;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number > max) {
    return absl::InvalidArgumentError(fmt::format("{}=\"{}\": must be a whole number from 0 to {}", key, text, max));
  }
  return number;
}

int HttpStatus(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kResourceExhausted:
      return 507;
    default:
      return 500;
  }
}

HttpResponse Failure(int http_status, std::string_view message) {
  HttpResponse response;
  response.status = http_status;
  response.body = ToJson(ErrorReply{std::string(message)}) + "\n";
  return response;
}

HttpResponse Failure(const absl::Status& status) {
  return Failure(HttpStatus(status.code()), std::string(status.message()));
}

template <typename T>
HttpResponse Answer(const T& value, int http_status = 200) {
  HttpResponse response;
  response.status = http_status;
  response.body = ToJson(value) + "\n";
  return response;
}

HttpResponse NoContent() {
  HttpResponse response;
  response.status = 204;
  return response;
}

using CallResult = absl::StatusOr<HttpResponse>;

// ---- reading ----

CallResult GetStatus(const Call& call) { return Answer(call.daemon.Status()); }

CallResult GetServices(const Call& call) { return Answer(ServicesReply{call.daemon.Services()}); }

// All that have this name (a Swarm service has a frontend for each published port), or the one with this frontend.
std::vector<ServiceView> FindServices(DaemonInterface& daemon, const std::string& name_or_frontend) {
  std::vector<ServiceView> found;
  for (ServiceView& service : daemon.Services()) {
    if (service.name == name_or_frontend || service.frontend == name_or_frontend) found.push_back(std::move(service));
  }
  return found;
}

CallResult GetService(const Call& call) {
  ServicesReply reply{FindServices(call.daemon, call.args[0])};
  if (reply.services.empty()) {
    return absl::NotFoundError(
        fmt::format("service \"{}\" does not exist; 'xlbctl service ls' lists them", call.args[0]));
  }
  return Answer(reply);
}

CallResult GetFlows(const Call& call) {
  FlowFilter filter{.service = call.Text("service"), .client = call.Text("client")};
  if (!filter.client.empty() && !Ipv4::Parse(filter.client)) {
    return absl::InvalidArgumentError(fmt::format("client=\"{}\": must be an IPv4 address", filter.client));
  }
  XLB_ASSIGN_OR_RETURN(const uint64_t limit, call.Number("limit", filter.limit, kMaxFlows));
  filter.limit = limit + 1;  // one more than asked for tells whether there are more
  XLB_ASSIGN_OR_RETURN(std::vector<FlowView> flows, call.daemon.Flows(filter));
  FlowsReply reply{std::move(flows), false};
  if (reply.flows.size() > limit) {
    reply.flows.resize(limit);
    reply.truncated = true;
  }
  return Answer(reply);
}

CallResult GetStats(const Call& call) {
  XLB_ASSIGN_OR_RETURN(const StatsReport report, call.daemon.Stats());
  return Answer(report);
}

CallResult GetEvents(const Call& call) {
  XLB_ASSIGN_OR_RETURN(const uint64_t after, call.Number("after", 0, UINT64_MAX));
  XLB_ASSIGN_OR_RETURN(const uint64_t wait, call.Number("wait", 0, kMaxWaitSeconds));
  EventsReply reply{call.daemon.Events(after)};
  if (reply.events.empty() && after > 0 && call.request.waited.count() == 0) {
    // A number that this daemon has not reached is from before its restart: everything it has is news.
    std::vector<EventView> all = call.daemon.Events(0);
    if (all.empty() || all.back().sequence < after) reply.events = std::move(all);
  }
  HttpResponse response = Answer(reply);
  response.pending = reply.events.empty() && call.request.waited < std::chrono::seconds(wait);
  return response;
}

CallResult GetMetrics(const Call& call) {
  HttpResponse response;
  response.content_type = kMetricsContentType;
  response.body = MetricsText(call.daemon);
  return response;
}

// ---- the static configuration ----

CallResult GetStatic(const Call& call) {
  HttpResponse response;
  response.body = StaticConfigToJson(call.daemon.Static());
  return response;
}

CallResult PutStatic(const Call& call) {
  XLB_ASSIGN_OR_RETURN(const uint64_t dry_run, call.Number("dry_run", 0, 1));
  XLB_ASSIGN_OR_RETURN(StaticConfig config, StaticConfigFromJson(call.request.body));
  ApplyReply reply = DiffStaticConfigs(call.daemon.Static(), config);
  reply.dry_run = dry_run == 1;
  XLB_RETURN_IF_ERROR(reply.dry_run ? call.daemon.Check(config) : call.daemon.Replace(std::move(config)));
  return Answer(reply);
}

// Edits what the static configuration knows by `service`. One that Docker brought is refused with the reason, not as
// unknown.
absl::Status EditService(const Call& call, const std::function<absl::Status(StaticConfig&)>& change) {
  const std::string& service = call.args[0];
  absl::Status status = call.daemon.Edit(change);
  if (!absl::IsNotFound(status)) return status;
  const std::vector<ServiceView> found = FindServices(call.daemon, service);
  const bool is_static = std::any_of(found.begin(), found.end(), [](const ServiceView& view) {
    return view.source == ToString(ServiceSource::kStatic);
  });
  if (found.empty() || is_static) return status;
  return absl::FailedPreconditionError(
      fmt::format("service \"{}\" comes from {}, not from xlbctl; change it there", service, found[0].source));
}

CallResult PostService(const Call& call) {
  XLB_ASSIGN_OR_RETURN(const StaticService service, FromJson<StaticService>(call.request.body));
  XLB_RETURN_IF_ERROR(call.daemon.Edit([&](StaticConfig& config) { return config.AddService(service); }));
  return Answer(service, 201);
}

// Of a service that Swarm brings, who reaches it on this node can be said here; nothing else.
absl::Status OverrideAccess(const Call& call,
                            const std::function<absl::Status(StaticConfig&, const Frontend&)>& change) {
  const std::vector<ServiceView> found = FindServices(call.daemon, call.args[0]);
  const bool is_swarms = !found.empty() && std::all_of(found.begin(), found.end(), [](const ServiceView& view) {
    return view.source == ToString(ServiceSource::kSwarm);
  });
  if (!is_swarms) {
    return absl::NotFoundError(
        fmt::format("swarm service \"{}\" does not exist; 'xlbctl service ls' lists them", call.args[0]));
  }
  return call.daemon.Edit([&](StaticConfig& config) -> absl::Status {
    for (const ServiceView& view : found) {
      XLB_ASSIGN_OR_RETURN(const Frontend frontend, Frontend::Parse(view.frontend));
      XLB_RETURN_IF_ERROR(change(config, frontend));
    }
    return absl::OkStatus();
  });
}

CallResult DeleteOverride(const Call& call) {
  XLB_RETURN_IF_ERROR(OverrideAccess(
      call, [](StaticConfig& config, const Frontend& frontend) { return config.RemoveOverride(frontend); }));
  return NoContent();
}

CallResult PatchService(const Call& call) {
  XLB_ASSIGN_OR_RETURN(const ServiceChange change, FromJson<ServiceChange>(call.request.body));
  if (!change.name && !change.scheduler) {
    const absl::Status overridden = OverrideAccess(call, [&](StaticConfig& config, const Frontend& frontend) {
      return config.ChangeOverride(frontend, change.access());
    });
    if (overridden.ok()) return NoContent();
    if (!absl::IsNotFound(overridden)) return overridden;
  }
  XLB_RETURN_IF_ERROR(EditService(call, [&](StaticConfig& config) { return config.SetService(call.args[0], change); }));
  return NoContent();
}

CallResult DeleteService(const Call& call) {
  XLB_RETURN_IF_ERROR(EditService(call, [&](StaticConfig& config) { return config.RemoveService(call.args[0]); }));
  return NoContent();
}

CallResult PostBackend(const Call& call) {
  XLB_ASSIGN_OR_RETURN(const StaticBackend backend, FromJson<StaticBackend>(call.request.body));
  XLB_RETURN_IF_ERROR(
      EditService(call, [&](StaticConfig& config) { return config.AddBackend(call.args[0], backend); }));
  return Answer(backend, 201);
}

CallResult PatchBackend(const Call& call) {
  XLB_ASSIGN_OR_RETURN(const Endpoint endpoint, Endpoint::Parse(call.args[1]));
  XLB_ASSIGN_OR_RETURN(const BackendChange change, FromJson<BackendChange>(call.request.body));
  XLB_RETURN_IF_ERROR(
      EditService(call, [&](StaticConfig& config) { return config.SetBackend(call.args[0], endpoint, change); }));
  return NoContent();
}

CallResult DeleteBackend(const Call& call) {
  XLB_ASSIGN_OR_RETURN(const Endpoint endpoint, Endpoint::Parse(call.args[1]));
  XLB_RETURN_IF_ERROR(
      EditService(call, [&](StaticConfig& config) { return config.RemoveBackend(call.args[0], endpoint); }));
  return NoContent();
}

CallResult PostDetach(const Call& call) {
  XLB_ASSIGN_OR_RETURN(std::vector<std::string> removed, call.daemon.Detach());
  return Answer(DetachReply{std::move(removed)});
}

// ---- routes ----

struct Route {
  std::string_view method;
  std::string_view path;                       // {}: any one segment
  std::array<std::string_view, 3> parameters;  // of the query
  CallResult (*answer)(const Call& call);
};

constexpr Route kRoutes[] = {
    {"GET", "/v1/status", {}, GetStatus},
    {"GET", "/v1/services", {}, GetServices},
    {"POST", "/v1/services", {}, PostService},
    {"GET", "/v1/services/{}", {}, GetService},
    {"PATCH", "/v1/services/{}", {}, PatchService},
    {"DELETE", "/v1/services/{}", {}, DeleteService},
    {"DELETE", "/v1/services/{}/override", {}, DeleteOverride},
    {"POST", "/v1/services/{}/backends", {}, PostBackend},
    {"PATCH", "/v1/services/{}/backends/{}", {}, PatchBackend},
    {"DELETE", "/v1/services/{}/backends/{}", {}, DeleteBackend},
    {"GET", "/v1/flows", {"service", "client", "limit"}, GetFlows},
    {"GET", "/v1/stats", {}, GetStats},
    {"GET", "/v1/events", {"after", "wait"}, GetEvents},
    {"GET", "/v1/static", {}, GetStatic},
    {"PUT", "/v1/static", {"dry_run"}, PutStatic},
    {"POST", "/v1/detach", {}, PostDetach},
    {"GET", "/metrics", {}, GetMetrics},
};

// What the {} of `pattern` stand for in `path`; nothing when it does not match.
std::optional<std::vector<std::string>> Match(std::string_view pattern, const std::vector<std::string>& path) {
  std::vector<std::string> args;
  for (const std::string& segment : path) {
    if (pattern.empty()) return std::nullopt;
    pattern.remove_prefix(1);
    const std::string_view expected = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(expected.size());
    if (expected == "{}") {
      args.push_back(segment);
    } else if (expected != segment) {
      return std::nullopt;
    }
  }
  if (!pattern.empty()) return std::nullopt;
  return args;
}

absl::Status CheckParameters(const Route& route, const std::map<std::string, std::string>& query) {
  for (const auto& [key, value] : query) {
    const auto& known = route.parameters;
    const bool is_known = !key.empty() && std::find(known.begin(), known.end(), key) != known.end();
    if (!is_known) return absl::InvalidArgumentError(fmt::format("{} knows no parameter \"{}\"", route.path, key));
  }
  return absl::OkStatus();
}

template <typename Routes>
HttpResponse Dispatch(const Routes& routes, const HttpRequest& request, DaemonInterface& daemon) {
  const absl::StatusOr<Target> target = ParseTarget(request.target);
  if (!target.ok()) return Failure(target.status());
  std::string other_methods;
  for (const Route& route : routes) {
    const std::optional<std::vector<std::string>> args = Match(route.path, target->path);
    if (!args) continue;
    if (route.method != request.method) {
      other_methods += fmt::format(" {}", route.method);
      continue;
    }
    const absl::Status parameters = CheckParameters(route, target->query);
    if (!parameters.ok()) return Failure(parameters);
    CallResult result = route.answer(Call{request, *args, target->query, daemon});
    return result.ok() ? *std::move(result) : Failure(result.status());
  }
  if (!other_methods.empty()) {
    return Failure(405, fmt::format("{} does not take {}, but:{}", request.target, request.method, other_methods));
  }
  return Failure(404, fmt::format("{} is not in the API; its paths begin with /v1/", request.target));
}

constexpr Route kMetricsRoutes[] = {{"GET", "/metrics", {}, GetMetrics}};

}  // namespace

HttpResponse HandleApiRequest(const HttpRequest& request, DaemonInterface& daemon) {
  return Dispatch(kRoutes, request, daemon);
}

HttpResponse HandleMetricsRequest(const HttpRequest& request, DaemonInterface& daemon) {
  return Dispatch(kMetricsRoutes, request, daemon);
}

}  // namespace xlb
