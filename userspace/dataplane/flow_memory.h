// The flow table's memory, of a map or of a test's own, with the rules of xlb/flow_table.h.
#ifndef XLB_DATAPLANE_FLOW_MEMORY_H_
#define XLB_DATAPLANE_FLOW_MEMORY_H_

#include <netinet/in.h>

#include <cstdint>
#include <span>
#include <utility>

#include "base/status.h"
#include "dataplane/mapped_map.h"
#include "xlb/abi.h"

struct xlb_mapped_table {
  xlb_flow_config config;
  xlb_flow_head* heads;
  xlb_flow* flows;  // config.buckets * XLB_FLOW_WAYS
};
using xlb_table_t = const xlb_mapped_table*;
inline const xlb_flow_config* xlb_table_config(xlb_table_t table) { return &table->config; }
inline xlb_flow_head* xlb_table_head(xlb_table_t table, uint32_t index) {
  return index < table->config.buckets ? &table->heads[index] : nullptr;
}
inline xlb_flow* xlb_table_flow(xlb_table_t table, uint32_t index) {
  return index < table->config.buckets * XLB_FLOW_WAYS ? &table->flows[index] : nullptr;
}
inline void xlb_table_evicted(xlb_table_t, const xlb_flow*, uint64_t) {}
inline void xlb_table_hand(xlb_table_t, uint32_t, uint32_t) {}
inline void xlb_table_placed(xlb_table_t, uint32_t, uint16_t) {}
#define XLB_LARGE static inline __attribute__((unused))

#include "xlb/flow_claim.h"

namespace xlb {

// The maps flow_heads and flows in this process's memory, shared with the programs. Any thread.
class FlowMemory {
 public:
  // `config`: as the programs have it in struct xlb_node.
  static absl::StatusOr<FlowMemory> Map(int heads_fd, int flows_fd, const xlb_flow_config& config);

  xlb_table_t table() const { return &table_; }
  uint32_t buckets() const { return table_.config.buckets; }
  std::span<xlb_flow_head> heads() const { return heads_.values(); }
  std::span<xlb_flow> flows() const { return flows_.values(); }  // by slot
  // Only while no program uses the table, or one that cannot find its flows any more.
  void Clear() const;
  // Is there a flow in this place, or one on its way in or out?
  bool IsTaken(uint32_t slot) const;

 private:
  FlowMemory(const xlb_flow_config& config, MappedMap<xlb_flow_head> heads, MappedMap<xlb_flow> flows)
      : heads_(std::move(heads)),
        flows_(std::move(flows)),
        table_{config, heads_.values().data(), flows_.values().data()} {}
  MappedMap<xlb_flow_head> heads_;
  MappedMap<xlb_flow> flows_;
  xlb_mapped_table table_;
};

// A hash seed that nobody can guess.
absl::StatusOr<xlb_flow_config> NewFlowConfig(uint32_t buckets);

// A copy of a flow that programs may write at the same time. Its life says whether it is one: else it is not live.
xlb_flow CopyFlow(const xlb_flow& flow);

}  // namespace xlb

#endif  // XLB_DATAPLANE_FLOW_MEMORY_H_
