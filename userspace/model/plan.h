// A plan: the ordered map writes that turn what the maps hold into what is desired.
#ifndef XLB_MODEL_PLAN_H_
#define XLB_MODEL_PLAN_H_

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
};

// One write. The order of a plan: the node record if the maps never had one; node facts that only add (addresses);
// backends (new and changed), rings, services, removed services, removed backends, removed addresses; then the node
// record with a raised epoch, last, if any flow has to look again (a backend changed its reach, went down or was
// removed, or the node's facts changed).
//
// Where old and new do not fit the maps side by side, a plan is two such sequences: the first takes away what is not
// wanted any more, the second adds.
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

}  // namespace xlb

#endif  // XLB_MODEL_PLAN_H_
