#include <fmt/format.h>

#include <memory>

#include "xlbctl/backend_table.h"
#include "xlbctl/commands.h"

namespace xlb {
namespace {

struct Options {
  std::string service;
  std::string endpoint;
  std::optional<uint32_t> weight;
  bool drain = false;
  bool undrain = false;
};

absl::Status Done(Context& context, const Options& options, std::string_view what) {
  if (!context.json()) {
    context.env.out << fmt::format("backend {} of {} {}\n", options.endpoint, options.service, what);
  }
  return absl::OkStatus();
}

absl::Status Add(Context& context, const Options& options) {
  StaticBackend backend;
  XLB_ASSIGN_OR_RETURN(backend.endpoint, Endpoint::Parse(options.endpoint));
  backend.weight = options.weight.value_or(1);
  const std::string target = ServiceTarget(options.service) + "/backends";
  XLB_ASSIGN_OR_RETURN(const StaticBackend made,
                       context.client().CallFor<StaticBackend>("POST", target, ToJson(backend)));
  if (context.json()) return context.PrintJson(made);
  return Done(context, options, fmt::format("added, weight {}", made.weight));
}

absl::Status Change(Context& context, const Options& options, const BackendChange& change, std::string_view what) {
  const std::string target = BackendTarget(options.service, options.endpoint);
  XLB_RETURN_IF_ERROR(context.client().Call("PATCH", target, ToJson(change)).status());
  return Done(context, options, what);
}

absl::Status Set(Context& context, const Options& options) {
  BackendChange change{.weight = options.weight, .draining = {}};
  if (options.drain || options.undrain) change.draining = options.drain;
  if (!change.weight && !change.draining) {
    return context.UsageError("backend set: give --weight, --drain or --undrain");
  }
  return Change(context, options, change, "changed");
}

absl::Status Drain(Context& context, const Options& options) {
  return Change(context, options, {.weight = {}, .draining = true}, "drains: it keeps its flows and gets no new ones");
}

absl::Status Undrain(Context& context, const Options& options) {
  return Change(context, options, {.weight = {}, .draining = false}, "gets new flows again");
}

absl::Status Remove(Context& context, const Options& options) {
  XLB_RETURN_IF_ERROR(context.client().Call("DELETE", BackendTarget(options.service, options.endpoint)).status());
  return Done(context, options, "removed");
}

absl::Status List(Context& context, const Options& options) {
  const std::string target = options.service.empty() ? "/v1/services" : ServiceTarget(options.service);
  XLB_ASSIGN_OR_RETURN(ServicesReply reply, context.client().Get<ServicesReply>(target));
  if (context.json()) return context.PrintJson(reply);
  std::vector<BackendView> backends;
  for (ServiceView& service : reply.services) {
    for (BackendView& backend : service.backends) backends.push_back(std::move(backend));
  }
  context.env.out << BackendTable(backends, true);
  return absl::OkStatus();
}

}  // namespace

void AddBackendCommands(CLI::App& app, Context& context) {
  CLI::App& group = AddGroup(app, "backend", "where a service's packets go");
  auto options = std::make_shared<Options>();
  const auto command = [&context, options](CLI::App& parent, const char* name, const char* help,
                                           absl::Status (*run)(Context&, const Options&)) -> CLI::App& {
    CLI::App& made =
        AddCommand(parent, name, help, context, [&context, options, run] { return run(context, *options); });
    return made;
  };
  const auto arguments = [options](CLI::App& to) -> CLI::App& {
    AddServiceArgument(to, options->service);
    AddEndpointArgument(to, "BACKEND", options->endpoint);
    return to;
  };
  const CLI::Range weights(0u, kMaxWeight);

  CLI::App& add = arguments(command(group, "add", "add a backend to a static service", Add));
  add.add_option("--weight", options->weight, "share of the new flows, 0 to 1000 (default 1)")->check(weights);
  CLI::App& set = arguments(command(group, "set", "change a backend of a static service", Set));
  set.add_option("--weight", options->weight, "share of the new flows, 0 to 1000")->check(weights);
  CLI::Option* drain = set.add_flag("--drain", options->drain, "no new flows");
  set.add_flag("--undrain", options->undrain, "new flows again")->excludes(drain);
  arguments(command(group, "rm", "remove a backend from a static service", Remove));
  AddServiceArgument(command(group, "ls", "list the backends of all services or of one", List), options->service)
      ->required(false);

  arguments(command(app, "drain", "let a static backend keep its flows and get no new ones", Drain));
  arguments(command(app, "undrain", "end a drain", Undrain));
}

}  // namespace xlb
