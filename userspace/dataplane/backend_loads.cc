#include "dataplane/backend_loads.h"

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace xlb {
namespace {

constexpr size_t kBytes = size_t{XLB_MAX_BACKENDS} * sizeof(xlb_backend_load);

}  // namespace

absl::StatusOr<BackendLoads> BackendLoads::Open(const MapFds& fds) {
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds.backend_load, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "cannot map the map backend_load into memory");
  return BackendLoads(std::span(static_cast<xlb_backend_load*>(memory), XLB_MAX_BACKENDS));
}

BackendLoads::BackendLoads(BackendLoads&& other) noexcept : loads_(std::exchange(other.loads_, {})) {}

BackendLoads::~BackendLoads() {
  if (!loads_.empty()) munmap(loads_.data(), kBytes);
}

void BackendLoads::SetLive(const std::unordered_map<uint32_t, uint32_t>& live) {
  for (uint32_t id = 0; id < loads_.size(); id++) {
    const auto found = live.find(id);
    const uint32_t wanted = found == live.end() ? 0 : found->second;
    std::atomic_ref<uint32_t> count(loads_[id].live);
    if (count.load(std::memory_order_relaxed) != wanted) count.store(wanted, std::memory_order_relaxed);
  }
}

}  // namespace xlb
