// From a service to its ring: which backend each slot names. The programs walk every ring in one of two ways
// (enum xlb_pick), whatever filled it.
//
// To add a scheduler: a row in model/schedulers.def, its builder declared here, and a file that defines it.
#ifndef XLB_SCHEDULER_RING_H_
#define XLB_SCHEDULER_RING_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/service.h"

namespace xlb {

// The ring of a service by its scheduler. Slots hold positions in `service.backends`; empty when no backend may get new
// flows. A pure function of scheduler, identities, weights and states, and independent of the order of `backends`.
std::vector<uint32_t> BuildRing(const Service& service);

// What a scheduler is given: the backends that may get new flows (active, weight > 0), sorted by identity, so that
// every node and every restart sees the same list.
struct Candidate {
  std::string_view identity;
  uint32_t weight;
  uint32_t position;  // in service.backends
};
// And of all backends of the service, whatever their state, what a ring's size may depend on without changing when one
// of them drains or goes down.
struct Extent {
  size_t backends = 0;        // with weight > 0
  uint64_t weight_units = 0;  // sum of their weights, divided by what the weights have in common
};

std::vector<uint32_t> RoundRobinRing(const std::vector<Candidate>& candidates, const Extent& extent);
std::vector<uint32_t> WeightedRoundRobinRing(const std::vector<Candidate>& candidates, const Extent& extent);
std::vector<uint32_t> MaglevRing(const std::vector<Candidate>& candidates, const Extent& extent);

}  // namespace xlb

#endif  // XLB_SCHEDULER_RING_H_
