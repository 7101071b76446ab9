// Which tasks on other nodes must know this node, by what the maps hold.
#ifndef XLB_XLBD_TUNNEL_NEIGHBORS_H_
#define XLB_XLBD_TUNNEL_NEIGHBORS_H_

#include <set>

#include "model/map_store.h"
#include "swarm/neighbor_keeper.h"

namespace xlb {

// One for each task that the programs reach by VXLAN, however many ports it has; also of services that are kept for an
// earlier xlbd. None of a network other than the one that the programs may send into.
std::set<TunnelNeighbor> TunnelNeighborsOf(const MapContents& maps);

}  // namespace xlb

#endif  // XLB_XLBD_TUNNEL_NEIGHBORS_H_
