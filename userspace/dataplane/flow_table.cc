#include "dataplane/flow_table.h"

#include <bpf/bpf.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <utility>

#include "model/flow_timeouts.h"

namespace xlb {
namespace {

constexpr uint32_t kSlice = 8192;

// Length of a jiffy: what CLOCK_MONOTONIC_COARSE advances by.
double JiffySeconds() {
  timespec resolution{};
  if (clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) != 0 || resolution.tv_nsec <= 0) return 0.004;
  return static_cast<double>(resolution.tv_sec) + static_cast<double>(resolution.tv_nsec) * 1e-9;
}

}  // namespace

absl::StatusOr<uint32_t> TickClock::Now() const {
  std::array<uint8_t, 64> frame{};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = frame.size(), .repeat = 1);
  if (bpf_prog_test_run_opts(program_fd_, &options) != 0) return ErrnoStatus(errno, "cannot run the program xlb_clock");
  return options.retval;
}

uint32_t TickClock::ShiftForSeconds() { return static_cast<uint32_t>(std::lround(std::log2(1.0 / JiffySeconds()))); }

double TickClock::TickSeconds(uint32_t shift) { return std::ldexp(JiffySeconds(), static_cast<int>(shift)); }

absl::Status FlowTable::ForEach(const std::function<void(const xlb_flow_key&, const xlb_flow&)>& visit) const {
  return ForEachEntry<xlb_flow_key, xlb_flow>(map_fd_, "flows", visit);
}

absl::StatusOr<size_t> FlowTable::MarkDockers(std::span<const xlb_flow_key> keys, uint32_t now) const {
  xlb_flow mark{};
  mark.kind = XLB_KIND_NONE;
  mark.seen = now;
  const size_t count = std::min<size_t>(keys.size(), capacity_ / 4);
  for (const xlb_flow_key& key : keys.first(count)) {
    if (bpf_map_update_elem(map_fd_, &key, &mark, BPF_NOEXIST) == 0 || errno == EEXIST) continue;
    return ErrnoStatus(errno, "cannot write the map flows");
  }
  return count;
}

bool FlowSweeper::Expired(const xlb_flow_key& key, const xlb_flow& flow, uint32_t now) const {
  // A packet may have come after `now` was read; its tick then lies ahead, which as a difference would be enormous.
  const int32_t idle = static_cast<int32_t>(now - flow.seen);
  const std::chrono::seconds limit =
      flow.kind == XLB_KIND_NONE ? MarkIdleLimit(key.proto) : IdleLimit(PhaseOf(key.proto, flow.state));
  return idle > 0 && idle * tick_seconds_ > static_cast<double>(limit.count());
}

void FlowSweeper::Look(const xlb_flow_key& key, const xlb_flow& flow, uint32_t now) {
  if (Expired(key, flow, now)) {
    // Once more, now: a packet may have come since the slice was read.
    xlb_flow again;
    if (bpf_map_lookup_elem(table_->fd(), &key, &again) == 0 && Expired(key, again, now)) {
      bpf_map_delete_elem(table_->fd(), &key);
      if (!flow.reply && flow.kind != XLB_KIND_NONE) result_.removed++;
    }
    return;
  }
  if (flow.kind == XLB_KIND_NONE) {
    result_.marks++;
    return;
  }
  if (!flow.reply) Count(key, flow);
}

// An entry of the client's direction.
void FlowSweeper::Count(const xlb_flow_key& key, const xlb_flow& flow) {
  result_.flows++;
  const FlowPhase phase = PhaseOf(key.proto, flow.state);
  if (phase == FlowPhase::kEstablished || phase == FlowPhase::kUdp) result_.flows_by_backend[flow.backend]++;
  // What comes by a peer counts there, and its client is told there.
  if (flow.kind == XLB_KIND_LOCAL && flow.vni != 0) return;
  if (phase != FlowPhase::kClosed && phase != FlowPhase::kReset) result_.live_by_backend[flow.backend]++;
  const bool waits = phase == FlowPhase::kEstablished || phase == FlowPhase::kHalfClosed;
  if (waits && result_.orphans.size() < kMostOrphans && is_orphan_(flow)) {
    result_.orphans.push_back({key, flow.backend, flow.generation});
  }
}

absl::StatusOr<std::optional<SweepResult>> FlowSweeper::Step(uint32_t now) {
  if (!walk_.has_value()) {
    walk_.emplace(table_->fd(), "flows", kSlice);
    result_ = {};
  }
  auto more = walk_->Next();
  if (!more.ok()) {
    walk_.reset();
    return more.status();
  }
  for (size_t i = 0; i < walk_->size(); i++) Look(walk_->key(i), walk_->value(i), now);
  if (*more) return std::nullopt;
  walk_.reset();
  return std::exchange(result_, {});
}

}  // namespace xlb
