#include "dataplane/counters.h"

#include <fmt/core.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <span>
#include <vector>

#include "xlb/abi.h"

namespace xlb {
namespace {

struct Named {
  const char* name;
  const char* sentence;
};

#define X(id, name, sentence) {name, sentence},
constexpr Named kCounters[] = {
#include "xlb/counters.def"
};
constexpr Named kDrops[] = {
#include "xlb/drop_reasons.def"
};
#undef X

constexpr const char* kHooks[XLB_HOOKS] = {"xdp", "tc", "task", "host"};

// Sums a per-CPU value over the CPUs.
template <typename T, typename Add>
absl::Status SumCpus(int fd, const char* map, uint32_t index, Add add) {
  static_assert(sizeof(T) % 8 == 0, "per-CPU values are padded to 8 bytes");
  std::vector<T> values(static_cast<size_t>(libbpf_num_possible_cpus()));
  if (bpf_map_lookup_elem(fd, &index, values.data()) != 0)
    return ErrnoStatus(errno, fmt::format("cannot read the map {}", map));
  for (const T& value : values) add(value);
  return absl::OkStatus();
}

void AddTraffic(TrafficView& sum, const xlb_traffic& value) {
  sum.packets += value.packets;
  sum.bytes += value.bytes;
}

absl::StatusOr<std::vector<CounterView>> ReadList(int fd, const char* map, std::span<const Named> list) {
  std::vector<CounterView> views;
  for (uint32_t hook = 0; hook < XLB_HOOKS; hook++) {
    for (uint32_t i = 0; i < list.size(); i++) {
      CounterView view{.name = list[i].name, .sentence = list[i].sentence, .hook = kHooks[hook], .traffic = {}};
      const uint32_t index = hook * static_cast<uint32_t>(list.size()) + i;
      XLB_RETURN_IF_ERROR(
          SumCpus<xlb_traffic>(fd, map, index, [&](const xlb_traffic& value) { AddTraffic(view.traffic, value); }));
      views.push_back(std::move(view));
    }
  }
  return views;
}

absl::StatusOr<StatsView> ReadStats(int fd, const char* map, uint32_t id) {
  StatsView view;
  XLB_RETURN_IF_ERROR(SumCpus<xlb_stats>(fd, map, id, [&](const xlb_stats& value) {
    view.flows += value.flows;
    AddTraffic(view.in, value.in);
    AddTraffic(view.out, value.out);
  }));
  return view;
}

}  // namespace

absl::StatusOr<StatsReport> Counters::Read() const {
  StatsReport report;
  XLB_ASSIGN_OR_RETURN(report.counters, ReadList(fds_.counters, "counters", kCounters));
  XLB_ASSIGN_OR_RETURN(report.drops, ReadList(fds_.drops, "drops", kDrops));
  return report;
}

absl::StatusOr<StatsView> Counters::Service(uint32_t id) const {
  return ReadStats(fds_.service_stats, "service_stats", id);
}

absl::StatusOr<StatsView> Counters::Backend(uint32_t id) const {
  return ReadStats(fds_.backend_stats, "backend_stats", id);
}

}  // namespace xlb
