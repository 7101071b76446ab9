#include "netlink/known_neighbors.h"

#include <linux/neighbour.h>

namespace xlb {
namespace {

bool IsUsable(const Neighbor& neighbor) {
  return !neighbor.mac.IsUnset() && (neighbor.state & (NUD_FAILED | NUD_INCOMPLETE)) == 0;
}

}  // namespace

void KnownNeighbors::Reset(const std::vector<Neighbor>& neighbors) {
  macs_.clear();
  for (const Neighbor& neighbor : neighbors) Update(neighbor, false);
}

bool KnownNeighbors::Update(const Neighbor& neighbor, bool deleted) {
  const std::pair key(neighbor.ifindex, neighbor.address);
  const auto known = macs_.find(key);
  const bool usable = !deleted && IsUsable(neighbor);
  if (known == macs_.end()) {
    if (usable) macs_[key] = neighbor.mac;
    return false;
  }
  if (!usable) {
    macs_.erase(known);
    return true;
  }
  return std::exchange(known->second, neighbor.mac) != neighbor.mac;
}

}  // namespace xlb
