// What xlbd is told on its command line or in its configuration file.
#ifndef XLB_XLBD_OPTIONS_H_
#define XLB_XLBD_OPTIONS_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "dataplane/xdp_attach.h"
#include "peer/address.h"
#include "xlb/abi.h"

namespace xlb {

struct Options {
  std::vector<std::string> uplinks;  // empty: every Ethernet device with an address
  XdpMode xdp = XdpMode::kAuto;
  std::string docker_socket = "/run/docker.sock";  // empty: no Docker
  std::string netns_dir = "/run/docker/netns";
  std::string api_socket = "/run/xlb/xlbd.sock";
  std::string bpffs_dir = "/sys/fs/bpf/xlb";
  std::string state_dir = "/var/lib/xlb";
  std::string metrics_address = "127.0.0.1:9650";  // empty: off
  PeerAddress peer{"0.0.0.0", 9651};               // port 0: off
  uint32_t peer_timeout_ms = 1500;
  std::string swarm_certs = "/var/lib/docker/swarm/certificates";
  std::string cgroup;
  uint32_t max_flows = XLB_DEFAULT_FLOWS;
  uint32_t new_flow_limit = XLB_DEFAULT_NEW_FLOW_LIMIT;
  std::string log_level = "info";
};

// The options, or the exit code when there is nothing to run (--help: 0, wrong usage: 2); then everything was printed.
std::variant<Options, int> ParseOptions(int argc, char** argv);

}  // namespace xlb

#endif  // XLB_XLBD_OPTIONS_H_
