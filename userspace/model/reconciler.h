// Desired state -> plan -> apply. A plan is the ordered list of map writes that turns what the maps hold into what is
// desired; a restart is just another diff, against pinned maps.
#ifndef XLB_MODEL_RECONCILER_H_
#define XLB_MODEL_RECONCILER_H_

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "model/desired_state.h"
#include "model/ledger.h"
#include "model/map_store.h"
#include "model/plan.h"
#include "model/planner.h"

namespace xlb {

// Owns the ids: which service and which backend has which, which ring region is in use and which waits out its grace
// period. Single-threaded. Sole writer of services, backends, ring, addrs, node
// and, by them, shortcuts.
class Reconciler {
 public:
  // `store` and `clock` must outlive it.
  Reconciler(MapStore* store, const Clock* clock, RingBuilder ring_builder, Limits limits = {});

  // Reads the maps and takes over the ids in them. First call; again whenever the maps may have been written by others.
  absl::Status Load();

  // The writes that lead from what the maps hold to `desired`. Refuses, before anything is written, what does not fit
  // the limits (ResourceExhausted; where the reason is a ring region in its grace period, a later call succeeds) and
  // what gives one backend to two services (InvalidArgument). Changes nothing.
  absl::StatusOr<Plan> MakePlan(const DesiredState& desired) const;

  // Makes the plan and writes it. On an error some writes may have been done; every prefix of a plan is safe for
  // packets, and the next call starts from what was written.
  absl::StatusOr<Plan> Apply(const DesiredState& desired);

  // Raises the epoch: every flow resolves its next hop again. For changed routes and neighbours; and once after the
  // first Apply of a process, because what changed while no process watched is unknown, and so is whether the one
  // before it died between a write and the epoch that this write needed. Does nothing before the first Apply ever.
  absl::Status BumpEpoch();

  // For views: 0 when unknown.
  uint32_t ServiceId(const Frontend& frontend) const;
  uint32_t BackendId(const std::string& identity) const;
  const MapContents& contents() const { return ledger_.contents(); }

 private:
  absl::StatusOr<PlannedChanges> PlanFor(const DesiredState& desired) const;
  absl::StatusOr<PlannedChanges> PlanInTwoSteps(const DesiredState& desired) const;
  absl::Status Write(const MapWrite& write);
  void RememberApplied(const DesiredState& desired, const std::vector<Frontend>& compared);

  MapStore* store_;
  const Clock* clock_;
  RingBuilder ring_builder_;
  Limits limits_;
  bool loaded_ = false;
  Ledger ledger_;
  AppliedServices applied_;  // what the last Apply ended with; empty after a failure
};

}  // namespace xlb

#endif  // XLB_MODEL_RECONCILER_H_
