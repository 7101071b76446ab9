#include "dataplane/flow_memory.h"

#include <fmt/core.h>

#include <sys/mman.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace xlb {
namespace {

constexpr int kCopyTries = 16;  // a flow that changes hands this often while it is read is not worth a look

template <typename T>
absl::Status MapInto(int fd, const char* name, std::span<T> size, T*& memory) {
  void* const mapped = mmap(nullptr, size.size_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return ErrnoStatus(errno, fmt::format("cannot map the map {} into memory", name));
  memory = static_cast<T*>(mapped);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FlowMemory> FlowMemory::Map(int heads_fd, int flows_fd, const xlb_flow_config& config) {
  FlowMemory memory(config);
  XLB_RETURN_IF_ERROR(MapInto(heads_fd, "flow_heads", memory.heads(), memory.table_.heads));
  XLB_RETURN_IF_ERROR(MapInto(flows_fd, "flows", memory.flows(), memory.table_.flows));
  return memory;
}

FlowMemory::FlowMemory(FlowMemory&& other) noexcept
    : table_{other.table_.config, std::exchange(other.table_.heads, nullptr),
             std::exchange(other.table_.flows, nullptr)} {}

FlowMemory::~FlowMemory() {
  if (table_.heads != nullptr) munmap(table_.heads, heads().size_bytes());
  if (table_.flows != nullptr) munmap(table_.flows, flows().size_bytes());
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
