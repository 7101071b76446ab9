#include "dataplane/veth_peer.h"

#include <fmt/core.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/unique_fd.h"

namespace xlb {
namespace {

constexpr std::string_view kSegmentation = "tx-tcp-segmentation";

// One command of ethtool's after the other, of one device.
class Ethtool {
 public:
  explicit Ethtool(const std::string& device)
      : device_(device), socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}

  absl::Status Run(void* command) const {
    ifreq request{};
    std::strncpy(request.ifr_name, device_.c_str(), IFNAMSIZ - 1);
    request.ifr_data = static_cast<char*>(command);
    if (ioctl(socket_.get(), SIOCETHTOOL, &request) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, fmt::format("cannot read the features of {}", device_));
  }

 private:
  std::string device_;
  UniqueFd socket_;
};

// A struct with `tail` more bytes behind it, as ethtool's variable-length commands want.
template <typename T>
std::unique_ptr<T, void (*)(void*)> WithTail(size_t tail) {
  return {static_cast<T*>(std::calloc(1, sizeof(T) + tail)), std::free};
}

// Can somebody switch the feature on or off on this device?
absl::StatusOr<bool> IsAvailable(const std::string& device, std::string_view feature) {
  const Ethtool ethtool(device);
  auto size = WithTail<ethtool_sset_info>(sizeof(uint32_t));
  size->cmd = ETHTOOL_GSSET_INFO;
  size->sset_mask = 1ull << ETH_SS_FEATURES;
  XLB_RETURN_IF_ERROR(ethtool.Run(size.get()));
  const uint32_t count = size->data[0];

  auto names = WithTail<ethtool_gstrings>(size_t{count} * ETH_GSTRING_LEN);
  names->cmd = ETHTOOL_GSTRINGS;
  names->string_set = ETH_SS_FEATURES;
  names->len = count;
  XLB_RETURN_IF_ERROR(ethtool.Run(names.get()));
  const uint32_t blocks = (count + 31) / 32;
  auto features = WithTail<ethtool_gfeatures>(blocks * sizeof(ethtool_get_features_block));
  features->cmd = ETHTOOL_GFEATURES;
  features->size = blocks;
  XLB_RETURN_IF_ERROR(ethtool.Run(features.get()));

  for (uint32_t i = 0; i < count; i++) {
    const char* name = reinterpret_cast<const char*>(names->data + size_t{i} * ETH_GSTRING_LEN);
    if (feature == std::string_view(name, strnlen(name, ETH_GSTRING_LEN)))
      return (features->features[i / 32].available >> (i % 32) & 1) != 0;
  }
  return absl::NotFoundError(fmt::format("{} has no feature {}", device, feature));
}

}  // namespace

absl::Status CheckVethPeer(const std::string& device) {
  XLB_ASSIGN_OR_RETURN(const bool sees_no_program, IsAvailable(device, kSegmentation));
  if (!sees_no_program) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{} is a veth whose other end drops what XDP sends (it needs an XDP program of its own)", device));
}

}  // namespace xlb
