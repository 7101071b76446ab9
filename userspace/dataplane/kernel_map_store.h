// The reconciler's maps in the kernel.
#ifndef XLB_DATAPLANE_KERNEL_MAP_STORE_H_
#define XLB_DATAPLANE_KERNEL_MAP_STORE_H_

#include <memory>
#include <span>
#include <vector>

#include "model/map_store.h"

namespace xlb {

// Descriptors of the loaded maps. Owned by the loaded programs, which must outlive all who hold this.
struct MapFds {
  int node = -1, addrs = -1, uplinks = -1, services = -1, service_state = -1, backends = -1, ring = -1, flows = -1;
  int counters = -1, drops = -1, service_stats = -1, backend_stats = -1;
};

class KernelMapStore : public MapStore {
 public:
  static absl::StatusOr<std::unique_ptr<KernelMapStore>> Open(const MapFds& fds);
  ~KernelMapStore() override;

  absl::StatusOr<MapContents> ReadAll() override;
  absl::StatusOr<std::vector<uint32_t>> ReadRing(uint32_t offset, uint32_t length) override;
  absl::Status WriteNode(const xlb_node& node) override;
  absl::Status WriteBackend(uint32_t id, const xlb_backend& backend) override;
  absl::Status ResetBackendStats(uint32_t id) override;
  absl::Status ResetServiceStats(uint32_t id) override;
  absl::Status WriteRing(uint32_t offset, std::span<const uint32_t> backend_ids) override;
  absl::Status WriteService(const xlb_service_key& key, const xlb_service& service) override;
  absl::Status RemoveService(const xlb_service_key& key) override;
  absl::Status AddAddress(uint32_t address_be) override;
  absl::Status RemoveAddress(uint32_t address_be) override;

 private:
  KernelMapStore(const MapFds& fds, std::span<uint32_t> ring) : fds_(fds), ring_(ring) {}
  absl::Status ResetStats(int fd, const char* name, uint32_t id);
  MapFds fds_;
  std::span<uint32_t> ring_;  // the map itself, mapped
};

}  // namespace xlb

#endif  // XLB_DATAPLANE_KERNEL_MAP_STORE_H_
