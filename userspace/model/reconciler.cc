#include "model/reconciler.h"

#include <utility>
#include <vector>

#include "model/records.h"

namespace xlb {
namespace {

// Each kind of write as calls of the store. Statistics of an id's last owner go before the new one can count.
class StoreWriter {
 public:
  explicit StoreWriter(MapStore& store) : store_(store) {}

  absl::Status operator()(const WriteBackendOp& op) {
    if (op.reset_stats) XLB_RETURN_IF_ERROR(store_.ResetBackendStats(op.id));
    return store_.WriteBackend(op.id, op.backend);
  }
  absl::Status operator()(const WriteRingOp& op) { return store_.WriteRing(op.offset, op.backend_ids); }
  absl::Status operator()(const WriteServiceOp& op) {
    if (op.reset_stats) XLB_RETURN_IF_ERROR(store_.ResetServiceStats(op.service.id));
    return store_.WriteService(op.key, op.service);
  }
  absl::Status operator()(const RemoveServiceOp& op) { return store_.RemoveService(op.key); }
  absl::Status operator()(const AddAddressOp& op) { return store_.AddAddress(op.address_be); }
  absl::Status operator()(const RemoveAddressOp& op) { return store_.RemoveAddress(op.address_be); }
  absl::Status operator()(const WriteSourceOp& op) { return store_.WriteSource(op.key, op.verdicts); }
  absl::Status operator()(const RemoveSourceOp& op) { return store_.RemoveSource(op.key); }
  absl::Status operator()(const WriteNodeOp& op) { return store_.WriteNode(op.node); }

 private:
  MapStore& store_;
};

}  // namespace

Reconciler::Reconciler(MapStore* store, const Clock* clock, RingBuilder ring_builder, Limits limits)
    : store_(store), clock_(clock), ring_builder_(std::move(ring_builder)), limits_(limits), ledger_(limits) {}

absl::Status Reconciler::Load() {
  XLB_ASSIGN_OR_RETURN(Ledger read, Ledger::Read(*store_, limits_));
  read.Inherit(ledger_);
  ledger_ = std::move(read);
  applied_.clear();
  loaded_ = true;
  return absl::OkStatus();
}

absl::StatusOr<Plan> Reconciler::MakePlan(const DesiredState& desired) const {
  XLB_ASSIGN_OR_RETURN(PlannedChanges planned, PlanFor(desired));
  return std::move(planned.plan);
}

absl::StatusOr<PlannedChanges> Reconciler::PlanFor(const DesiredState& desired) const {
  if (!loaded_) return absl::FailedPreconditionError("the maps have not been read yet");
  absl::StatusOr<PlannedChanges> planned = PlanChanges(ledger_, desired, applied_, ring_builder_, clock_->Now());
  return absl::IsResourceExhausted(planned.status()) ? PlanInTwoSteps(desired) : std::move(planned);
}

// Old and new do not fit side by side; without this, a node that is close to a limit would be stuck with the old.
absl::StatusOr<PlannedChanges> Reconciler::PlanInTwoSteps(const DesiredState& desired) const {
  const Clock::Time now = clock_->Now();
  const DesiredState known = KnownPart(ledger_, desired);
  XLB_ASSIGN_OR_RETURN(PlannedChanges first, PlanChanges(ledger_, known, {}, ring_builder_, now));
  Ledger after_first = ledger_;
  for (const MapWrite& write : first.plan.writes) after_first.Record(write, now);
  XLB_ASSIGN_OR_RETURN(PlannedChanges second, PlanChanges(after_first, desired, {}, ring_builder_, now));
  second.plan.writes.insert(second.plan.writes.begin(), std::make_move_iterator(first.plan.writes.begin()),
                            std::make_move_iterator(first.plan.writes.end()));
  return second;
}

absl::StatusOr<Plan> Reconciler::Apply(const DesiredState& desired) {
  XLB_ASSIGN_OR_RETURN(PlannedChanges planned, PlanFor(desired));
  for (const MapWrite& write : planned.plan.writes) {
    if (absl::Status status = Write(write); !status.ok()) {
      applied_.clear();
      ledger_.ForgetUnnamedRings();
      return status;
    }
  }
  RememberApplied(desired, planned.compared);
  return std::move(planned.plan);
}

absl::Status Reconciler::Write(const MapWrite& write) {
  XLB_RETURN_IF_ERROR(std::visit(StoreWriter(*store_), write));
  ledger_.Record(write, clock_->Now());
  return absl::OkStatus();
}

void Reconciler::RememberApplied(const DesiredState& desired, const std::vector<Frontend>& compared) {
  for (const Frontend& frontend : compared) {
    const xlb_service& record = *ledger_.Service(ServiceKey(frontend));
    applied_[frontend] = {desired.services.at(frontend), record.id, record.sources};
  }
  if (applied_.size() == desired.services.size()) return;
  std::erase_if(applied_, [&](const auto& entry) { return !desired.services.contains(entry.first); });
}

absl::Status Reconciler::BumpEpoch() {
  xlb_node node = contents().node;
  if (node.schema == 0) return absl::OkStatus();
  node.epoch = NextNonZero(node.epoch);
  return Write(WriteNodeOp{node});
}

uint32_t Reconciler::ServiceId(const Frontend& frontend) const {
  const xlb_service* service = ledger_.Service(ServiceKey(frontend));
  return service == nullptr ? 0 : service->id;
}

uint32_t Reconciler::BackendId(const std::string& identity) const {
  const std::vector<uint32_t> ids = ledger_.BackendsWithUid(BackendUid(identity));
  return ids.empty() ? 0 : ids.front();
}

}  // namespace xlb
