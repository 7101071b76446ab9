#include "dataplane/flow_table.h"

#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include "model/flow_timeouts.h"

namespace xlb {
namespace {

constexpr uint32_t kSlice = 16384;  // places: a few milliseconds

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

void FlowTable::ForEach(const std::function<void(const xlb_flow&)>& visit) const {
  for (uint32_t slot = 0; slot < memory_.flows().size(); slot++) {
    if (!memory_.IsTaken(slot)) continue;
    const xlb_flow flow = CopyFlow(memory_.flows()[slot]);
    if (xlb_life_is_live(flow.life)) visit(flow);
  }
}

absl::StatusOr<size_t> FlowTable::MarkDockers(std::span<const xlb_flow_key> keys) const {
  const size_t count = std::min<size_t>(keys.size(), capacity() / 4);
  size_t marked = 0;
  for (const xlb_flow_key& key : keys.first(count)) {
    std::array<uint8_t, 64> frame{};
    std::memcpy(frame.data() + ETH_HLEN, &key, sizeof(key));
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = frame.size(), .repeat = 1);
    if (bpf_prog_test_run_opts(mark_fd_, &options) != 0) return ErrnoStatus(errno, "cannot run the program xlb_mark");
    marked += options.retval;
  }
  return marked;
}

bool FlowSweeper::Expired(const xlb_flow& flow, uint32_t now) const {
  // A packet may have come after `now` was read; its tick then lies ahead, which as a difference would be enormous.
  const int32_t idle = static_cast<int32_t>(now - xlb_life_seen(flow.life));
  const uint8_t protocol = flow.key[0].proto;
  const std::chrono::seconds limit =
      flow.kind == XLB_KIND_NONE ? MarkIdleLimit(protocol) : IdleLimit(PhaseOf(protocol, xlb_life_state(flow.life)));
  return idle > 0 && idle * tick_seconds_ > static_cast<double>(limit.count());
}

void FlowSweeper::Look(uint32_t slot, uint32_t now) {
  const xlb_table_t table = table_->memory().table();
  xlb_flow* const place = xlb_slot_flow(table, slot);
  if ((XLB_LOAD(place->life) & XLB_LIFE_PHASE) == XLB_LIFE_REAPED) return xlb_table_release(table, slot);
  const xlb_flow flow = CopyFlow(*place);
  if (!xlb_life_is_live(flow.life)) return;
  if (Expired(flow, now)) {
    // Fails when a packet has come since.
    const uint64_t reaped = (flow.life & ~XLB_LIFE_PHASE) | XLB_LIFE_REAPED;
    if ((flow.life & XLB_LIFE_PINNED) != 0 || !xlb_life_replace(place, flow.life, reaped)) return;
    xlb_table_release(table, slot);
    if (flow.kind != XLB_KIND_NONE) result_.removed++;
  } else if (flow.kind == XLB_KIND_NONE) {
    result_.marks++;
  } else {
    Count(flow);
  }
}

void FlowSweeper::Count(const xlb_flow& flow) {
  result_.flows++;
  const FlowPhase phase = PhaseOf(flow.key[0].proto, xlb_life_state(flow.life));
  if (phase == FlowPhase::kEstablished || phase == FlowPhase::kUdp) result_.flows_by_backend[flow.backend]++;
  // What comes by a peer counts there, and its client is told there.
  if (flow.kind == XLB_KIND_LOCAL && flow.tunnel.vni != 0) return;
  if (phase != FlowPhase::kClosed && phase != FlowPhase::kReset) result_.live_by_backend[flow.backend]++;
  const bool waits = phase == FlowPhase::kEstablished || phase == FlowPhase::kHalfClosed;
  if (waits && result_.orphans.size() < kMostOrphans && is_orphan_(flow)) {
    result_.orphans.push_back({flow.key[0], flow.backend, flow.generation});
  }
}

std::optional<SweepResult> FlowSweeper::Step(uint32_t now) {
  const FlowMemory& memory = table_->memory();
  const auto places = static_cast<uint32_t>(memory.flows().size());
  if (next_ == 0) result_ = {};
  const uint32_t end = std::min(next_ + kSlice, places);
  for (; next_ < end; next_++) {
    if (memory.IsTaken(next_)) Look(next_, now);
  }
  if (next_ < places) return std::nullopt;
  next_ = 0;
  return std::exchange(result_, {});
}

}  // namespace xlb
