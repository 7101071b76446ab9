// The reconciler's maps in the kernel.
#ifndef XLB_DATAPLANE_KERNEL_MAP_STORE_H_
#define XLB_DATAPLANE_KERNEL_MAP_STORE_H_

#include <memory>
#include <span>
#include <vector>

#include "dataplane/map_fds.h"
#include "dataplane/mapped_map.h"
#include "dataplane/shortcuts.h"
#include "model/map_store.h"

namespace xlb {

class KernelMapStore : public MapStore {
 public:
  // `flow_table`: what every node record gets; the table is the data path's, and no part of what is wished for.
  static absl::StatusOr<std::unique_ptr<KernelMapStore>> Open(const MapFds& fds, const xlb_flow_config& flow_table);

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
  absl::Status WriteSource(const xlb_source_key& key, SourceVerdicts verdicts) override;
  absl::Status RemoveSource(const xlb_source_key& key) override;

 private:
  KernelMapStore(const MapFds& fds, const xlb_flow_config& flow_table, MappedMap<uint32_t> ring,
                 MappedMap<xlb_shortcuts> shortcuts);
  absl::StatusOr<std::map<uint32_t, SourceEntries>> ReadSources() const;
  absl::Status ResetStats(int fd, const char* name, uint32_t id);
  MapFds fds_;
  xlb_flow_config flow_table_;
  MappedMap<uint32_t> ring_;
  MappedMap<xlb_shortcuts> shortcuts_map_;
  Shortcuts shortcuts_;
};

}  // namespace xlb

#endif  // XLB_DATAPLANE_KERNEL_MAP_STORE_H_
