#include "model/ledger.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace xlb {
namespace {

std::set<uint32_t> ServiceIds(const MapContents& contents) {
  std::set<uint32_t> ids;
  for (const auto& [key, service] : contents.services) ids.insert(service.id);
  return ids;
}

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(
      fmt::format("the pinned maps are damaged ({}); 'xlbctl detach' and a restart of xlbd make new ones", what));
}

template <typename Key, typename Value>
std::set<Key> Keys(const std::map<Key, Value>& map) {
  std::set<Key> keys;
  for (const auto& [key, value] : map) keys.insert(keys.end(), key);
  return keys;
}

}  // namespace

Ledger::Ledger(const Limits& limits) : Ledger(limits, MapContents{}) {}

Ledger::Ledger(const Limits& limits, MapContents contents)
    : limits_(limits),
      contents_(std::move(contents)),
      service_ids_(limits.services, ServiceIds(contents_), {}),
      backend_ids_(limits.backends, Keys(contents_.backends), Keys(contents_.generations)),
      regions_(limits.ring_slots) {
  for (const auto& [id, backend] : contents_.backends) AddToIndex(id, backend);
}

absl::StatusOr<Ledger> Ledger::Read(MapStore& store, const Limits& limits) {
  XLB_ASSIGN_OR_RETURN(MapContents contents, store.ReadAll());
  if (contents.node.schema != 0 && contents.node.schema != XLB_SCHEMA) {
    return absl::FailedPreconditionError(
        fmt::format("the pinned maps have schema {}, this xlbd writes {}; 'xlbctl detach' takes them away",
                    contents.node.schema, XLB_SCHEMA));
  }
  Ledger ledger(limits, std::move(contents));
  XLB_RETURN_IF_ERROR(ledger.CheckServices());
  XLB_RETURN_IF_ERROR(ledger.ReadRings(store));
  return ledger;
}

// Nothing of ours writes such maps; going on would give the same slots or the same id to two services.
absl::Status Ledger::CheckServices() const {
  std::set<uint32_t> ids;
  for (const auto& [key, service] : contents_.services) {
    if (service.id == 0 || service.id >= limits_.services || !ids.insert(service.id).second) {
      return Damaged(fmt::format("service {} has id {}", FrontendOf(key).ToString(), service.id));
    }
  }
  return absl::OkStatus();
}

absl::Status Ledger::ReadRings(MapStore& store) {
  for (const auto& [key, service] : contents_.services) {
    std::vector<uint32_t>& ring = rings_[key];
    if (service.ring_len == 0) continue;
    if (!regions_.Reserve(service.ring_off, service.ring_len)) {
      return Damaged(fmt::format("service {} has the slots from {} to {}", FrontendOf(key).ToString(), service.ring_off,
                                 uint64_t{service.ring_off} + service.ring_len));
    }
    XLB_ASSIGN_OR_RETURN(ring, store.ReadRing(service.ring_off, service.ring_len));
  }
  return absl::OkStatus();
}

void Ledger::Inherit(const Ledger& previous) {
  regions_.InheritWaiting(previous.regions_);
  epoch_owed_ = previous.epoch_owed_;
  last_source_list_ = previous.last_source_list_;
}

const xlb_service* Ledger::Service(const xlb_service_key& key) const {
  const auto found = contents_.services.find(key);
  return found == contents_.services.end() ? nullptr : &found->second;
}

const std::vector<uint32_t>* Ledger::Ring(const xlb_service_key& key) const {
  const auto found = rings_.find(key);
  return found == rings_.end() ? nullptr : &found->second;
}

std::vector<uint32_t> Ledger::BackendsWithUid(const Uid& uid) const {
  std::vector<uint32_t> ids;
  const auto [first, last] = backends_by_uid_.equal_range(uid);
  for (auto it = first; it != last; ++it) ids.push_back(it->second);
  return ids;
}

uint32_t Ledger::FindBackend(const Uid& uid, uint32_t service_id) const {
  const auto [first, last] = backends_by_uid_.equal_range(uid);
  for (auto it = first; it != last; ++it) {
    if (contents_.backends.at(it->second).service == service_id) return it->second;
  }
  return 0;
}

void Ledger::Record(const MapWrite& write, Clock::Time now) {
  std::visit([&](const auto& op) { RecordOp(op, now); }, write);
}

void Ledger::RecordOp(const WriteBackendOp& op, Clock::Time) {
  contents_.generations[op.id] = op.backend.generation;
  const auto before = contents_.backends.find(op.id);
  const bool was_free = before == contents_.backends.end();
  const bool is_free = op.backend.state == XLB_BACKEND_GONE;
  if (!was_free) {
    epoch_owed_ = epoch_owed_ || op.flows_must_look_again;
    RemoveFromIndex(op.id, before->second);
  }
  if (was_free && !is_free) backend_ids_.Take(op.id);
  if (!was_free && is_free) {
    contents_.backends.erase(before);
    backend_ids_.Release(op.id);
  }
  if (!is_free) {
    contents_.backends[op.id] = op.backend;
    AddToIndex(op.id, op.backend);
  }
}

void Ledger::RecordOp(const WriteRingOp& op, Clock::Time) { unnamed_rings_[op.offset] = op.backend_ids; }

void Ledger::RecordOp(const WriteServiceOp& op, Clock::Time now) {
  if (!contents_.services.contains(op.key)) service_ids_.Take(op.service.id);
  const auto ring = unnamed_rings_.find(op.service.ring_off);
  if (op.service.ring_len == 0) {
    ReleaseRegion(op.key, now);
    rings_[op.key] = {};
  } else if (ring != unnamed_rings_.end()) {
    ReleaseRegion(op.key, now);
    regions_.Reclaim(now);
    regions_.Reserve(op.service.ring_off, op.service.ring_len);
    rings_[op.key] = std::move(ring->second);
    unnamed_rings_.erase(ring);
  }
  const auto before = contents_.services.find(op.key);
  const xlb_service* was = before == contents_.services.end() ? nullptr : &before->second;
  epoch_owed_ = epoch_owed_ || FlowsMustLookAgain(was, op.service);
  contents_.services[op.key] = op.service;
}

void Ledger::RecordOp(const RemoveServiceOp& op, Clock::Time now) {
  const auto before = contents_.services.find(op.key);
  if (before == contents_.services.end()) return;
  ReleaseRegion(op.key, now);
  service_ids_.Release(before->second.id);
  contents_.services.erase(before);
}

void Ledger::RecordOp(const AddAddressOp& op, Clock::Time) { contents_.addresses.insert(op.address_be); }

void Ledger::RecordOp(const RemoveAddressOp& op, Clock::Time) { contents_.addresses.erase(op.address_be); }

void Ledger::RecordOp(const WriteNodeOp& op, Clock::Time) {
  if (op.node.epoch != contents_.node.epoch) epoch_owed_ = false;
  contents_.node = op.node;
}

void Ledger::RecordOp(const WriteSourceOp& op, Clock::Time) {
  if (!contents_.sources.contains(op.key.list)) last_source_list_ = static_cast<uint16_t>(op.key.list);
  contents_.sources[op.key.list][PrefixOf(op.key)] = op.verdicts;
}

void Ledger::RecordOp(const RemoveSourceOp& op, Clock::Time) {
  const auto list = contents_.sources.find(op.key.list);
  if (list == contents_.sources.end()) return;
  list->second.erase(PrefixOf(op.key));
  if (list->second.empty()) contents_.sources.erase(list);
}

void Ledger::AddToIndex(uint32_t id, const xlb_backend& backend) {
  backends_of_services_[backend.service].insert(id);
  backends_by_uid_.emplace(UidOf(backend), id);
}

void Ledger::RemoveFromIndex(uint32_t id, const xlb_backend& backend) {
  const auto of_service = backends_of_services_.find(backend.service);
  of_service->second.erase(id);
  if (of_service->second.empty()) backends_of_services_.erase(of_service);
  const auto [first, last] = backends_by_uid_.equal_range(UidOf(backend));
  for (auto it = first; it != last; ++it) {
    if (it->second != id) continue;
    backends_by_uid_.erase(it);
    return;
  }
}

// The region's slots stay reserved until their grace period is over.
void Ledger::ReleaseRegion(const xlb_service_key& key, Clock::Time now) {
  const auto ring = rings_.find(key);
  if (ring == rings_.end()) return;
  regions_.Release(contents_.services.at(key).ring_off, static_cast<uint32_t>(ring->second.size()), now);
  rings_.erase(ring);
}

}  // namespace xlb
