// wrr: each backend as often as its weight says, spread out as evenly as can be (nginx's smooth weighted round robin).
#include <algorithm>
#include <cstdint>
#include <numeric>

#include "scheduler/ring.h"

namespace xlb {
namespace {

// Beyond this many slots weights are rounded: the sum of a few awkward weights is large, and nobody can measure the
// difference. A backend keeps at least one slot, so a ring of more backends than this is longer.
constexpr uint64_t kExactSlots = 4096;

// The weights as numbers of slots: divided by what they have in common, then scaled down to kExactSlots.
std::vector<int64_t> SlotCounts(const std::vector<Candidate>& candidates) {
  uint64_t divisor = 0, sum = 0;
  for (const Candidate& candidate : candidates) {
    divisor = std::gcd(divisor, uint64_t{candidate.weight});
    sum += candidate.weight;
  }
  const uint64_t units = sum / divisor;
  std::vector<int64_t> counts;
  counts.reserve(candidates.size());
  for (const Candidate& candidate : candidates) {
    const uint64_t count = candidate.weight / divisor;
    const uint64_t scaled = units <= kExactSlots ? count : std::max<uint64_t>(1, count * kExactSlots / units);
    counts.push_back(static_cast<int64_t>(scaled));
  }
  return counts;
}

}  // namespace

std::vector<uint32_t> WeightedRoundRobinRing(const std::vector<Candidate>& candidates, const Extent& extent) {
  const std::vector<int64_t> counts = SlotCounts(candidates);
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  // All alike is what the steps below come to as well, but they take candidates x slots.
  if (total == static_cast<int64_t>(counts.size())) return RoundRobinRing(candidates, extent);
  std::vector<uint32_t> ring;
  ring.reserve(static_cast<size_t>(total));
  // Every turn each candidate earns its count; the richest gets the slot and pays the total.
  std::vector<int64_t> credit(counts.size(), 0);
  for (int64_t turn = 0; turn < total; ++turn) {
    size_t richest = 0;
    for (size_t i = 0; i < credit.size(); ++i) {
      credit[i] += counts[i];
      if (credit[i] > credit[richest]) richest = i;
    }
    credit[richest] -= total;
    ring.push_back(candidates[richest].position);
  }
  return ring;
}

}  // namespace xlb
