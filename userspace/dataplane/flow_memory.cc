#include "dataplane/flow_memory.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace xlb {
namespace {

constexpr int kCopyTries = 16;  // a flow that changes hands this often while it is read is not worth a look

}  // namespace

absl::StatusOr<FlowMemory> FlowMemory::Map(int heads_fd, int flows_fd, const xlb_flow_config& config) {
  XLB_ASSIGN_OR_RETURN(auto heads, MappedMap<xlb_flow_head>::Open(heads_fd, "flow_heads", config.buckets));
  XLB_ASSIGN_OR_RETURN(auto flows,
                       MappedMap<xlb_flow>::Open(flows_fd, "flows", size_t{config.buckets} * XLB_FLOW_WAYS));
  return FlowMemory(config, std::move(heads), std::move(flows));
}

void FlowMemory::Clear() const {
  std::memset(table_.heads, 0, heads().size_bytes());
  std::memset(table_.flows, 0, flows().size_bytes());
}

bool FlowMemory::IsTaken(uint32_t slot) const {
  return XLB_LOAD(table_.heads[slot / XLB_FLOW_WAYS].tags[slot % XLB_FLOW_WAYS]) != 0;
}

absl::StatusOr<xlb_flow_config> NewFlowConfig(uint32_t buckets) {
  xlb_flow_config config{};
  config.buckets = buckets;
  const ssize_t length = getrandom(config.seed, sizeof(config.seed), 0);
  if (length != static_cast<ssize_t>(sizeof(config.seed))) return ErrnoStatus(errno, "cannot get a random seed");
  return config;
}

xlb_flow CopyFlow(const xlb_flow& flow) {
  xlb_flow copy;
  for (int i = 0; i < kCopyTries; i++) {
    const uint64_t life = XLB_LOAD(flow.life);
    xlb_ordered();
    std::memcpy(&copy, &flow, sizeof(copy));
    xlb_ordered();
    copy.life = XLB_LOAD(flow.life);
    if (xlb_life_same(life, copy.life)) return copy;
  }
  copy.life = 0;
  return copy;
}

}  // namespace xlb
