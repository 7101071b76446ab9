// The flow table from user space: walking it, and sweeping out what has been idle too long.
#ifndef XLB_DATAPLANE_FLOW_TABLE_H_
#define XLB_DATAPLANE_FLOW_TABLE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "dataplane/flow_memory.h"
#include "xlb/abi.h"

namespace xlb {

// The programs' clock: ticks of 2^tick_shift jiffies. Ages are differences of ticks, modulo 2^32.
class TickClock {
 public:
  // `program_fd`: the program xlb_clock.
  explicit TickClock(int program_fd) : program_fd_(program_fd) {}
  absl::StatusOr<uint32_t> Now() const;

  // The shift that makes a tick about a second on this kernel, and the length of such a tick.
  static uint32_t ShiftForSeconds();
  static double TickSeconds(uint32_t shift);

 private:
  int program_fd_;
};

class FlowTable {
 public:
  // `mark_fd`: the program xlb_mark, which has the same table.
  FlowTable(FlowMemory memory, int mark_fd) : memory_(std::move(memory)), mark_fd_(mark_fd) {}

  // Every flow and mark, as it is now: whole, though the programs write the table meanwhile.
  void ForEach(const std::function<void(const xlb_flow&)>& visit) const;

  // Marks packets as Docker's: those with these keys pass up, and their ports go to no flow of ours, until they have
  // not been seen for long. What is filed already stays. At most a quarter of the table is given to it; returns how
  // many keys are marked.
  absl::StatusOr<size_t> MarkDockers(std::span<const xlb_flow_key> keys) const;

  uint32_t buckets() const { return memory_.buckets(); }
  uint32_t capacity() const { return static_cast<uint32_t>(XLB_BUCKETS_HOLD(buckets())); }  // flows
  const FlowMemory& memory() const { return memory_; }

 private:
  FlowMemory memory_;
  int mark_fd_;
};

// What a whole sweep found.
struct SweepResult {
  uint64_t flows = 0;  // that are left
  uint64_t removed = 0;
  uint64_t marks = 0;  // left of FlowTable::MarkDockers; no flows of ours, and not among them
  std::unordered_map<uint32_t, uint64_t> flows_by_backend;  // established ones and UDP, by backend id
  std::unordered_map<uint32_t, uint32_t> live_by_backend;   // as xlb_backend_load.live counts them
  // Established TCP whose backend is gone: the client does not know it yet. kMostOrphans at the most.
  struct Orphan {
    xlb_flow_key client;  // of the client's packets
    uint32_t backend = 0, generation = 0;
  };
  std::vector<Orphan> orphans;
};

inline constexpr size_t kMostOrphans = 8192;

// Is the flow's backend gone, as far as the backends' records say?
using IsOrphan = std::function<bool(const xlb_flow&)>;

// Goes through the table in slices, so that the event loop stays free; removes what is idle past its limit. A place
// that an xlbd was emptying when it was killed is emptied, too: there must be one sweeper.
class FlowSweeper {
 public:
  FlowSweeper(const FlowTable* table, double tick_seconds, IsOrphan is_orphan)
      : table_(table), tick_seconds_(tick_seconds), is_orphan_(std::move(is_orphan)) {}

  // One slice, at time `now` (ticks). A value when this slice ended a whole round.
  std::optional<SweepResult> Step(uint32_t now);

 private:
  bool Expired(const xlb_flow& flow, uint32_t now) const;
  void Look(uint32_t slot, uint32_t now);
  void Count(const xlb_flow& flow);
  const FlowTable* table_;
  double tick_seconds_;
  IsOrphan is_orphan_;
  uint32_t next_ = 0;  // slot
  SweepResult result_;
};

}  // namespace xlb

#endif  // XLB_DATAPLANE_FLOW_TABLE_H_
