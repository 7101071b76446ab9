// The maps that the plan reads and writes, as an interface: the kernel's behind it in xlbd, memory behind it in tests.
#ifndef XLB_MODEL_MAP_STORE_H_
#define XLB_MODEL_MAP_STORE_H_

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "base/status.h"
#include "model/source_list.h"
#include "xlb/abi.h"

namespace xlb {

struct ServiceKeyLess {
  bool operator()(const xlb_service_key& a, const xlb_service_key& b) const;
};

// What the maps hold now. Backends: slots with state GONE are left out of `backends`, but `generations` has every slot
// that was ever used, so that an id given out again gets a new generation.
struct MapContents {
  xlb_node node{};
  std::map<xlb_service_key, xlb_service, ServiceKeyLess> services;
  std::map<uint32_t, xlb_backend> backends;
  std::map<uint32_t, uint32_t> generations;
  std::set<uint32_t> addresses;               // network byte order
  std::map<uint32_t, SourceEntries> sources;  // by list; empty lists are left out
};

// Every call writes at once. Errors name the map. Not thread safe.
class MapStore {
 public:
  virtual ~MapStore() = default;
  virtual absl::StatusOr<MapContents> ReadAll() = 0;
  virtual absl::StatusOr<std::vector<uint32_t>> ReadRing(uint32_t offset, uint32_t length) = 0;
  virtual absl::Status WriteNode(const xlb_node& node) = 0;
  virtual absl::Status WriteBackend(uint32_t id, const xlb_backend& backend) = 0;
  virtual absl::Status ResetBackendStats(uint32_t id) = 0;
  virtual absl::Status ResetServiceStats(uint32_t id) = 0;
  virtual absl::Status WriteRing(uint32_t offset, std::span<const uint32_t> backend_ids) = 0;
  virtual absl::Status WriteService(const xlb_service_key& key, const xlb_service& service) = 0;
  virtual absl::Status RemoveService(const xlb_service_key& key) = 0;
  virtual absl::Status AddAddress(uint32_t address_be) = 0;
  virtual absl::Status RemoveAddress(uint32_t address_be) = 0;
  virtual absl::Status WriteSource(const xlb_source_key& key, SourceVerdicts verdicts) = 0;
  virtual absl::Status RemoveSource(const xlb_source_key& key) = 0;
};

}  // namespace xlb

#endif  // XLB_MODEL_MAP_STORE_H_
