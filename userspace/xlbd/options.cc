#include "xlbd/options.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>

namespace xlb {

namespace {

// As CLI11 wants it of a check: empty if all is well.
std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

std::variant<Options, int> ParseOptions(int argc, char** argv) {
  Options options;
  std::string xdp = "auto";
  std::string peer = fmt::format("{}:{}", options.peer.host, options.peer.port);
  CLI::App app("xlbd: serves Docker Swarm's published ports, and static services, through XDP and TC", "xlbd");
  app.set_version_flag("--version", std::string("xlbd ") + XLB_VERSION);
  app.set_config("--config", "", "Read options from this file (name = value, one a line)");
  app.allow_config_extras(CLI::config_extras_mode::error);  // a misspelt name must not be a default in disguise
  app.add_option("--uplink", options.uplinks, "Devices that clients come by (default: all with an address)")
      ->delimiter(',');
  app.add_option("--xdp", xdp, "XDP on the uplinks: auto, native, generic or off (TC does all the work)")
      ->check(CLI::IsMember({"auto", "native", "generic", "off"}))
      ->capture_default_str();
  app.add_option("--docker-socket", options.docker_socket, "Docker's API socket, or \"none\"")->capture_default_str();
  app.add_option("--netns-dir", options.netns_dir, "Where Docker keeps network namespaces")->capture_default_str();
  app.add_option("--api-socket", options.api_socket, "Where xlbctl finds xlbd")->capture_default_str();
  app.add_option("--bpffs", options.bpffs_dir, "Directory for pins, on a BPF file system")->capture_default_str();
  app.add_option("--state-dir", options.state_dir, "Directory for static services")->capture_default_str();
  app.add_option("--metrics", options.metrics_address, "Address and port for Prometheus, or \"off\"")
      ->capture_default_str();
  app.add_option("--peer", peer,
                 "Where a manager tells workers' xlbd what Docker tells managers alone; the port is every node's; or "
                 "\"off\"")
      ->check([](const std::string& text) { return text == "off" ? "" : MessageOf(ParsePeerAddress(text).status()); })
      ->capture_default_str();
  app.add_option("--peer-timeout", options.peer_timeout_ms,
                 "Milliseconds without an answer of another node's xlb after which its tasks are down")
      ->check(CLI::Range(1000u, 60000u))
      ->capture_default_str();
  app.add_option("--swarm-certs", options.swarm_certs, "This node's swarm certificates, with which it does that")
      ->capture_default_str();
  app.add_option("--cgroup", options.cgroup, "Accepted for compatibility; not needed, nothing is attached to a cgroup");
  app.add_option("--max-flows", options.max_flows, "Flows that the table holds; taken when the maps are made")
      ->check(CLI::Range(1024u, 64u * 1024 * 1024))
      ->capture_default_str();
  app.add_option("--new-flow-limit", options.new_flow_limit, "New flows a CPU admits in about a second; 0: all")
      ->capture_default_str();
  app.add_option("--log-level", options.log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options.xdp = *ParseXdpMode(xdp);
  if (options.docker_socket == "none") options.docker_socket.clear();
  if (options.metrics_address == "off") options.metrics_address.clear();
  options.peer = peer == "off" ? PeerAddress{} : *ParsePeerAddress(peer);
  return options;
}

}  // namespace xlb
