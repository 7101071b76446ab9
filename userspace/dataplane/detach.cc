#include "dataplane/detach.h"

#include <fmt/core.h>

#include <net/if.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <utility>

#include "dataplane/hello_socket.h"
#include "dataplane/host_sysctl.h"
#include "dataplane/pins.h"
#include "dataplane/programs.h"
#include "dataplane/tc_attach.h"
#include "dataplane/xdp_attach.h"

namespace xlb {
namespace {

absl::StatusOr<std::map<uint32_t, std::string>> Devices() {
  const std::unique_ptr<struct if_nameindex, void (*)(struct if_nameindex*)> list(if_nameindex(), if_freenameindex);
  if (list == nullptr) return ErrnoStatus(errno, "cannot list the network devices");
  std::map<uint32_t, std::string> devices;
  for (const struct if_nameindex* device = list.get(); device->if_index != 0; device++) {
    devices.emplace(device->if_index, device->if_name);
  }
  return devices;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> DetachDataPath(const std::string& bpffs_dir) {
  if (geteuid() != 0) return absl::PermissionDeniedError("taking the data path away needs root");
  CaptureLibbpfLog();
  std::vector<std::string> lines;
  XLB_ASSIGN_OR_RETURN(auto devices, Devices());
  // Links whose device is gone lie among the pins; their devices are not listed any more.
  for (const uint32_t ifindex : PinnedXdpLinks(bpffs_dir)) devices.emplace(ifindex, fmt::format("device {}", ifindex));
  for (const auto& [ifindex, name] : devices) {
    XLB_ASSIGN_OR_RETURN(const bool xdp, DetachXdp(bpffs_dir, ifindex));
    if (xdp) lines.push_back(fmt::format("XDP program removed from {}", name));
    XLB_ASSIGN_OR_RETURN(const bool ingress, DetachTc(ifindex, TcProgram::kUplink));
    XLB_ASSIGN_OR_RETURN(const bool egress, DetachTc(ifindex, TcProgram::kHost));
    if (ingress || egress) lines.push_back(fmt::format("TC filter removed from {}", name));
  }
  SayFarewell(bpffs_dir);
  for (std::string& line : HostSysctls::Restore(bpffs_dir)) lines.push_back(std::move(line));
  XLB_ASSIGN_OR_RETURN(const int pins, RemovePins(bpffs_dir));
  if (pins != 0) lines.push_back(fmt::format("{} pins removed from {}", pins, bpffs_dir));
  return lines;
}

}  // namespace xlb
