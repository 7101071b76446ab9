#include "xlbd/tunnel_neighbors.h"

#include <arpa/inet.h>

#include <algorithm>
#include <iterator>

namespace xlb {
namespace {

Mac MacOf(const uint8_t (&bytes)[XLB_ETH_ALEN]) {
  Mac mac;
  std::copy(std::begin(bytes), std::end(bytes), mac.bytes.begin());
  return mac;
}

}  // namespace

std::set<TunnelNeighbor> TunnelNeighborsOf(const MapContents& maps) {
  std::set<TunnelNeighbor> neighbors;
  for (const auto& [id, backend] : maps.backends) {
    if (backend.kind != XLB_KIND_VXLAN || maps.node.vni == 0 || backend.vni != maps.node.vni) continue;
    neighbors.insert(TunnelNeighbor{.task = Ipv4{backend.addr},
                                    .task_mac = MacOf(backend.dmac),
                                    .own = Ipv4{backend.snat_addr},
                                    .own_mac = MacOf(backend.smac),
                                    .tunnel_dst = Ipv4{backend.tunnel_dst},
                                    .tunnel_src = Ipv4{backend.tunnel_src},
                                    .vni = ntohl(backend.vni) >> 8});
  }
  return neighbors;
}

}  // namespace xlb
