// The difference between what the maps hold and what is desired, as a plan.
#ifndef XLB_MODEL_PLANNER_H_
#define XLB_MODEL_PLANNER_H_

#include <functional>
#include <map>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "model/desired_state.h"
#include "model/ledger.h"
#include "model/plan.h"

namespace xlb {

// Builds the ring of a service: slots holding positions in `backends` (only those with state active and weight > 0).
// Given from outside so that the model does not depend on the schedulers. Empty ring: no eligible backend. A pure
// function of the service.
using RingBuilder = std::function<std::vector<uint32_t>(const Service& service)>;

// A service as it was applied, and what it got in the maps.
struct AppliedService {
  Service service;
  uint32_t id;
  uint16_t sources;  // its list, 0: none
};
using AppliedServices = std::map<Frontend, AppliedService>;

struct PlannedChanges {
  Plan plan;
  std::vector<Frontend> compared;  // services that were not the same in `applied`
};

// ResourceExhausted when what is desired does not fit, at all or not beside what is there; InvalidArgument when it
// contradicts itself. `applied`: services that the ledger is known to hold already as they are here, and so need no
// comparison; may be empty.
absl::StatusOr<PlannedChanges> PlanChanges(const Ledger& ledger, const DesiredState& desired,
                                           const AppliedServices& applied, const RingBuilder& ring_builder,
                                           Clock::Time now);

// The part of `desired` that the maps know: services and backends that have an id.
DesiredState KnownPart(const Ledger& ledger, const DesiredState& desired);

}  // namespace xlb

#endif  // XLB_MODEL_PLANNER_H_
