// Maps that keep nothing and count the writes, so that only the reconciler's own time is measured.
#ifndef XLB_TESTS_SUPPORT_NULL_MAP_STORE_H_
#define XLB_TESTS_SUPPORT_NULL_MAP_STORE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/map_store.h"

namespace xlb {

class NullMapStore : public MapStore {
 public:
  absl::StatusOr<MapContents> ReadAll() override { return MapContents{}; }
  absl::StatusOr<std::vector<uint32_t>> ReadRing(uint32_t, uint32_t) override { return std::vector<uint32_t>{}; }
  absl::Status WriteNode(const xlb_node&) override { return Count(); }
  absl::Status WriteBackend(uint32_t, const xlb_backend&) override { return Count(); }
  absl::Status ResetBackendStats(uint32_t) override { return Count(); }
  absl::Status ResetServiceStats(uint32_t) override { return Count(); }
  absl::Status WriteRing(uint32_t, std::span<const uint32_t>) override { return Count(); }
  absl::Status WriteService(const xlb_service_key&, const xlb_service&) override { return Count(); }
  absl::Status RemoveService(const xlb_service_key&) override { return Count(); }
  absl::Status AddAddress(uint32_t) override { return Count(); }
  absl::Status RemoveAddress(uint32_t) override { return Count(); }
  absl::Status WriteSource(const xlb_source_key&, SourceVerdicts) override { return Count(); }
  absl::Status RemoveSource(const xlb_source_key&) override { return Count(); }
  size_t writes = 0;

 private:
  absl::Status Count() {
    ++writes;
    return absl::OkStatus();
  }
};

}  // namespace xlb

#endif  // XLB_TESTS_SUPPORT_NULL_MAP_STORE_H_
