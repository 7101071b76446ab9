// What the maps hold, as this process knows it, and what follows from that: which ids and which ring regions are taken.
#ifndef XLB_MODEL_LEDGER_H_
#define XLB_MODEL_LEDGER_H_

#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "model/id_allocator.h"
#include "model/map_store.h"
#include "model/plan.h"
#include "model/records.h"
#include "model/ring_allocator.h"

namespace xlb {

// A value: a plan in two steps works on a copy. Invariant: after Record of every write that was made, it says what a
// Ledger read from the maps would say, and in addition what the maps do not hold (the order in which ids became free,
// regions in their grace period, an epoch that is owed).
class Ledger {
 public:
  explicit Ledger(const Limits& limits);
  // FailedPrecondition when the maps belong to another version of xlb, DataLoss when they contradict themselves.
  static absl::StatusOr<Ledger> Read(MapStore& store, const Limits& limits);

  // One write was made.
  void Record(const MapWrite& write, Clock::Time now);
  // Takes over from the ledger of the same maps what cannot be read from them.
  void Inherit(const Ledger& previous);
  // Rings that were written but never named by a service, because a write in between failed.
  void ForgetUnnamedRings() { unnamed_rings_.clear(); }

  const Limits& limits() const { return limits_; }
  const MapContents& contents() const { return contents_; }
  const IdAllocator& service_ids() const { return service_ids_; }
  const IdAllocator& backend_ids() const { return backend_ids_; }
  const RingAllocator& regions() const { return regions_; }
  // A write asked for a raised epoch and it has not been raised yet.
  bool epoch_owed() const { return epoch_owed_; }

  // Null: no such service.
  const xlb_service* Service(const xlb_service_key& key) const;
  // The slots of a service's region, none for an empty one; null: no such service.
  const std::vector<uint32_t>* Ring(const xlb_service_key& key) const;
  // Backends by the id of their service. Some of these services may be gone: a removal that did not get to its end.
  const std::map<uint32_t, std::set<uint32_t>>& backends_of_services() const { return backends_of_services_; }
  // Ids of all backends with that uid. More than one: it is moving from one service to another.
  std::vector<uint32_t> BackendsWithUid(const Uid& uid) const;
  // The list after which ids of new ones are looked for, so that a lately used one is not used again at once.
  uint16_t last_source_list() const { return last_source_list_; }
  // 0: none.
  uint32_t FindBackend(const Uid& uid, uint32_t service_id) const;

 private:
  Ledger(const Limits& limits, MapContents contents);
  absl::Status CheckServices() const;
  absl::Status ReadRings(MapStore& store);

  void RecordOp(const WriteBackendOp& op, Clock::Time now);
  void RecordOp(const WriteRingOp& op, Clock::Time now);
  void RecordOp(const WriteServiceOp& op, Clock::Time now);
  void RecordOp(const RemoveServiceOp& op, Clock::Time now);
  void RecordOp(const AddAddressOp& op, Clock::Time now);
  void RecordOp(const RemoveAddressOp& op, Clock::Time now);
  void RecordOp(const WriteNodeOp& op, Clock::Time now);
  void RecordOp(const WriteSourceOp& op, Clock::Time now);
  void RecordOp(const RemoveSourceOp& op, Clock::Time now);
  void AddToIndex(uint32_t id, const xlb_backend& backend);
  void RemoveFromIndex(uint32_t id, const xlb_backend& backend);
  void ReleaseRegion(const xlb_service_key& key, Clock::Time now);

  Limits limits_;
  MapContents contents_;
  IdAllocator service_ids_;
  IdAllocator backend_ids_;
  RingAllocator regions_;
  std::map<xlb_service_key, std::vector<uint32_t>, ServiceKeyLess> rings_;
  std::map<uint32_t, std::vector<uint32_t>> unnamed_rings_;  // by offset
  std::map<uint32_t, std::set<uint32_t>> backends_of_services_;
  std::unordered_multimap<Uid, uint32_t, UidHash> backends_by_uid_;
  bool epoch_owed_ = false;
  uint16_t last_source_list_ = 0;
};

}  // namespace xlb

#endif  // XLB_MODEL_LEDGER_H_
