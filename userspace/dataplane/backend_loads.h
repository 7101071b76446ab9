// What the programs count of each backend's living flows (the map backend_load), set right by what a sweep found.
#ifndef XLB_DATAPLANE_BACKEND_LOADS_H_
#define XLB_DATAPLANE_BACKEND_LOADS_H_

#include <cstdint>
#include <span>
#include <unordered_map>

#include "base/status.h"
#include "dataplane/map_fds.h"
#include "xlb/abi.h"

namespace xlb {

// Counts drift: the table evicts flows, the sweep removes idle ones, two CPUs may both see an end.
class BackendLoads {
 public:
  static absl::StatusOr<BackendLoads> Open(const MapFds& fds);
  BackendLoads(BackendLoads&& other) noexcept;
  BackendLoads& operator=(BackendLoads&&) = delete;
  ~BackendLoads();

  // By backend id; those that are not named have none. What programs count meanwhile may get lost until the next call.
  void SetLive(const std::unordered_map<uint32_t, uint32_t>& live);

 private:
  explicit BackendLoads(std::span<xlb_backend_load> loads) : loads_(loads) {}
  std::span<xlb_backend_load> loads_;  // the map's own memory
};

}  // namespace xlb

#endif  // XLB_DATAPLANE_BACKEND_LOADS_H_
