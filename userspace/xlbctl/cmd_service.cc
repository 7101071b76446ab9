#include <fmt/format.h>

#include <memory>

#include "xlbctl/backend_table.h"
#include "xlbctl/commands.h"
#include "xlbctl/humanize.h"
#include "xlbctl/table.h"

namespace xlb {
namespace {

struct Options {
  std::string service;
  std::string frontend;
  std::string name;
  std::string scheduler;
};

// Edits answer nothing; what was made is printed for programs, and people get a line.
absl::Status Done(Context& context, const std::string& line) {
  if (!context.json()) context.env.out << line << '\n';
  return absl::OkStatus();
}

absl::Status Add(Context& context, const Options& options) {
  StaticService service;
  service.name = options.name;
  XLB_ASSIGN_OR_RETURN(service.frontend, Frontend::Parse(options.frontend));
  XLB_ASSIGN_OR_RETURN(service.scheduler, ParseScheduler(options.scheduler));
  XLB_ASSIGN_OR_RETURN(const StaticService made,
                       context.client().CallFor<StaticService>("POST", "/v1/services", ToJson(service)));
  if (context.json()) return context.PrintJson(made);
  return Done(context, fmt::format("service {} added: {}, scheduler {}", made.name, made.frontend.ToString(),
                                   ToString(made.scheduler)));
}

absl::Status Set(Context& context, const Options& options) {
  ServiceChange change;
  if (!options.name.empty()) change.name = options.name;
  if (!options.scheduler.empty()) {
    XLB_ASSIGN_OR_RETURN(change.scheduler, ParseScheduler(options.scheduler));
  }
  if (!change.name && !change.scheduler) return context.UsageError("service set: give --name, --scheduler or both");
  XLB_RETURN_IF_ERROR(context.client().Call("PATCH", ServiceTarget(options.service), ToJson(change)).status());
  return Done(context, fmt::format("service {} changed", options.service));
}

absl::Status Remove(Context& context, const Options& options) {
  XLB_RETURN_IF_ERROR(context.client().Call("DELETE", ServiceTarget(options.service)).status());
  return Done(context, fmt::format("service {} removed", options.service));
}

absl::Status List(Context& context) {
  XLB_ASSIGN_OR_RETURN(const ServicesReply reply, context.client().Get<ServicesReply>("/v1/services"));
  if (context.json()) return context.PrintJson(reply);
  Table table({"NAME", "FRONTEND", "SOURCE", "SCHEDULER", ">BACKENDS", ">FLOWS", ">PACKETS", ">BYTES"});
  for (const ServiceView& service : reply.services) {
    const auto packets = static_cast<double>(service.stats.in.packets + service.stats.out.packets);
    const auto bytes = static_cast<double>(service.stats.in.bytes + service.stats.out.bytes);
    table.Add({service.name, service.frontend, service.source, service.scheduler,
               fmt::format("{}/{}", ActiveBackends(service), service.backends.size()),
               HumanCount(static_cast<double>(LiveFlows(service))), HumanCount(packets), HumanBytes(bytes)});
  }
  context.env.out << table.Render();
  return absl::OkStatus();
}

std::string TrafficText(const TrafficView& traffic) {
  return fmt::format("{} packets, {}", HumanCount(static_cast<double>(traffic.packets)),
                     HumanBytes(static_cast<double>(traffic.bytes)));
}

std::string ServicePage(const ServiceView& service) {
  std::string page = fmt::format("{}  {}\n", Printable(service.name), Printable(service.frontend));
  const auto new_flows = static_cast<double>(service.stats.flows);
  page += RenderPairs({{"id", fmt::format("{}", service.id)},
                       {"source", service.source},
                       {"scheduler", fmt::format("{}, ring of {} slots", service.scheduler, service.ring_slots)},
                       {"flows", fmt::format("{} live, {} ever", HumanCount(static_cast<double>(LiveFlows(service))),
                                             HumanCount(new_flows))},
                       {"in", TrafficText(service.stats.in)},
                       {"out", TrafficText(service.stats.out)}},
                      2);
  return page + "\n" + BackendTable(service.backends, false);
}

absl::Status Show(Context& context, const Options& options) {
  XLB_ASSIGN_OR_RETURN(const ServicesReply reply, context.client().Get<ServicesReply>(ServiceTarget(options.service)));
  if (context.json()) return context.PrintJson(reply);
  bool first = true;
  for (const ServiceView& service : reply.services) {
    context.env.out << (first ? "" : "\n") << ServicePage(service);
    first = false;
  }
  return absl::OkStatus();
}

}  // namespace

void AddServiceCommands(CLI::App& app, Context& context) {
  CLI::App& group = AddGroup(app, "service", "what clients connect to");
  auto options = std::make_shared<Options>();
  const auto bind = [&context, options](absl::Status (*run)(Context&, const Options&)) {
    return [&context, options, run] { return run(context, *options); };
  };
  CLI::App& add = AddCommand(group, "add", "add a static service", context, [&context, options] {
    if (options->scheduler.empty()) options->scheduler = ToString(SchedulerKind::kRoundRobin);
    return Add(context, *options);
  });
  add.add_option("FRONTEND", options->frontend, "tcp/192.0.2.10:80; tcp/*:80 for every address of this node")
      ->required()
      ->check(FrontendCheck());
  add.add_option("--name", options->name, "its name")->required();
  add.add_option("--scheduler", options->scheduler, "rr (default), wrr or maglev")->check(SchedulerCheck());

  CLI::App& set = AddCommand(group, "set", "change a static service", context, bind(Set));
  AddServiceArgument(set, options->service);
  set.add_option("--name", options->name, "its new name");
  set.add_option("--scheduler", options->scheduler, "rr, wrr or maglev")->check(SchedulerCheck());

  AddServiceArgument(AddCommand(group, "rm", "remove a static service", context, bind(Remove)), options->service);
  AddCommand(group, "ls", "list all services", context, [&context] { return List(context); });
  AddServiceArgument(AddCommand(group, "show", "show a service and its backends", context, bind(Show)),
                     options->service);
}

}  // namespace xlb
