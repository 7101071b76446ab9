// Between the model's values and the records in the maps (xlb/abi.h).
#ifndef XLB_MODEL_RECORDS_H_
#define XLB_MODEL_RECORDS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>

#include "model/desired_state.h"
#include "model/service.h"
#include "xlb/abi.h"

namespace xlb {

using Uid = std::array<uint8_t, 16>;

struct UidHash {
  size_t operator()(const Uid& uid) const;
};

// 16 bytes that stand for a backend's identity in the maps: stable over restarts and versions.
Uid BackendUid(const std::string& identity);
Uid UidOf(const xlb_backend& record);

xlb_service_key ServiceKey(const Frontend& frontend);
Frontend FrontendOf(const xlb_service_key& key);
xlb_backend BackendRecord(const Backend& backend, const Uid& uid, uint32_t generation, uint32_t service_id);
// What a free slot holds: nothing but the generation that its last backend had.
xlb_backend GoneRecord(uint32_t generation);
// Id and ring are not set.
xlb_service ServiceRecord(const Service& service, uint16_t source_list);
xlb_source_key SourceKey(uint32_t list, const Ipv4Prefix& prefix);
Ipv4Prefix PrefixOf(const xlb_source_key& key);
std::set<Ipv4Prefix> TaskNetworksOf(const xlb_node& node);
xlb_node NodeRecord(const NodeFacts& facts, uint32_t epoch);

xlb_flow_key FlowKey(uint8_t protocol, Endpoint source, Endpoint destination, xlb_zone zone);

// The records have no unnamed padding, so bytes say all.
template <typename Record>
bool SameRecord(const Record& a, const Record& b) {
  return std::memcmp(&a, &b, sizeof(Record)) == 0;
}

// Whether flows that go to this backend must find their way anew: it is reached differently, or no longer, or it drains
// and they are UDP, whose datagrams can go to another one.
bool FlowsMustLookAgain(const xlb_backend& before, const xlb_backend& after, Protocol protocol);

// The same of the service's own record; `before` null: there was none, and flows of a wider service may live there.
bool FlowsMustLookAgain(const xlb_service* before, const xlb_service& after);

// Counts up for epochs and generations, for which 0 means "never".
uint32_t NextNonZero(uint32_t value);

}  // namespace xlb

#endif  // XLB_MODEL_RECORDS_H_
