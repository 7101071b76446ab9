// Desired state -> plan -> apply. A plan is the ordered list of map writes that turns what the maps hold into what is
// desired; a restart is just another diff, against pinned maps.
#ifndef XLB_MODEL_RECONCILER_H_
#define XLB_MODEL_RECONCILER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "model/desired_state.h"
#include "model/map_store.h"

namespace xlb {

struct Limits {
  uint32_t services = XLB_MAX_SERVICES;  // ids 1 .. services-1
  uint32_t backends = XLB_MAX_BACKENDS;  // ids 1 .. backends-1
  uint32_t ring_slots = XLB_RING_SLOTS;
  uint32_t addresses = XLB_MAX_ADDRS;
};

// One write. The order of a plan: node facts that only add (addresses), backends (new and changed), rings, services,
// removed services, removed backends, removed addresses; then the node record with a raised epoch, last, if any flow
// has to look again (a backend changed its reach, went down or was removed).
struct WriteBackendOp {
  uint32_t id;
  xlb_backend backend;
  bool reset_stats;
};
struct WriteRingOp {
  uint32_t offset;
  std::vector<uint32_t> backend_ids;
};
struct WriteServiceOp {
  xlb_service_key key;
  xlb_service service;
  bool reset_stats;
};
struct RemoveServiceOp {
  xlb_service_key key;
};
struct AddAddressOp {
  uint32_t address_be;
};
struct RemoveAddressOp {
  uint32_t address_be;
};
struct WriteNodeOp {
  xlb_node node;
};
using MapWrite = std::variant<WriteBackendOp, WriteRingOp, WriteServiceOp, RemoveServiceOp, AddAddressOp,
                              RemoveAddressOp, WriteNodeOp>;

struct Plan {
  std::vector<MapWrite> writes;
  bool empty() const { return writes.empty(); }
};

// 16 bytes that stand for a backend's identity in the maps: stable over restarts and versions.
std::array<uint8_t, 16> BackendUid(const std::string& identity);

// Builds the ring of a service: slots holding positions in `backends` (only those with state active and weight > 0).
// Given from outside so that the model does not depend on the schedulers. Empty ring: no eligible backend.
using RingBuilder = std::function<std::vector<uint32_t>(const Service& service)>;

// Owns the ids: which service and which backend has which, which ring region is in use and which waits out its grace
// period. Single-threaded. Sole writer of services, backends, ring, addrs and node.
class Reconciler {
 public:
  // `store` and `clock` must outlive it.
  Reconciler(MapStore* store, const Clock* clock, RingBuilder ring_builder, Limits limits = {});

  // Reads the maps and takes over the ids in them. First call; again to recover from a failed Apply.
  absl::Status Load();

  // The writes that lead from what the maps hold to `desired`. Refuses (ResourceExhausted), before anything is written,
  // what does not fit the limits. Changes nothing.
  absl::StatusOr<Plan> MakePlan(const DesiredState& desired) const;

  // Makes the plan and writes it. On an error some writes may have been done; every prefix of a plan is safe for
  // packets, and the next call starts from what was written.
  absl::StatusOr<Plan> Apply(const DesiredState& desired);

  // Raises the epoch: every flow resolves its next hop again. For changed routes and neighbours.
  absl::Status BumpEpoch();

  // For views: 0 when unknown.
  uint32_t ServiceId(const Frontend& frontend) const;
  uint32_t BackendId(const std::string& identity) const;
  const MapContents& contents() const { return contents_; }

 private:
  // Left to the implementation.
  MapStore* store_;
  const Clock* clock_;
  RingBuilder ring_builder_;
  Limits limits_;
  MapContents contents_;
};

}  // namespace xlb

#endif  // XLB_MODEL_RECONCILER_H_
