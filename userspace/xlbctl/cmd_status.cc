#include <fmt/format.h>
#include <fmt/ranges.h>

#include "xlbctl/commands.h"
#include "xlbctl/humanize.h"
#include "xlbctl/table.h"

namespace xlb {
namespace {

std::string UplinkText(const UplinkView& uplink) {
  std::string text = "XDP " + uplink.xdp;
  if (uplink.xdp == "off") text += ", TC does the work";
  if (uplink.attach == "link") text += ", by a pinned bpf_link";
  if (uplink.attach == "dispatcher") text += ", by libxdp's dispatcher";
  if (!uplink.reason.empty()) text += ": " + uplink.reason;
  return text;
}

std::string NodeText(const StatusView& status) {
  if (status.swarm_role.empty()) return status.node_name;
  if (status.swarm_role == "none") return fmt::format("{} in no swarm", status.node_name);
  return fmt::format("{} ({}), swarm {}", status.node_name, status.node_id, status.swarm_role);
}

std::string DockerText(const StatusView& status) {
  if (status.docker_version.empty()) return status.docker;
  return fmt::format("{}, version {}", status.docker, status.docker_version);
}

std::string DockerMeshText(const StatusView& status) {
  if (status.docker_mesh.empty() || status.docker_flows == 0) return status.docker_mesh;
  return fmt::format("{}; {} marks keep connections from before xlb with it", status.docker_mesh, status.docker_flows);
}

std::string NodesText(const StatusView& status) {
  std::vector<std::string> nodes;
  for (const PeerView& node : status.nodes) {
    const std::string name = node.node == node.address ? node.node : fmt::format("{} ({})", node.node, node.address);
    nodes.push_back(fmt::format("{} {}", name, node.state));
  }
  return fmt::format("{}", fmt::join(nodes, ", "));
}

std::string FlowsText(const StatusView& status) {
  std::string text = HumanCount(static_cast<double>(status.flows));
  if (status.flow_capacity == 0) return text;
  const double share = 100.0 * static_cast<double>(status.flows) / static_cast<double>(status.flow_capacity);
  return fmt::format("{} of {} ({:.1f}%)", text, HumanCount(static_cast<double>(status.flow_capacity)), share);
}

std::string StatusPage(const StatusView& status) {
  std::string page = fmt::format("xlb {} (schema {}), pid {}, up {}, mode {}\n\n", status.version, status.schema,
                                 status.pid, HumanDuration(status.uptime_seconds), status.mode);
  page += "Uplinks\n";
  std::vector<std::pair<std::string, std::string>> uplinks;
  for (const UplinkView& uplink : status.uplinks) uplinks.emplace_back(uplink.name, UplinkText(uplink));
  page += uplinks.empty() ? "  none: no packet reaches xlb\n" : RenderPairs(uplinks, 2);
  page += "\n";
  page += RenderPairs({{"Node", NodeText(status)},
                       {"Docker", DockerText(status)},
                       {"Ingress", status.ingress_network},
                       {"Peers", status.peers},
                       {"xlb elsewhere", NodesText(status)},
                       {"Docker mesh", DockerMeshText(status)},
                       {"Addresses", fmt::format("{}", fmt::join(status.addresses, ", "))},
                       {"Services", fmt::format("{}, with {} backends", status.services, status.backends)},
                       {"Flows", FlowsText(status)}},
                      0);
  if (status.warnings.empty()) return page;
  page += "\nWarnings\n";
  for (const std::string& warning : status.warnings) page += fmt::format("  {}\n", Printable(warning));
  return page;
}

}  // namespace

void AddStatusCommand(CLI::App& app, Context& context) {
  AddCommand(app, "status", "what xlb does on this node, and what stands in its way", context, [&context] {
    XLB_ASSIGN_OR_RETURN(const StatusView status, context.client().Get<StatusView>("/v1/status"));
    if (context.json()) return context.PrintJson(status);
    context.env.out << StatusPage(status);
    return absl::OkStatus();
  });
}

}  // namespace xlb
