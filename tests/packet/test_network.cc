#include "packet/test_network.h"

#include <fmt/core.h>
#include <net/if.h>
#include <sched.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace xlb::test {
namespace {

absl::Status WriteSysctl(const std::string& name, const char* value) {
  const std::string path = "/proc/sys/net/" + name;
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return ErrnoStatus(errno, "cannot open " + path);
  std::fputs(value, file);
  return std::fclose(file) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "cannot write " + path);
}

std::string DeviceLines() {
  std::string lines;
  const auto device = [&lines](const char* name, const char* mac) {
    lines += fmt::format("link add {0} address {1} type veth peer name {0}p\n", name, mac);
    lines += fmt::format("link set {0}p addrgenmode none up\nlink set {0} addrgenmode none up\n", name);
  };
  device("up0", kUplinkMac);
  device("up1", kUplink2Mac);
  device("task0", kTaskVethMac);
  return lines;
}

std::string RouteLines() {
  std::string lines = "link set lo up\n";
  lines += fmt::format("address add {}/24 dev up0\naddress add {}/24 dev up1\n", kNodeIp, kNodeIp2);
  lines += fmt::format("route add default via 192.0.2.254\nroute add 10.66.0.0/16 via {}\n", kSilentIp);
  lines += "route add unreachable 10.99.0.0/16\n";
  const auto neighbor = [&lines](const char* ip, const char* mac, const char* device) {
    lines += fmt::format("neighbor add {} lladdr {} dev {} nud permanent\n", ip, mac, device);
  };
  neighbor("192.0.2.254", kGatewayMac, "up0");
  neighbor(kWorkerIp, kWorkerMac, "up0");
  neighbor(kOtherUplinkIp, kOtherUplinkMac, "up1");
  return lines;
}

}  // namespace

absl::Status ChangeNetwork(const std::string& lines) {
  std::FILE* ip = popen("ip -batch -", "w");
  if (ip == nullptr) return ErrnoStatus(errno, "cannot run ip");
  std::fputs(lines.c_str(), ip);
  if (pclose(ip) != 0) return absl::InternalError("ip (iproute2) refused a change of the network");
  return absl::OkStatus();
}

absl::StatusOr<TestNetwork> EnterTestNetwork() {
  if (unshare(CLONE_NEWNET) != 0) {
    return absl::UnavailableError("no network namespace of one's own: it takes root with CAP_SYS_ADMIN");
  }
  XLB_RETURN_IF_ERROR(ChangeNetwork(DeviceLines() + RouteLines()));
  XLB_RETURN_IF_ERROR(WriteSysctl("ipv4/ip_forward", "1"));
  TestNetwork network{
      .uplink = if_nametoindex("up0"), .uplink2 = if_nametoindex("up1"), .task = if_nametoindex("task0")};
  if (network.uplink == 0 || network.uplink2 == 0 || network.task == 0) {
    return absl::InternalError("the network has no devices");
  }
  return network;
}

void SetForwarding(bool on) {
  const absl::Status status = WriteSysctl("ipv4/conf/up0/forwarding", on ? "1" : "0");
  if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
}

}  // namespace xlb::test
