// The programs' per-CPU counters, summed.
#ifndef XLB_DATAPLANE_COUNTERS_H_
#define XLB_DATAPLANE_COUNTERS_H_

#include "base/status.h"
#include "dataplane/kernel_map_store.h"
#include "model/views.h"

namespace xlb {

class Counters {
 public:
  explicit Counters(const MapFds& fds) : fds_(fds) {}

  // Every counter and drop reason of every hook, zeros included.
  absl::StatusOr<StatsReport> Read() const;
  absl::StatusOr<StatsView> Service(uint32_t id) const;
  absl::StatusOr<StatsView> Backend(uint32_t id) const;

 private:
  MapFds fds_;
};

}  // namespace xlb

#endif  // XLB_DATAPLANE_COUNTERS_H_
