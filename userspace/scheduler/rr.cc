// rr: each backend once; their weights do not matter beyond 0 or not.
#include "scheduler/ring.h"

namespace xlb {

std::vector<uint32_t> RoundRobinRing(const std::vector<Candidate>& candidates, const Extent&) {
  std::vector<uint32_t> ring;
  ring.reserve(candidates.size());
  for (const Candidate& candidate : candidates) ring.push_back(candidate.position);
  return ring;
}

}  // namespace xlb
