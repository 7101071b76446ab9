// maglev: consistent hashing by a table that every node fills alike (Eisenbud et al., "Maglev: A Fast and Reliable
// Software Network Load Balancer", NSDI 2016, section 3.4), with weights.
//
// Each backend has a permutation of the slots, made from a hash of its identity. The backends take turns; whoever's
// turn it is takes the first slot of its permutation that is still free. The k-th turn of a backend of weight w comes
// at time k/w, which is plain Maglev when all weights are equal, and gives every backend its first slot before any its
// second.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <queue>
#include <tuple>
#include <vector>

#include "scheduler/identity_hash.h"
#include "scheduler/ring.h"

namespace xlb {
namespace {

// Primes (so that every skip visits every slot), four times apart: a change of size moves nearly all clients, so it has
// to be rare. Of the 4 million slots that there are, 10 backends take 1021.
constexpr uint32_t kTableSizes[] = {251, 1021, 4093, 16381, 65521};
// 100 slots a backend keep the shares of equal backends within 1 % of each other; one slot for each unit of weight
// keeps the lightest from getting several times its share.
constexpr uint64_t kSlotsPerBackend = 100;

constexpr uint64_t kOffsetSeed = 0x786c622d6f666673;  // "xlb-offs"
constexpr uint64_t kSkipSeed = 0x786c622d736b6970;    // "xlb-skip"

uint32_t TableSize(const Extent& extent) {
  const uint64_t wanted = std::max<uint64_t>(kSlotsPerBackend * extent.backends, extent.weight_units);
  for (const uint32_t size : kTableSizes) {
    if (size >= wanted) return size;
  }
  return *std::rbegin(kTableSizes);
}

// Where a backend's permutation stands.
struct Walk {
  uint32_t slot;
  uint32_t skip;
};

// The turn number `turn` (from 0) of a candidate.
struct Turn {
  uint64_t turn;
  uint32_t weight;
  uint32_t candidate;
  // Later than the other: turn/weight compared without dividing, then the order of identities.
  bool operator>(const Turn& other) const {
    return std::make_tuple(turn * other.weight, candidate) > std::make_tuple(other.turn * weight, other.candidate);
  }
};

}  // namespace

std::vector<uint32_t> MaglevRing(const std::vector<Candidate>& candidates, const Extent& extent) {
  constexpr uint32_t kFree = UINT32_MAX;
  const uint32_t size = TableSize(extent);
  std::vector<Walk> walks;
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns;
  for (uint32_t i = 0; i < candidates.size(); ++i) {
    const uint64_t hash = HashIdentity(candidates[i].identity);
    walks.push_back({static_cast<uint32_t>(Mix64(hash ^ kOffsetSeed) % size),
                     static_cast<uint32_t>(Mix64(hash ^ kSkipSeed) % (size - 1) + 1)});
    turns.push({0, candidates[i].weight, i});
  }
  std::vector<uint32_t> ring(size, kFree);
  for (uint32_t filled = 0; filled < size; ++filled) {
    const Turn now = turns.top();
    turns.pop();
    Walk& walk = walks[now.candidate];
    while (ring[walk.slot] != kFree) walk.slot = (walk.slot + walk.skip) % size;
    ring[walk.slot] = candidates[now.candidate].position;
    turns.push({now.turn + 1, now.weight, now.candidate});
  }
  return ring;
}

}  // namespace xlb
