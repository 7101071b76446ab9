// What the programs count of each backend's living flows (the map backend_load), set right by what a sweep found.
#ifndef XLB_DATAPLANE_BACKEND_LOADS_H_
#define XLB_DATAPLANE_BACKEND_LOADS_H_

#include <cstdint>
#include <unordered_map>
#include <utility>

#include "base/status.h"
#include "dataplane/map_fds.h"
#include "dataplane/mapped_map.h"
#include "xlb/abi.h"

namespace xlb {

// Counts drift: the table evicts flows, the sweep removes idle ones, two CPUs may both see an end.
class BackendLoads {
 public:
  static absl::StatusOr<BackendLoads> Open(const MapFds& fds);

  // By backend id; those that are not named have none. What programs count meanwhile may get lost until the next call.
  void SetLive(const std::unordered_map<uint32_t, uint32_t>& live);

 private:
  explicit BackendLoads(MappedMap<xlb_backend_load> loads) : loads_(std::move(loads)) {}
  MappedMap<xlb_backend_load> loads_;
};

}  // namespace xlb

#endif  // XLB_DATAPLANE_BACKEND_LOADS_H_
