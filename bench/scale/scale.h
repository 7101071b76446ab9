// What a large configuration and a full flow table cost.
#ifndef XLB_BENCH_SCALE_SCALE_H_
#define XLB_BENCH_SCALE_SCALE_H_

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace xlb::bench {

struct Figure {
  std::string subject;         // "10000 services x 10 backends, kernel"
  std::string name;            // "apply from nothing"
  std::string unit;            // "ms", "bytes"
  std::vector<double> values;  // one a repetition
};

// Values of the same figure, over repetitions, in the order in which they first came.
class Figures {
 public:
  void Add(const std::string& subject, const std::string& name, const std::string& unit, double value);
  const std::vector<Figure>& all() const { return figures_; }

 private:
  std::vector<Figure> figures_;
};

// Milliseconds that `work` takes, by the clock on the wall. Fails as it does.
template <typename Work>
absl::StatusOr<double> Milliseconds(Work work) {
  const auto before = std::chrono::steady_clock::now();
  XLB_RETURN_IF_ERROR(work());
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count();
}

struct ServicesSize {
  uint32_t services = 10000;
  uint32_t backends = 10;  // of each
};
// Once through a life: nothing, all, one change, restart, nothing again. With the maps in the kernel, and with maps
// that keep nothing, which leaves the reconciler's own time.
absl::Status MeasureServices(const ServicesSize& size, Figures& figures);

// A table with so many live flows: its memory, and the sweep's time over it.
absl::Status MeasureFlows(uint32_t flows, Figures& figures);

}  // namespace xlb::bench

#endif  // XLB_BENCH_SCALE_SCALE_H_
