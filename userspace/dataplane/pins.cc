#include "dataplane/pins.h"

#include <fmt/core.h>

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <linux/magic.h>

#include "xlb/abi.h"

namespace xlb {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kLinkPrefix = "link_xdp_";

absl::Status CheckIsBpffs(const std::string& directory) {
  struct statfs info;
  if (statfs(directory.c_str(), &info) != 0) return ErrnoStatus(errno, fmt::format("cannot look at {}", directory));
  if (info.f_type == BPF_FS_MAGIC) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{} is not on a BPF file system: run 'mount -t bpf bpf /sys/fs/bpf'", directory));
}

}  // namespace

std::string XdpLinkPin(const std::string& bpffs_dir, uint32_t ifindex) {
  return fmt::format("{}/{}{}", bpffs_dir, kLinkPrefix, ifindex);
}

std::vector<uint32_t> PinnedXdpLinks(const std::string& bpffs_dir) {
  std::vector<uint32_t> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(bpffs_dir, error)) {
    const std::string name = entry.path().filename().string();
    uint32_t ifindex = 0;
    if (!name.starts_with(kLinkPrefix)) continue;
    const char* begin = name.data() + kLinkPrefix.size();
    const char* end = name.data() + name.size();
    if (std::from_chars(begin, end, ifindex).ptr == end) found.push_back(ifindex);
  }
  return found;
}

absl::StatusOr<UniqueFd> LockPinDirectory(const std::string& bpffs_dir) {
  const std::string parent = fs::path(bpffs_dir).parent_path().string();
  XLB_RETURN_IF_ERROR(CheckIsBpffs(parent));
  if (mkdir(bpffs_dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, fmt::format("cannot make the directory {}", bpffs_dir));
  }
  UniqueFd directory(open(bpffs_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return ErrnoStatus(errno, fmt::format("cannot open {}", bpffs_dir));
  if (flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoStatus(errno, fmt::format("cannot lock {}", bpffs_dir));
    return absl::AlreadyExistsError(fmt::format(
        "another xlbd holds {}: stop it first, or give this one its own --bpffs and --api-socket", bpffs_dir));
  }
  return directory;
}

absl::Status CheckPinnedSchema(const std::string& bpffs_dir) {
  const std::string pin = fmt::format("{}/{}", bpffs_dir, kNodeMapPin);
  UniqueFd map(bpf_obj_get(pin.c_str()));
  if (!map.valid()) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, fmt::format("cannot open the pinned map {}", pin));
  }
  bpf_map_info info{};
  uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(map.get(), &info, &length) != 0) {
    return ErrnoStatus(errno, fmt::format("cannot look at the pinned map {}", pin));
  }
  const uint32_t zero = 0;
  std::vector<char> value(info.value_size + sizeof(uint32_t));
  uint32_t schema;
  const bool is_record = info.type == BPF_MAP_TYPE_ARRAY && info.max_entries == 1 && info.value_size >= sizeof(schema);
  if (!is_record || bpf_map_lookup_elem(map.get(), &zero, value.data()) != 0) {
    return absl::FailedPreconditionError(fmt::format("{} is not a map of xlb: move it away", pin));
  }
  std::memcpy(&schema, value.data(), sizeof(schema));
  if ((schema == XLB_SCHEMA || schema == 0) && info.value_size == sizeof(xlb_node)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("the maps in {} are of schema {}, this xlbd writes schema {}: run 'xlbctl detach' (it ends the "
                  "connections that run through them), then start xlbd again",
                  bpffs_dir, schema, XLB_SCHEMA));
}

uint32_t PinnedMapEntries(const std::string& bpffs_dir, const std::string& map) {
  UniqueFd fd(bpf_obj_get(fmt::format("{}/{}", bpffs_dir, map).c_str()));
  bpf_map_info info{};
  uint32_t length = sizeof(info);
  if (!fd.valid() || bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0) return 0;
  return info.max_entries;
}

bool HasPins(const std::string& bpffs_dir) {
  std::error_code error;
  return !fs::is_empty(bpffs_dir, error) || error;
}

absl::StatusOr<int> RemovePins(const std::string& bpffs_dir) {
  std::error_code error;
  if (!fs::exists(bpffs_dir, error)) return 0;
  int removed = 0;
  for (const auto& entry : fs::directory_iterator(bpffs_dir, error)) {
    if (unlink(entry.path().c_str()) != 0) {
      return ErrnoStatus(errno, fmt::format("cannot remove the pin {}", entry.path().string()));
    }
    removed++;
  }
  if (error) return ErrnoStatus(error.value(), fmt::format("cannot list {}", bpffs_dir));
  if (rmdir(bpffs_dir.c_str()) != 0) return ErrnoStatus(errno, fmt::format("cannot remove {}", bpffs_dir));
  return removed;
}

}  // namespace xlb
