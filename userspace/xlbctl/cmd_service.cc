#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

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
  // Absent: not said; "": nobody, nowhere in particular.
  std::optional<std::string> allow, deny, bind;
  bool as_labelled = false;
};

absl::Status TakeAccess(const Options& options, ServiceChange& change) {
  if (options.allow) {
    XLB_ASSIGN_OR_RETURN(change.allow, ParsePrefixes(*options.allow));
  }
  if (options.deny) {
    XLB_ASSIGN_OR_RETURN(change.deny, ParsePrefixes(*options.deny));
  }
  if (options.bind) {
    XLB_ASSIGN_OR_RETURN(change.bind, ParseBind(*options.bind));
  }
  return absl::OkStatus();
}

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
  ServiceChange access;
  XLB_RETURN_IF_ERROR(TakeAccess(options, access));
  service.allow = access.allow.value_or(service.allow);
  service.deny = access.deny.value_or(service.deny);
  service.bind = access.bind.value_or(service.bind);
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
  XLB_RETURN_IF_ERROR(TakeAccess(options, change));
  const bool changes = change.name || change.scheduler || !change.access().IsNone();
  if (changes == options.as_labelled) {
    return context.UsageError(
        "service set: give --name, --scheduler, --allow, --deny or --bind, or --as-labelled alone");
  }
  if (options.as_labelled) {
    XLB_RETURN_IF_ERROR(context.client().Call("DELETE", ServiceTarget(options.service) + "/override").status());
    return Done(context, fmt::format("service {} is as its labels say", options.service));
  }
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
  std::vector<std::pair<std::string, std::string>> access;
  if (!service.allow.empty()) access.emplace_back("allow", fmt::format("{}", fmt::join(service.allow, ", ")));
  if (!service.deny.empty()) access.emplace_back("deny", fmt::format("{}", fmt::join(service.deny, ", ")));
  if (!service.bind.empty()) access.emplace_back("bind", fmt::format("{}", fmt::join(service.bind, ", ")));
  if (!service.left.empty()) access.emplace_back("left", Printable(service.left));
  page += RenderPairs({{"id", fmt::format("{}", service.id)},
                       {"source", service.source},
                       {"scheduler", fmt::format("{}, ring of {} slots", service.scheduler, service.ring_slots)},
                       {"flows", fmt::format("{} live, {} ever", HumanCount(static_cast<double>(LiveFlows(service))),
                                             HumanCount(new_flows))},
                       {"in", TrafficText(service.stats.in)},
                       {"out", TrafficText(service.stats.out)}},
                      2);
  if (!access.empty()) page += RenderPairs(access, 2);
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

void AddAccessOptions(CLI::App& command, Options& options) {
  command.add_option("--allow", options.allow, "only these clients: 10.0.0.0/8,192.0.2.7; \"\" for all");
  command.add_option("--deny", options.deny, "not these clients; the longest prefix of both lists decides");
  command.add_option("--bind", options.bind, "only at these addresses or devices of the node; \"\" for all");
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
  add.add_option("--scheduler", options->scheduler, "how new flows are shared out (default rr)")
      ->check(SchedulerCheck());
  AddAccessOptions(add, *options);

  CLI::App& set =
      AddCommand(group, "set", "change a static service, or who reaches one of Swarm's", context, bind(Set));
  AddServiceArgument(set, options->service);
  set.add_option("--name", options->name, "its new name");
  set.add_option("--scheduler", options->scheduler, "how new flows are shared out")->check(SchedulerCheck());
  AddAccessOptions(set, *options);
  set.add_flag("--as-labelled", options->as_labelled, "forget what was set here of a service of Swarm's");

  AddServiceArgument(AddCommand(group, "rm", "remove a static service", context, bind(Remove)), options->service);
  AddCommand(group, "ls", "list all services", context, [&context] { return List(context); });
  AddServiceArgument(AddCommand(group, "show", "show a service and its backends", context, bind(Show)),
                     options->service);
}

}  // namespace xlb
