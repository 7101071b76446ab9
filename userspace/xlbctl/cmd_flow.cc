#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "control/url.h"
#include "xlbctl/commands.h"
#include "xlbctl/humanize.h"
#include "xlbctl/table.h"

namespace xlb {
namespace {

struct Options {
  std::string service;
  std::string client;  // ls: an address; show: address and port
  uint64_t limit = 1000;
};

// One address has no more flows than it has ports, to each of the frontends.
constexpr uint64_t kAllOfOneClient = 1'000'000;

absl::StatusOr<FlowsReply> GetFlows(Context& context, const std::string& service, const std::string& client,
                                    uint64_t limit) {
  std::string target = fmt::format("/v1/flows?limit={}", limit);
  if (!service.empty()) target += "&service=" + PercentEncode(service);
  if (!client.empty()) target += "&client=" + PercentEncode(client);
  return context.client().Get<FlowsReply>(target);
}

absl::Status List(Context& context, const Options& options) {
  XLB_ASSIGN_OR_RETURN(const FlowsReply reply, GetFlows(context, options.service, options.client, options.limit));
  if (context.json()) return context.PrintJson(reply);
  Table table({"PROTO", "CLIENT", "FRONTEND", "SEEN AS", "BACKEND", "KIND", "STATE", ">IDLE", "SERVICE", "NAME"});
  for (const FlowView& flow : reply.flows) {
    table.Add({flow.protocol, flow.client, flow.frontend, flow.source, flow.backend, flow.kind, flow.state,
               HumanDuration(flow.idle_seconds), flow.service, flow.backend_name});
  }
  context.env.out << table.Render();
  if (reply.truncated) {
    context.env.err << fmt::format("xlbctl: there are more than {} flows; --limit shows more\n", options.limit);
  }
  return absl::OkStatus();
}

std::string FlowPage(const FlowView& flow) {
  return fmt::format("{} {} -> {}\n", flow.protocol, flow.client, flow.frontend) +
         RenderPairs({{"service", flow.service},
                      {"state", flow.state},
                      {"idle", HumanDuration(flow.idle_seconds)},
                      {"backend", fmt::format("{} {}", flow.backend_name, flow.backend)},
                      {"kind", flow.kind},
                      {"seen as", flow.source == flow.client ? flow.source + " (the client itself)" : flow.source}},
                     2);
}

absl::Status Show(Context& context, const Options& options) {
  XLB_ASSIGN_OR_RETURN(const Endpoint client, Endpoint::Parse(options.client));
  XLB_ASSIGN_OR_RETURN(FlowsReply reply,
                       GetFlows(context, options.service, client.address.ToString(), kAllOfOneClient));
  const std::string wanted = client.ToString();
  std::erase_if(reply.flows, [&](const FlowView& flow) { return flow.client != wanted; });
  if (reply.flows.empty()) {
    return absl::NotFoundError(fmt::format("no flow of client {}; 'xlbctl flow ls --client {}' lists its others",
                                           wanted, client.address.ToString()));
  }
  if (context.json()) return context.PrintJson(reply);
  for (size_t i = 0; i < reply.flows.size(); ++i) context.env.out << (i > 0 ? "\n" : "") << FlowPage(reply.flows[i]);
  return absl::OkStatus();
}

}  // namespace

void AddFlowCommands(CLI::App& app, Context& context) {
  CLI::App& group = AddGroup(app, "flow", "connections and conversations in the flow table");
  auto options = std::make_shared<Options>();
  CLI::App& list =
      AddCommand(group, "ls", "list flows", context, [&context, options] { return List(context, *options); });
  list.add_option("--service", options->service, "only this service's: name or frontend");
  list.add_option("--client", options->client, "only of this client address")->check(CLI::ValidIPV4);
  list.add_option("--limit", options->limit, "at most so many")->capture_default_str();

  CLI::App& show = AddCommand(group, "show", "show where a client's connection goes", context,
                              [&context, options] { return Show(context, *options); });
  AddEndpointArgument(show, "CLIENT", options->client);
  show.add_option("--service", options->service, "only to this service: name or frontend");
}

}  // namespace xlb
