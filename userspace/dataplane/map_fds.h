// Descriptors of the loaded maps.
#ifndef XLB_DATAPLANE_MAP_FDS_H_
#define XLB_DATAPLANE_MAP_FDS_H_

#include <bpf/libbpf.h>

namespace xlb {

// Owned by the loaded programs, which must outlive all who hold this.
struct MapFds {
  int node = -1, addrs = -1, shortcuts = -1, uplinks = -1, services = -1, service_state = -1, sources = -1;
  int backends = -1, ring = -1;
  int flow_heads = -1, flows = -1, fragments = -1, affinity = -1, backend_load = -1;
  int peers = -1, peer_states = -1, deliveries = -1;
  int counters = -1, drops = -1, service_stats = -1, backend_stats = -1, new_flows = -1, next_hops = -1;
};

// `maps`: the member of that name of a skeleton that was loaded.
template <typename Maps>
MapFds MapFdsOf(const Maps& maps) {
  return MapFds{.node = bpf_map__fd(maps.this_node),
                .addrs = bpf_map__fd(maps.addrs),
                .shortcuts = bpf_map__fd(maps.shortcuts),
                .uplinks = bpf_map__fd(maps.uplinks),
                .services = bpf_map__fd(maps.services),
                .service_state = bpf_map__fd(maps.service_state),
                .sources = bpf_map__fd(maps.sources),
                .backends = bpf_map__fd(maps.backends),
                .ring = bpf_map__fd(maps.ring),
                .flow_heads = bpf_map__fd(maps.flow_heads),
                .flows = bpf_map__fd(maps.flows),
                .fragments = bpf_map__fd(maps.fragments),
                .affinity = bpf_map__fd(maps.affinity),
                .backend_load = bpf_map__fd(maps.backend_load),
                .peers = bpf_map__fd(maps.peers),
                .peer_states = bpf_map__fd(maps.peer_states),
                .deliveries = bpf_map__fd(maps.deliveries),
                .counters = bpf_map__fd(maps.counters),
                .drops = bpf_map__fd(maps.drops),
                .service_stats = bpf_map__fd(maps.service_stats),
                .backend_stats = bpf_map__fd(maps.backend_stats),
                .new_flows = bpf_map__fd(maps.new_flows),
                .next_hops = bpf_map__fd(maps.next_hops)};
}

}  // namespace xlb

#endif  // XLB_DATAPLANE_MAP_FDS_H_
