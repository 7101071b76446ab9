// Which MAC address each neighbour was last known by.
#ifndef XLB_NETLINK_KNOWN_NEIGHBORS_H_
#define XLB_NETLINK_KNOWN_NEIGHBORS_H_

#include <map>
#include <utility>
#include <vector>

#include "netlink/types.h"

namespace xlb {

// The kernel announces every step of a neighbour's life (stale, probe, reachable). What counts is whether packets sent
// to the last known address now go astray: a report makes every flow look up its next hop again.
class KnownNeighbors {
 public:
  void Reset(const std::vector<Neighbor>& neighbors);
  // True: the neighbour has another address than before, or none any more. One that was never known is no news: no flow
  // can be using it.
  bool Update(const Neighbor& neighbor, bool deleted);

 private:
  std::map<std::pair<uint32_t, Ipv4>, Mac> macs_;
};

}  // namespace xlb

#endif  // XLB_NETLINK_KNOWN_NEIGHBORS_H_
