#include "dataplane/backend_loads.h"

#include <atomic>
#include <span>

namespace xlb {

absl::StatusOr<BackendLoads> BackendLoads::Open(const MapFds& fds) {
  XLB_ASSIGN_OR_RETURN(auto loads,
                       MappedMap<xlb_backend_load>::Open(fds.backend_load, "backend_load", XLB_MAX_BACKENDS));
  return BackendLoads(std::move(loads));
}

void BackendLoads::SetLive(const std::unordered_map<uint32_t, uint32_t>& live) {
  const std::span<xlb_backend_load> loads = loads_.values();
  for (uint32_t id = 0; id < loads.size(); id++) {
    const auto found = live.find(id);
    const uint32_t wanted = found == live.end() ? 0 : found->second;
    std::atomic_ref<uint32_t> count(loads[id].live);
    if (count.load(std::memory_order_relaxed) != wanted) count.store(wanted, std::memory_order_relaxed);
  }
}

}  // namespace xlb
