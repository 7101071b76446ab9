#include "dataplane/tx_probe.h"

#include <fmt/core.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace xlb {
namespace {

constexpr uint16_t kExperimentalEtherType = 0x88b5;  // IEEE Std 802 local experimental: nobody answers

absl::Status Ethtool(int socket, const std::string& device, void* command) {
  ifreq request{};
  std::strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
  request.ifr_data = static_cast<char*>(command);
  if (ioctl(socket, SIOCETHTOOL, &request) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, fmt::format("cannot read the driver's counters of {}", device));
}

// A struct with `count` more bytes behind it, as ethtool's variable-length commands want.
template <typename T>
std::unique_ptr<T, void (*)(void*)> WithTail(size_t tail) {
  return {static_cast<T*>(std::calloc(1, sizeof(T) + tail)), std::free};
}

// Sum of the driver's counters "tx_queue_<n>_xdp_xmit": frames that XDP sent and the peer took.
absl::StatusOr<uint64_t> FramesSent(const std::string& device) {
  UniqueFd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd.valid()) return ErrnoStatus(errno, "cannot open a socket");
  auto size = WithTail<ethtool_sset_info>(sizeof(uint32_t));
  size->cmd = ETHTOOL_GSSET_INFO;
  size->sset_mask = 1ull << ETH_SS_STATS;
  XLB_RETURN_IF_ERROR(Ethtool(socket_fd.get(), device, size.get()));
  const uint32_t count = size->data[0];

  auto names = WithTail<ethtool_gstrings>(size_t{count} * ETH_GSTRING_LEN);
  names->cmd = ETHTOOL_GSTRINGS;
  names->string_set = ETH_SS_STATS;
  names->len = count;
  XLB_RETURN_IF_ERROR(Ethtool(socket_fd.get(), device, names.get()));
  auto values = WithTail<ethtool_stats>(size_t{count} * sizeof(uint64_t));
  values->cmd = ETHTOOL_GSTATS;
  values->n_stats = count;
  XLB_RETURN_IF_ERROR(Ethtool(socket_fd.get(), device, values.get()));

  uint64_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    const std::string_view name(reinterpret_cast<const char*>(names->data + size_t{i} * ETH_GSTRING_LEN));
    if (name.starts_with("tx_queue_") && name.ends_with("_xdp_xmit")) sum += values->data[i];
  }
  return sum;
}

absl::StatusOr<std::array<uint8_t, ETH_ZLEN>> ProbeFrame(const std::string& device) {
  UniqueFd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
  if (!socket_fd.valid() || ioctl(socket_fd.get(), SIOCGIFHWADDR, &request) != 0) {
    return ErrnoStatus(errno, fmt::format("cannot read the MAC address of {}", device));
  }
  // From the device to itself: a switch has no reason to hand it on.
  std::array<uint8_t, ETH_ZLEN> frame{};
  std::memcpy(frame.data(), request.ifr_hwaddr.sa_data, ETH_ALEN);
  std::memcpy(frame.data() + ETH_ALEN, request.ifr_hwaddr.sa_data, ETH_ALEN);
  frame[12] = kExperimentalEtherType >> 8;
  frame[13] = kExperimentalEtherType & 0xff;
  return frame;
}

absl::Status SendOneFrame(uint32_t ifindex, const std::string& device) {
  const bpf_insn code[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = XDP_TX},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
  };
  UniqueFd program(bpf_prog_load(BPF_PROG_TYPE_XDP, "xlb_probe", "GPL", code, 2, nullptr));
  if (!program.valid()) return ErrnoStatus(errno, "cannot load a probe program");
  XLB_ASSIGN_OR_RETURN(auto frame, ProbeFrame(device));
  xdp_md context{};
  context.data_end = ETH_ZLEN;
  context.ingress_ifindex = ifindex;
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = ETH_ZLEN, .ctx_in = &context,
              .ctx_size_in = sizeof(context), .repeat = 1, .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 1);
  if (bpf_prog_test_run_opts(program.get(), &options) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "this kernel cannot send a probe frame by XDP");
}

}  // namespace

absl::Status ProbeXdpTransmit(uint32_t ifindex) {
  char name[IF_NAMESIZE];
  if (if_indextoname(ifindex, name) == nullptr) return ErrnoStatus(errno, fmt::format("device {}", ifindex));
  XLB_ASSIGN_OR_RETURN(const uint64_t before, FramesSent(name));
  XLB_RETURN_IF_ERROR(SendOneFrame(ifindex, name));
  XLB_ASSIGN_OR_RETURN(const uint64_t after, FramesSent(name));
  if (after > before) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{} is a veth whose other end drops what XDP sends (it needs 'ethtool -K <its name> gro on')", name));
}

}  // namespace xlb
