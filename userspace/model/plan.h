// A plan: the ordered map writes that turn what the maps hold into what is desired.
#ifndef XLB_MODEL_PLAN_H_
#define XLB_MODEL_PLAN_H_

#include <algorithm>
#include <cstdint>
#include <variant>
#include <vector>

#include "xlb/abi.h"

namespace xlb {

struct Limits {
  uint32_t services = XLB_MAX_SERVICES;  // ids 1 .. services-1
  uint32_t backends = XLB_MAX_BACKENDS;  // ids 1 .. backends-1
  uint32_t ring_slots = XLB_RING_SLOTS;
  uint32_t addresses = XLB_MAX_ADDRS;
  uint32_t sources = XLB_MAX_SOURCES;  // prefixes of all lists, old and new ones
};

// One write. The order of a plan: the node record if the maps never had one; new lists of sources; backends (new and
// changed), rings, services, removed services, removed backends; addresses (new ones after the services that are closed
// at them); removed addresses, lists of sources that no service names any more; then the node record with a raised
// epoch, last, if any flow has to look again (a backend changed its reach, went down or was removed, one of
// UDP drains, a list of sources changed, or the node's facts changed).
//
// Where old and new do not fit the maps side by side, a plan is two such sequences: the first takes away what is not
// wanted any more, the second adds.
struct WriteBackendOp {
  uint32_t id;
  xlb_backend backend;
  bool reset_stats;
  bool flows_must_look_again;  // the epoch has to be raised after it
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
struct WriteSourceOp {
  xlb_source_key key;
  uint32_t verdicts;
};
struct RemoveSourceOp {
  xlb_source_key key;
};
using MapWrite = std::variant<WriteBackendOp, WriteRingOp, WriteServiceOp, RemoveServiceOp, AddAddressOp,
                              RemoveAddressOp, WriteNodeOp, WriteSourceOp, RemoveSourceOp>;

struct Plan {
  std::vector<MapWrite> writes;
  bool empty() const { return writes.empty(); }
};

// Does a backend go down or away, so that its flows end?
inline bool EndsBackends(const Plan& plan) {
  return std::any_of(plan.writes.begin(), plan.writes.end(), [](const MapWrite& write) {
    const auto* op = std::get_if<WriteBackendOp>(&write);
    return op != nullptr && (op->backend.state == XLB_BACKEND_GONE || op->backend.state == XLB_BACKEND_DOWN);
  });
}

}  // namespace xlb

#endif  // XLB_MODEL_PLAN_H_
