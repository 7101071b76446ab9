#include "dataplane/host_sysctl.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

#include "base/file.h"
#include "dataplane/pins.h"

namespace xlb {
namespace {

constexpr char kDirectory[] = "/proc/sys/net/ipv4/conf/lo";

// In the order of the map's slots. The FIB is asked for lo, and answers only where forwarding is on.
constexpr std::array<const char*, 3> kNames = {"accept_local", "route_localnet", "forwarding"};

// A slot of the map.
enum : uint32_t { kUntouched = 0, kWasOff = 1 };

std::string PathOf(const char* name) { return fmt::format("{}/{}", kDirectory, name); }

std::string PinOf(const std::string& bpffs_dir) { return fmt::format("{}/{}", bpffs_dir, kSysctlMapPin); }

// Nothing: it cannot be read, which Apply reports by not being able to write it either.
std::optional<bool> IsOn(const char* name) {
  const auto text = ReadFile(PathOf(name));
  if (!text.ok()) return std::nullopt;
  return !text->starts_with("0");
}

absl::Status Write(const char* name, const char* value) {
  const std::string path = PathOf(name);
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.valid() && write(file.get(), value, 1) == 1) return absl::OkStatus();
  return ErrnoStatus(errno, fmt::format("cannot set {} to {}", path, value));
}

}  // namespace

absl::StatusOr<HostSysctls> HostSysctls::Open(const std::string& bpffs_dir) {
  const std::string pin = PinOf(bpffs_dir);
  UniqueFd map(bpf_obj_get(pin.c_str()));
  if (map.valid()) return HostSysctls(std::move(map));
  map = UniqueFd(bpf_map_create(BPF_MAP_TYPE_ARRAY, kSysctlMapPin, sizeof(uint32_t), sizeof(uint32_t),
                                static_cast<uint32_t>(kNames.size()), nullptr));
  if (!map.valid()) return ErrnoStatus(errno, fmt::format("cannot make the map {}", kSysctlMapPin));
  if (bpf_obj_pin(map.get(), pin.c_str()) != 0) return ErrnoStatus(errno, fmt::format("cannot pin {}", pin));
  return HostSysctls(std::move(map));
}

absl::Status HostSysctls::Apply() const {
  absl::Status failure;
  for (uint32_t slot = 0; slot < kNames.size(); ++slot) {
    if (IsOn(kNames[slot]).value_or(false)) continue;
    // Noted first: a crash in between then restores what was not changed, which is harmless.
    const uint32_t value = kWasOff;
    absl::Status status;
    if (bpf_map_update_elem(map_.get(), &slot, &value, BPF_ANY) != 0) {
      status = ErrnoStatus(errno, fmt::format("cannot write the map {}", kSysctlMapPin));
    } else {
      status = Write(kNames[slot], "1");
    }
    if (status.ok() || !failure.ok()) continue;
    failure = absl::Status(status.code(),
                           fmt::format("{}: processes on this node itself may get no answer from published ports; "
                                       "'sysctl -w net.ipv4.conf.lo.{}=1' changes that",
                                       std::string(status.message()), kNames[slot]));
  }
  return failure;
}

std::vector<std::string> HostSysctls::Restore(const std::string& bpffs_dir) {
  std::vector<std::string> lines;
  const UniqueFd map(bpf_obj_get(PinOf(bpffs_dir).c_str()));
  for (uint32_t slot = 0; map.valid() && slot < kNames.size(); ++slot) {
    uint32_t value = kUntouched;
    if (bpf_map_lookup_elem(map.get(), &slot, &value) != 0 || value != kWasOff) continue;
    if (!IsOn(kNames[slot]).value_or(false)) continue;
    const absl::Status status = Write(kNames[slot], "0");
    lines.push_back(status.ok() ? fmt::format("net.ipv4.conf.lo.{} set back to 0", kNames[slot])
                                : std::string(status.message()));
  }
  return lines;
}

}  // namespace xlb
