#include "model/planner.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "model/records.h"

namespace xlb {
namespace {

// One plan in the making. Ids and ring regions come from the ledger's allocators without changing them.
class Planner {
 public:
  Planner(const Ledger& ledger, const DesiredState& desired, const AppliedServices& applied,
          const RingBuilder& ring_builder, Clock::Time now)
      : ledger_(ledger),
        desired_(desired),
        applied_(applied),
        ring_builder_(ring_builder),
        now_(now),
        kept_ids_(ledger.limits().services),
        unchanged_(ledger.limits().services) {}

  absl::StatusOr<PlannedChanges> Make();

 private:
  struct Assigned {
    const Frontend* frontend;
    const Service* service;
    uint32_t id;
    bool is_new;
  };

  absl::Status AssignServices();
  absl::Status CheckLimits(size_t backends) const;
  absl::Status AssignId(Assigned& assigned);
  absl::Status PlanService(const Assigned& assigned);
  absl::StatusOr<uint32_t> PlanBackend(const Assigned& assigned, const Backend& backend, const Uid& uid);
  absl::Status Claim(const Assigned& assigned, const Backend& backend, const Uid& uid);
  absl::StatusOr<xlb_service> PlanRing(const Assigned& assigned, const std::vector<uint32_t>& ids);
  absl::StatusOr<uint32_t> AllocateRegion(const Frontend& frontend, uint32_t length);
  void Name(uint16_t list) {
    if (list != 0) named_lists_.insert(list);
  }
  void PlanRemovedServices();
  void PlanRemovedBackend(uint32_t id);
  absl::StatusOr<uint16_t> PlanSources(const Assigned& assigned);
  absl::StatusOr<uint16_t> NewSourceList(const SourceEntries& entries);
  void PlanRemovedSources();
  void PlanAddresses();
  void PlanNode();
  void Append(std::vector<MapWrite>& writes);

  const Ledger& ledger_;
  const DesiredState& desired_;
  const AppliedServices& applied_;
  const RingBuilder& ring_builder_;
  const Clock::Time now_;

  size_t new_services_ = 0;
  size_t new_backends_ = 0;
  std::optional<RingAllocator> regions_;  // a copy, made when the first ring needs room
  std::vector<Assigned> changed_;
  std::vector<bool> kept_ids_;                                 // by id: of all desired services
  size_t kept_records_ = 0;                                    // of desired services that are in the maps
  std::vector<const Frontend*> unchanged_;                     // by id; null: not one of these
  std::unordered_map<Uid, const Frontend*, UidHash> claimed_;  // by services in changed_
  std::unordered_set<uint16_t> named_lists_;                   // by services, once the plan is carried out
  std::vector<std::pair<uint16_t, SourceList>> new_lists_;
  size_t new_source_entries_ = 0;
  bool flows_must_look_again_ = false;

  // In the order in which they will be written.
  std::vector<MapWrite> first_, sources_, backends_, rings_, services_, removed_services_, removed_backends_, last_,
      removed_sources_, node_;
  PlannedChanges result_;
};

absl::StatusOr<PlannedChanges> Planner::Make() {
  XLB_RETURN_IF_ERROR(AssignServices());
  for (const Assigned& assigned : changed_) XLB_RETURN_IF_ERROR(PlanService(assigned));
  PlanRemovedServices();
  PlanRemovedSources();
  if (ledger_.contents().node.schema == 0) first_.push_back(WriteNodeOp{NodeRecord(desired_.node, 1)});
  PlanAddresses();
  PlanNode();
  for (auto* part : {&first_, &sources_, &backends_, &rings_, &services_, &removed_services_, &removed_backends_,
                     &last_, &removed_sources_, &node_}) {
    Append(*part);
  }
  return std::move(result_);
}

absl::Status Planner::CheckLimits(size_t backends) const {
  const auto check = [](size_t wanted, size_t room, std::string_view what) -> absl::Status {
    if (wanted <= room) return absl::OkStatus();
    return absl::ResourceExhaustedError(
        fmt::format("{} {} are more than the {} that the data path has room for", wanted, what, room));
  };
  const Limits& limits = ledger_.limits();
  XLB_RETURN_IF_ERROR(check(desired_.services.size(), limits.services - 1, "services"));
  XLB_RETURN_IF_ERROR(check(backends, limits.backends - 1, "backends"));
  return check(desired_.node.addresses.size(), limits.addresses, "addresses of this node");
}

absl::Status Planner::AssignServices() {
  size_t backends = 0;
  // Nearly all are as they were: no look-up for these, but one walk through both in their common order.
  auto applied = applied_.begin();
  for (const auto& [frontend, service] : desired_.services) {
    backends += service.backends.size();
    while (applied != applied_.end() && applied->first < frontend) ++applied;
    if (applied != applied_.end() && applied->first == frontend && applied->second.service == service) {
      kept_ids_[applied->second.id] = true;
      ++kept_records_;
      unchanged_[applied->second.id] = &frontend;
      Name(applied->second.sources);
      continue;
    }
    changed_.push_back({&frontend, &service, 0, false});
    result_.compared.push_back(frontend);
  }
  XLB_RETURN_IF_ERROR(CheckLimits(backends));
  for (Assigned& assigned : changed_) XLB_RETURN_IF_ERROR(AssignId(assigned));
  return absl::OkStatus();
}

absl::Status Planner::AssignId(Assigned& assigned) {
  const xlb_service* present = ledger_.Service(ServiceKey(*assigned.frontend));
  assigned.is_new = present == nullptr;
  assigned.id = assigned.is_new ? ledger_.service_ids().Peek(new_services_++) : present->id;
  if (assigned.id == 0) {
    return absl::ResourceExhaustedError(fmt::format("no id is free for service {}", assigned.frontend->ToString()));
  }
  if (!assigned.is_new) ++kept_records_;
  kept_ids_[assigned.id] = true;
  return absl::OkStatus();
}

absl::Status Planner::PlanService(const Assigned& assigned) {
  std::vector<uint32_t> ids;
  std::unordered_set<uint32_t> wanted;
  for (const Backend& backend : assigned.service->backends) {
    const Uid uid = BackendUid(backend.identity);
    XLB_RETURN_IF_ERROR(Claim(assigned, backend, uid));
    XLB_ASSIGN_OR_RETURN(const uint32_t id, PlanBackend(assigned, backend, uid));
    ids.push_back(id);
    wanted.insert(id);
  }
  const auto present = ledger_.backends_of_services().find(assigned.id);
  if (present != ledger_.backends_of_services().end()) {
    for (const uint32_t id : present->second) {
      if (!wanted.contains(id)) PlanRemovedBackend(id);
    }
  }
  XLB_ASSIGN_OR_RETURN(const xlb_service record, PlanRing(assigned, ids));
  const xlb_service_key key = ServiceKey(*assigned.frontend);
  flows_must_look_again_ = flows_must_look_again_ || FlowsMustLookAgain(ledger_.Service(key), record);
  if (assigned.is_new || !SameRecord(record, *ledger_.Service(key))) {
    services_.push_back(WriteServiceOp{key, record, assigned.is_new});
  }
  return absl::OkStatus();
}

// A backend belongs to one service: its slot names it, and its draining must not depend on who asks.
absl::Status Planner::Claim(const Assigned& assigned, const Backend& backend, const Uid& uid) {
  const auto [claim, is_first] = claimed_.emplace(uid, assigned.frontend);
  const Frontend* other = is_first ? nullptr : claim->second;
  for (const uint32_t id : ledger_.BackendsWithUid(uid)) {
    // Of a service that is gone, when a removal did not get to its end: no id that is in use.
    const uint32_t owner = ledger_.contents().backends.at(id).service;
    if (owner < unchanged_.size() && unchanged_[owner] != nullptr) other = unchanged_[owner];
  }
  if (other == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("backend \"{}\" ({}) of service {} belongs to service {} already",
                                                backend.identity, backend.name, assigned.frontend->ToString(),
                                                other->ToString()));
}

// A backend that moves from one service to another gets a new id: its old one stays in the old service's ring until
// that is swapped.
absl::StatusOr<uint32_t> Planner::PlanBackend(const Assigned& assigned, const Backend& backend, const Uid& uid) {
  const MapContents& contents = ledger_.contents();
  if (const uint32_t id = ledger_.FindBackend(uid, assigned.id); id != 0) {
    const xlb_backend& present = contents.backends.at(id);
    const xlb_backend record = BackendRecord(backend, uid, present.generation, assigned.id);
    if (!SameRecord(record, present)) {
      const bool look_again = FlowsMustLookAgain(present, record, assigned.frontend->protocol);
      flows_must_look_again_ = flows_must_look_again_ || look_again;
      backends_.push_back(WriteBackendOp{id, record, false, look_again});
    }
    return id;
  }
  const uint32_t id = ledger_.backend_ids().Peek(new_backends_++);
  if (id == 0) {
    return absl::ResourceExhaustedError(
        fmt::format("no id is free for backend {} of service {}", backend.name, assigned.frontend->ToString()));
  }
  const auto last_generation = contents.generations.find(id);
  const uint32_t generation = NextNonZero(last_generation == contents.generations.end() ? 0 : last_generation->second);
  backends_.push_back(WriteBackendOp{id, BackendRecord(backend, uid, generation, assigned.id), true, false});
  return id;
}

absl::StatusOr<xlb_service> Planner::PlanRing(const Assigned& assigned, const std::vector<uint32_t>& ids) {
  std::vector<uint32_t> ring = ring_builder_(*assigned.service);
  for (uint32_t& slot : ring) {
    if (slot >= ids.size()) return absl::InternalError("a ring names a backend that its service does not have");
    slot = ids[slot];
  }
  XLB_ASSIGN_OR_RETURN(const uint16_t list, PlanSources(assigned));
  xlb_service record = ServiceRecord(*assigned.service, list);
  record.id = assigned.id;
  record.ring_len = static_cast<uint32_t>(ring.size());
  if (ring.empty()) return record;
  const xlb_service_key key = ServiceKey(*assigned.frontend);
  if (const std::vector<uint32_t>* present = ledger_.Ring(key); present != nullptr && *present == ring) {
    record.ring_off = ledger_.Service(key)->ring_off;
    return record;
  }
  XLB_ASSIGN_OR_RETURN(record.ring_off, AllocateRegion(*assigned.frontend, record.ring_len));
  rings_.push_back(WriteRingOp{record.ring_off, std::move(ring)});
  return record;
}

absl::StatusOr<uint32_t> Planner::AllocateRegion(const Frontend& frontend, uint32_t length) {
  if (!regions_) {
    regions_ = ledger_.regions();
    regions_->Reclaim(now_);
  }
  if (const std::optional<uint32_t> offset = regions_->Allocate(length)) return *offset;
  return absl::ResourceExhaustedError(fmt::format(
      "no room for the {} slots of service {}: of {} slots {} are free, at most {} side by side, and {} come "
      "free within {} s",
      length, frontend.ToString(), ledger_.limits().ring_slots, regions_->free_slots(), regions_->largest_free_region(),
      regions_->waiting_slots(), kRingGrace.count()));
}

void Planner::PlanRemovedServices() {
  for (const Frontend& frontend : desired_.kept) {
    const xlb_service* kept = ledger_.Service(ServiceKey(frontend));
    if (kept == nullptr) continue;
    kept_ids_[kept->id] = true;
    // One that is desired too is written as it says there; what it named until then goes with the next plan.
    Name(kept->sources);
  }
  if (kept_records_ < ledger_.contents().services.size()) {
    for (const auto& [key, service] : ledger_.contents().services) {
      if (!kept_ids_[service.id]) removed_services_.push_back(RemoveServiceOp{key});
    }
  }
  // Not only of these services: after a failure, also of some that were removed before.
  for (const auto& [service_id, backends] : ledger_.backends_of_services()) {
    if (service_id < kept_ids_.size() && kept_ids_[service_id]) continue;
    for (const uint32_t id : backends) PlanRemovedBackend(id);
  }
}

void Planner::PlanRemovedBackend(uint32_t id) {
  flows_must_look_again_ = true;
  const uint32_t generation = ledger_.contents().backends.at(id).generation;
  removed_backends_.push_back(WriteBackendOp{id, GoneRecord(generation), false, true});
}

// Services with the same list share it. A list that is named is never changed: another one takes its place.
absl::StatusOr<uint16_t> Planner::PlanSources(const Assigned& assigned) {
  const SourceList& wanted = assigned.service->sources;
  if (wanted.empty()) return uint16_t{0};
  const auto name = [this](uint32_t list) {
    named_lists_.insert(static_cast<uint16_t>(list));
    return static_cast<uint16_t>(list);
  };
  for (const auto& [id, list] : new_lists_) {
    if (list == wanted) return id;
  }
  for (const auto& [id, entries] : ledger_.contents().sources) {
    if (entries == wanted.entries()) return name(id);
  }
  XLB_ASSIGN_OR_RETURN(const uint16_t id, NewSourceList(wanted.entries()));
  new_lists_.emplace_back(id, wanted);
  return name(id);
}

absl::StatusOr<uint16_t> Planner::NewSourceList(const SourceEntries& entries) {
  const auto& present = ledger_.contents().sources;
  size_t in_use = new_source_entries_;
  for (const auto& [id, list] : present) in_use += list.size();
  if (in_use + entries.size() > ledger_.limits().sources) {
    return absl::ResourceExhaustedError(
        fmt::format("no room for {} more prefixes of clients beside {}: the data path has room for {}", entries.size(),
                    in_use, ledger_.limits().sources));
  }
  uint16_t id = new_lists_.empty() ? ledger_.last_source_list() : new_lists_.back().first;
  do {
    ++id;
  } while (id == 0 || present.contains(id) || named_lists_.contains(id));
  new_source_entries_ += entries.size();
  for (const auto& [prefix, verdicts] : entries) sources_.push_back(WriteSourceOp{SourceKey(id, prefix), verdicts});
  return id;
}

void Planner::PlanRemovedSources() {
  for (const auto& [id, entries] : ledger_.contents().sources) {
    if (named_lists_.contains(static_cast<uint16_t>(id))) continue;
    for (const auto& [prefix, verdicts] : entries) removed_sources_.push_back(RemoveSourceOp{SourceKey(id, prefix)});
  }
}

void Planner::PlanAddresses() {
  const std::set<uint32_t>& present = ledger_.contents().addresses;
  std::vector<MapWrite> added, removed;
  std::set<uint32_t> wanted;
  for (const Ipv4 address : desired_.node.addresses) {
    wanted.insert(address.be);
    if (!present.contains(address.be)) added.push_back(AddAddressOp{address.be});
  }
  for (const uint32_t address : present) {
    if (!wanted.contains(address)) removed.push_back(RemoveAddressOp{address});
  }
  // Removing early costs nothing but a moment in which the old address is not served.
  const bool both_fit = present.size() + added.size() <= ledger_.limits().addresses;
  std::vector<MapWrite>& removed_when = both_fit ? last_ : first_;
  last_.insert(last_.end(), added.begin(), added.end());
  removed_when.insert(removed_when.end(), removed.begin(), removed.end());
}

void Planner::PlanNode() {
  const xlb_node& present = ledger_.contents().node;
  const bool is_first = present.schema == 0;
  const uint32_t epoch = is_first ? 1 : present.epoch;
  const bool facts_changed = !is_first && !SameRecord(NodeRecord(desired_.node, epoch), present);
  const bool raise = facts_changed || flows_must_look_again_ || ledger_.epoch_owed();
  if (raise) node_.push_back(WriteNodeOp{NodeRecord(desired_.node, NextNonZero(epoch))});
}

void Planner::Append(std::vector<MapWrite>& writes) {
  std::move(writes.begin(), writes.end(), std::back_inserter(result_.plan.writes));
}

}  // namespace

absl::StatusOr<PlannedChanges> PlanChanges(const Ledger& ledger, const DesiredState& desired,
                                           const AppliedServices& applied, const RingBuilder& ring_builder,
                                           Clock::Time now) {
  return Planner(ledger, desired, applied, ring_builder, now).Make();
}

DesiredState KnownPart(const Ledger& ledger, const DesiredState& desired) {
  DesiredState known{desired.node, {}, desired.kept};
  for (const auto& [frontend, service] : desired.services) {
    const xlb_service* present = ledger.Service(ServiceKey(frontend));
    if (present == nullptr) continue;
    Service& part = known.services[frontend] = service;
    std::erase_if(part.backends.own(), [&](const Backend& backend) {
      return ledger.FindBackend(BackendUid(backend.identity), present->id) == 0;
    });
  }
  return known;
}

}  // namespace xlb
