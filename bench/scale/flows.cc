#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <time.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <vector>

#include "dataplane/flow_table.h"
#include "packet/loaded_programs.h"
#include "scale/scale.h"

namespace xlb::bench {
namespace {

constexpr uint32_t kBackends = 32;
constexpr uint32_t kBatch = 4096;

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

// Both entries of flow i, as the programs file them: established, last seen at `seen`.
struct Pair {
  xlb_flow_key keys[2]{};
  xlb_flow flows[2]{};
};

Pair MakePair(uint32_t i, uint32_t seen) {
  Pair pair;
  const uint32_t client = htonl(0x0b000000 + i), node = htonl(0xc0000201), ingress = htonl(0x0a000002);
  const uint32_t task = htonl(0x0a010000 + i % kBackends);
  const uint16_t port = htons(static_cast<uint16_t>(1024 + i / kBackends % 32768)), service = htons(8091);
  pair.keys[0] = {
      .saddr = client, .daddr = node, .sport = port, .dport = service, .proto = IPPROTO_TCP, .zone = 0, .pad = 0};
  pair.keys[1] = {.saddr = task,
                  .daddr = ingress,
                  .sport = service,
                  .dport = port,
                  .proto = IPPROTO_TCP,
                  .zone = XLB_ZONE_TUNNEL,
                  .pad = 0};
  for (int direction : {0, 1}) {
    xlb_flow& flow = pair.flows[direction];
    const xlb_flow_key& other = pair.keys[1 - direction];
    flow.saddr = other.daddr;
    flow.daddr = other.saddr;
    flow.sport = other.dport;
    flow.dport = other.sport;
    flow.seen = seen;
    flow.service = 1;
    flow.backend = i % kBackends + 1;
    flow.kind = XLB_KIND_VXLAN;
    flow.reply = direction == 1;
    flow.state = XLB_FLOW_REPLIED;
    flow.peer_zone = other.zone;
  }
  return pair;
}

absl::Status Fill(int fd, uint32_t count, uint32_t seen) {
  std::vector<xlb_flow_key> keys;
  std::vector<xlb_flow> flows;
  for (uint32_t i = 0; i < count; i++) {
    const Pair pair = MakePair(i, seen);
    keys.insert(keys.end(), std::begin(pair.keys), std::end(pair.keys));
    flows.insert(flows.end(), std::begin(pair.flows), std::end(pair.flows));
    if (keys.size() < kBatch && i + 1 < count) continue;
    uint32_t entries = static_cast<uint32_t>(keys.size());
    LIBBPF_OPTS(bpf_map_batch_opts, options);
    if (bpf_map_update_batch(fd, keys.data(), flows.data(), &entries, &options) != 0) {
      return ErrnoStatus(errno, "cannot fill the flow table");
    }
    keys.clear();
    flows.clear();
  }
  return absl::OkStatus();
}

struct Sweep {
  SweepResult result;
  double milliseconds = 0;
  double longest_step = 0;
};

absl::StatusOr<Sweep> SweepOnce(const FlowTable& table, uint32_t now) {
  FlowSweeper sweeper(&table, 1.0, [](const xlb_flow&) { return false; });
  Sweep sweep;
  for (;;) {
    const double before = ThreadMilliseconds();
    XLB_ASSIGN_OR_RETURN(const std::optional<SweepResult> result, sweeper.Step(now));
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
  const uint32_t entries = 2 * flows + flows / 8;  // an LRU table that is filled to the brim evicts before it is full
  const uint32_t seen = 1000;
  const std::string subject = fmt::format("{} flows", flows);
  XLB_ASSIGN_OR_RETURN(const auto programs, test::LoadedPrograms::Load({{"flows", entries}}));
  const int fd = programs->maps().flows;
  const FlowTable table(fd, entries);
  XLB_RETURN_IF_ERROR(Fill(fd, flows, seen));

  XLB_ASSIGN_OR_RETURN(const double bytes, MapBytes(fd));
  figures.Add(subject, "memory per flow that fits, both directions", "bytes", bytes / entries * 2);

  XLB_ASSIGN_OR_RETURN(const Sweep idle, SweepOnce(table, seen + 1));
  if (idle.result.flows != flows || idle.result.removed != 0) {
    return absl::InternalError(fmt::format("the sweep found {} of {} flows", idle.result.flows, flows));
  }
  figures.Add(subject, "sweep, all alive: CPU", "ms", idle.milliseconds);
  figures.Add(subject, "sweep, all alive: longest slice", "ms", idle.longest_step);

  const uint32_t a_year = 365 * 24 * 3600;
  XLB_ASSIGN_OR_RETURN(const Sweep last, SweepOnce(table, seen + a_year));
  if (last.result.removed != flows) {
    return absl::InternalError(fmt::format("the sweep removed {} of {} flows", last.result.removed, flows));
  }
  figures.Add(subject, "sweep, all expired: CPU", "ms", last.milliseconds);
  figures.Add(subject, "sweep, all expired: longest slice", "ms", last.longest_step);
  return absl::OkStatus();
}

}  // namespace xlb::bench
