// Flows of the table, looked at and written from one of their two directions.
#ifndef XLB_TESTS_PACKET_FLOW_ENTRY_H_
#define XLB_TESTS_PACKET_FLOW_ENTRY_H_

#include <cstdint>
#include <optional>

#include "dataplane/flow_memory.h"

namespace xlb::test {

// A flow as a packet of one direction meets it.
struct FlowEntry {
  uint32_t saddr = 0, daddr = 0;  // network order, as are the ports: what the packet becomes
  uint16_t sport = 0, dport = 0;
  uint32_t ifindex = 0, epoch = 0;  // of this direction's hop
  uint32_t seen = 0, service = 0, backend = 0, generation = 0, in_ifindex = 0;
  uint8_t kind = 0, reply = 0, state = 0;
  uint32_t tunnel_dst = 0, vni = 0;
  bool operator==(const FlowEntry&) const = default;
};

std::optional<FlowEntry> FindFlow(const FlowMemory& flows, const xlb_flow_key& key);
// False: there is none.
bool RemoveFlow(const FlowMemory& flows, const xlb_flow_key& key);
// Files it as a program would, with `flow`'s keys, or with key[0] alone if it is a mark of Docker's. False: a key is
// taken, or there is no room.
bool FileFlow(const FlowMemory& flows, const xlb_flow& flow);
size_t CountFlows(const FlowMemory& flows);

}  // namespace xlb::test

#endif  // XLB_TESTS_PACKET_FLOW_ENTRY_H_
