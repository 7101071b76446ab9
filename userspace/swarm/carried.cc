#include "swarm/carried.h"

#include <netinet/in.h>

#include <filesystem>
#include <system_error>

#include "netlink/netlink.h"
#include "swarm/snapshot.h"

namespace xlb {
namespace {

ConnectionTuple TurnedRound(const ConnectionTuple& tuple) {
  return {.source = tuple.destination,
          .destination = tuple.source,
          .source_port = tuple.destination_port,
          .destination_port = tuple.source_port};
}

absl::Status UnlessMissing(const absl::Status& status) { return absl::IsNotFound(status) ? absl::OkStatus() : status; }

}  // namespace

absl::StatusOr<std::set<Ipv4>> AddressesIn(const std::string& netns_path) {
  XLB_ASSIGN_OR_RETURN(Netlink netlink, Netlink::OpenIn(netns_path));
  XLB_ASSIGN_OR_RETURN(const std::vector<Address> addresses, netlink.Addresses());
  std::set<Ipv4> found;
  for (const Address& address : addresses) found.insert(address.address);
  return found;
}

void CarriedFlows::AddHosts(const Connection& connection) {
  if (!IsPublished(connection)) return;
  const bool translated = connection.reply.source != connection.original.destination;
  if (!translated || !sandbox_.contains(connection.reply.source)) return;
  // A remote client's, a container's, and as the host sends it on to the sandbox.
  Add(connection.protocol, connection.original, XLB_ZONE_UPLINK);
  if (connection.protocol == IPPROTO_TCP) return;
  Add(connection.protocol, connection.original, XLB_ZONE_TASK);
  Add(connection.protocol, TurnedRound(connection.reply), XLB_ZONE_HOST);
}

void CarriedFlows::AddSandboxs(const Connection& connection) {
  if (!IsPublished(connection)) return;
  const bool chosen = connection.reply.source != connection.original.destination;
  if (!chosen || !sandbox_.contains(connection.reply.destination)) return;
  Add(connection.protocol, connection.reply, XLB_ZONE_TUNNEL);
}

absl::StatusOr<std::vector<xlb_flow_key>> ReadCarriedFlows(const std::string& netns_dir, const PublishedPorts& ports) {
  const std::string sandbox = netns_dir + "/" + kIngressSandbox;
  std::error_code error;
  if (!std::filesystem::exists(sandbox, error)) return std::vector<xlb_flow_key>{};
  XLB_ASSIGN_OR_RETURN(std::set<Ipv4> addresses, AddressesIn(sandbox));
  CarriedFlows carried(std::move(addresses), ports);
  XLB_RETURN_IF_ERROR(UnlessMissing(ForEachConnection([&](const Connection& one) { carried.AddHosts(one); })));
  XLB_RETURN_IF_ERROR(
      UnlessMissing(ForEachConnectionIn(sandbox, [&](const Connection& one) { carried.AddSandboxs(one); })));
  return carried.keys();
}

}  // namespace xlb
