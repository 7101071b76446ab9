#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <time.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "dataplane/flow_table.h"
#include "packet/flow_entry.h"
#include "packet/loaded_programs.h"
#include "scale/scale.h"

namespace xlb::bench {
namespace {

constexpr uint32_t kBackends = 32;

double ThreadMilliseconds() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) * 1e-6;
}

// What the kernel charges for a map; from Linux 6.4 on that is what it really takes.
absl::StatusOr<double> MapBytes(int fd) {
  const std::string path = fmt::format("/proc/self/fdinfo/{}", fd);
  std::FILE* file = std::fopen(path.c_str(), "r");
  if (file == nullptr) return ErrnoStatus(errno, "cannot open " + path);
  unsigned long long bytes = 0;
  char line[256];
  while (std::fgets(line, sizeof(line), file) != nullptr && std::sscanf(line, "memlock: %llu", &bytes) != 1) continue;
  std::fclose(file);
  return static_cast<double>(bytes);
}

// Flow i as the programs file it: established, last seen at `seen`.
xlb_flow MakeFlow(uint32_t i, uint32_t seen) {
  const uint32_t client = htonl(0x0b000000 + i), node = htonl(0xc0000201), ingress = htonl(0x0a000002);
  const uint32_t task = htonl(0x0a010000 + i % kBackends);
  const uint16_t port = htons(static_cast<uint16_t>(1024 + i / kBackends % 32768)), service = htons(8091);
  xlb_flow flow{};
  flow.key[0] = {
      .saddr = client, .daddr = node, .sport = port, .dport = service, .proto = IPPROTO_TCP, .zone = 0, .pad = 0};
  flow.key[1] = {.saddr = task,
                 .daddr = ingress,
                 .sport = service,
                 .dport = port,
                 .proto = IPPROTO_TCP,
                 .zone = XLB_ZONE_TUNNEL,
                 .pad = 0};
  flow.life = uint64_t{XLB_FLOW_REPLIED} << XLB_LIFE_STATE_SHIFT | seen;
  flow.service = 1;
  flow.backend = i % kBackends + 1;
  flow.kind = XLB_KIND_VXLAN;
  return flow;
}

absl::Status Fill(const FlowMemory& memory, uint32_t count, uint32_t seen) {
  for (uint32_t i = 0; i < count; i++) {
    if (!test::FileFlow(memory, MakeFlow(i, seen))) {
      return absl::ResourceExhaustedError(fmt::format("flow {} of {} found no place in the table", i, count));
    }
  }
  return absl::OkStatus();
}

struct Sweep {
  SweepResult result;
  double milliseconds = 0;
  double longest_step = 0;
};

Sweep SweepOnce(const FlowTable& table, uint32_t now) {
  FlowSweeper sweeper(&table, 1.0, [](const xlb_flow&) { return false; });
  Sweep sweep;
  for (;;) {
    const double before = ThreadMilliseconds();
    const std::optional<SweepResult> result = sweeper.Step(now);
    const double taken = ThreadMilliseconds() - before;
    sweep.milliseconds += taken;
    sweep.longest_step = std::max(sweep.longest_step, taken);
    if (!result.has_value()) continue;
    sweep.result = *result;
    return sweep;
  }
}

}  // namespace

absl::Status MeasureFlows(uint32_t flows, Figures& figures) {
  const uint32_t seen = 1000;
  const std::string subject = fmt::format("{} flows", flows);
  XLB_ASSIGN_OR_RETURN(const auto programs, test::LoadedPrograms::Load(test::LoadedPrograms::TableFor(flows)));
  const MapFds& maps = programs->maps();
  XLB_ASSIGN_OR_RETURN(FlowMemory memory, FlowMemory::Map(maps.flow_heads, maps.flows, test::FlowConfigOf(maps)));
  const FlowTable table(std::move(memory), programs->mark_fd());
  XLB_RETURN_IF_ERROR(Fill(table.memory(), flows, seen));

  XLB_ASSIGN_OR_RETURN(const double heads, MapBytes(maps.flow_heads));
  XLB_ASSIGN_OR_RETURN(const double places, MapBytes(maps.flows));
  figures.Add(subject, "memory per live flow, both directions", "bytes", (heads + places) / flows);

  const Sweep idle = SweepOnce(table, seen + 1);
  if (idle.result.flows != flows || idle.result.removed != 0) {
    return absl::InternalError(fmt::format("the sweep found {} of {} flows", idle.result.flows, flows));
  }
  figures.Add(subject, "sweep, all alive: CPU", "ms", idle.milliseconds);
  figures.Add(subject, "sweep, all alive: longest slice", "ms", idle.longest_step);

  const uint32_t a_year = 365 * 24 * 3600;
  const Sweep last = SweepOnce(table, seen + a_year);
  if (last.result.removed != flows) {
    return absl::InternalError(fmt::format("the sweep removed {} of {} flows", last.result.removed, flows));
  }
  figures.Add(subject, "sweep, all expired: CPU", "ms", last.milliseconds);
  figures.Add(subject, "sweep, all expired: longest slice", "ms", last.longest_step);
  return absl::OkStatus();
}

}  // namespace xlb::bench
