#include "packet/flow_entry.h"

#include <cstring>

namespace xlb::test {
namespace {

uint32_t SlotOf(const FlowMemory& flows, const xlb_flow_key& key) {
  return xlb_table_search(flows.table(), &key, xlb_flow_hash(&flows.table()->config, &key));
}

}  // namespace

std::optional<FlowEntry> FindFlow(const FlowMemory& flows, const xlb_flow_key& key) {
  const uint32_t slot = SlotOf(flows, key);
  if (slot == XLB_SLOT_NONE) return std::nullopt;
  const xlb_flow flow = CopyFlow(*xlb_slot_flow(flows.table(), slot));
  if (!xlb_life_is_live(flow.life)) return std::nullopt;
  const uint8_t reply = slot >> 31;
  const xlb_flow_key& away = flow.key[1 - reply];
  const xlb_flow_hop& hop = flow.hop[reply];
  return FlowEntry{.saddr = away.daddr,
                   .daddr = away.saddr,
                   .sport = away.dport,
                   .dport = away.sport,
                   .ifindex = hop.ifindex,
                   .epoch = hop.epoch,
                   .seen = xlb_life_seen(flow.life),
                   .service = flow.service,
                   .backend = flow.backend,
                   .generation = flow.generation,
                   .in_ifindex = flow.in_ifindex,
                   .kind = flow.kind,
                   .reply = reply,
                   .state = xlb_life_state(flow.life),
                   .tunnel_dst = flow.tunnel.dst,
                   .vni = flow.tunnel.vni};
}

bool RemoveFlow(const FlowMemory& flows, const xlb_flow_key& key) {
  const uint32_t slot = SlotOf(flows, key);
  if (slot == XLB_SLOT_NONE) return false;
  return xlb_table_remove(flows.table(), slot, xlb_slot_flow(flows.table(), slot)->life) != 0;
}

bool FileFlow(const FlowMemory& flows, const xlb_flow& flow) {
  const uint32_t slot =
      xlb_table_claim(flows.table(), &flow.key[0], xlb_life_seen(flow.life), XLB_FLOW_PROBES, XLB_UNFILED_UNKNOWN) &
      ~XLB_CLAIM_EVICTED;
  if (slot >= (XLB_CLAIM_FAILED & ~XLB_CLAIM_EVICTED)) return false;
  xlb_flow* const place = xlb_slot_flow(flows.table(), slot);
  std::memcpy(reinterpret_cast<char*>(place) + sizeof(place->life),
              reinterpret_cast<const char*>(&flow) + sizeof(flow.life), sizeof(flow) - sizeof(flow.life));
  if (flow.kind != XLB_KIND_NONE && xlb_table_answer(flows.table(), slot) != slot) {
    xlb_table_abandon(flows.table(), slot);
    return false;
  }
  xlb_table_publish(place, xlb_life_seen(flow.life), xlb_life_state(flow.life));
  return true;
}

size_t CountFlows(const FlowMemory& flows) {
  size_t count = 0;
  for (uint32_t slot = 0; slot < flows.flows().size(); slot++) {
    count += flows.IsTaken(slot) && xlb_life_is_live(flows.flows()[slot].life);
  }
  return count;
}

}  // namespace xlb::test
