#include "dataplane/kernel_map_store.h"

#include <fmt/core.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "dataplane/batch.h"
#include "model/records.h"

namespace xlb {
namespace {

template <typename K, typename V>
absl::Status Update(int fd, const char* map, const K& key, const V& value) {
  if (bpf_map_update_elem(fd, &key, &value, BPF_ANY) == 0) return absl::OkStatus();
  if (errno == E2BIG || errno == ENOSPC) return absl::ResourceExhaustedError(fmt::format("the map {} is full", map));
  return ErrnoStatus(errno, fmt::format("cannot write the map {}", map));
}

template <typename K>
absl::Status Delete(int fd, const char* map, const K& key) {
  if (bpf_map_delete_elem(fd, &key) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(errno, fmt::format("cannot remove an entry of the map {}", map));
}

absl::Status CheckRingRange(uint32_t offset, size_t length) {
  if (offset <= XLB_RING_SLOTS && length <= XLB_RING_SLOTS - offset) return absl::OkStatus();
  return absl::OutOfRangeError(fmt::format("ring slots {}+{} are outside the map ring", offset, length));
}

}  // namespace

absl::StatusOr<std::unique_ptr<KernelMapStore>> KernelMapStore::Open(const MapFds& fds,
                                                                     const xlb_flow_config& flow_table) {
  XLB_ASSIGN_OR_RETURN(auto ring, MappedMap<uint32_t>::Open(fds.ring, "ring", XLB_RING_SLOTS));
  XLB_ASSIGN_OR_RETURN(auto shortcuts, MappedMap<xlb_shortcuts>::Open(fds.shortcuts, "shortcuts", 1));
  return std::unique_ptr<KernelMapStore>(new KernelMapStore(fds, flow_table, std::move(ring), std::move(shortcuts)));
}

KernelMapStore::KernelMapStore(const MapFds& fds, const xlb_flow_config& flow_table, MappedMap<uint32_t> ring,
                               MappedMap<xlb_shortcuts> shortcuts)
    : fds_(fds),
      flow_table_(flow_table),
      ring_(std::move(ring)),
      shortcuts_map_(std::move(shortcuts)),
      shortcuts_(shortcuts_map_.values().data()) {}

absl::StatusOr<MapContents> KernelMapStore::ReadAll() {
  MapContents contents;
  const uint32_t zero = 0;
  if (bpf_map_lookup_elem(fds_.node, &zero, &contents.node) != 0)
    return ErrnoStatus(errno, "cannot read the map this_node");
  contents.node.flow_table = {};
  XLB_RETURN_IF_ERROR((ForEachEntry<xlb_service_key, xlb_service>(
      fds_.services, "services",
      [&](const xlb_service_key& key, const xlb_service& service) { contents.services.emplace(key, service); })));
  XLB_RETURN_IF_ERROR(
      (ForEachEntry<uint32_t, xlb_backend>(fds_.backends, "backends", [&](uint32_t id, const xlb_backend& backend) {
        if (backend.generation != 0) contents.generations.emplace(id, backend.generation);
        if (backend.state != XLB_BACKEND_GONE) contents.backends.emplace(id, backend);
      })));
  XLB_RETURN_IF_ERROR((ForEachEntry<uint32_t, uint8_t>(
      fds_.addrs, "addrs", [&](uint32_t address, uint8_t) { contents.addresses.insert(address); })));
  XLB_ASSIGN_OR_RETURN(contents.sources, ReadSources());
  shortcuts_.Reset(contents);  // the one map that follows from others
  return contents;
}

// Entry by entry: a trie is read once in a process's life, and not every kernel reads one in batches.
absl::StatusOr<std::map<uint32_t, SourceEntries>> KernelMapStore::ReadSources() const {
  std::map<uint32_t, SourceEntries> lists;
  xlb_source_key key{}, next{};
  const xlb_source_key* last = nullptr;
  while (bpf_map_get_next_key(fds_.sources, last, &next) == 0) {
    key = next;
    last = &key;
    SourceVerdicts verdicts = 0;
    if (bpf_map_lookup_elem(fds_.sources, &key, &verdicts) != 0) break;
    lists[key.list][PrefixOf(key)] = verdicts;
  }
  if (errno != ENOENT) return ErrnoStatus(errno, "cannot read the map sources");
  return lists;
}

absl::StatusOr<std::vector<uint32_t>> KernelMapStore::ReadRing(uint32_t offset, uint32_t length) {
  XLB_RETURN_IF_ERROR(CheckRingRange(offset, length));
  const auto slots = ring_.values().subspan(offset, length);
  return std::vector<uint32_t>(slots.begin(), slots.end());
}

absl::Status KernelMapStore::WriteNode(const xlb_node& node) {
  xlb_node record = node;
  record.flow_table = flow_table_;
  return Update(fds_.node, "this_node", uint32_t{0}, record);
}

absl::Status KernelMapStore::WriteBackend(uint32_t id, const xlb_backend& backend) {
  return Update(fds_.backends, "backends", id, backend);
}

absl::Status KernelMapStore::ResetBackendStats(uint32_t id) {
  return ResetStats(fds_.backend_stats, "backend_stats", id);
}

absl::Status KernelMapStore::ResetServiceStats(uint32_t id) {
  return ResetStats(fds_.service_stats, "service_stats", id);
}

absl::Status KernelMapStore::ResetStats(int fd, const char* name, uint32_t id) {
  const std::vector<xlb_stats> zeros(static_cast<size_t>(libbpf_num_possible_cpus()));
  if (bpf_map_update_elem(fd, &id, zeros.data(), BPF_ANY) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, fmt::format("cannot write the map {}", name));
}

absl::Status KernelMapStore::WriteRing(uint32_t offset, std::span<const uint32_t> backend_ids) {
  XLB_RETURN_IF_ERROR(CheckRingRange(offset, backend_ids.size()));
  std::copy(backend_ids.begin(), backend_ids.end(), ring_.values().begin() + offset);
  return absl::OkStatus();
}

absl::Status KernelMapStore::WriteService(const xlb_service_key& key, const xlb_service& service) {
  shortcuts_.BeforeServiceIsAdded(key);
  return Update(fds_.services, "services", key, service);
}

absl::Status KernelMapStore::RemoveService(const xlb_service_key& key) {
  XLB_RETURN_IF_ERROR(Delete(fds_.services, "services", key));
  shortcuts_.AfterServiceIsRemoved(key);
  return absl::OkStatus();
}

absl::Status KernelMapStore::AddAddress(uint32_t address_be) {
  XLB_RETURN_IF_ERROR(Update(fds_.addrs, "addrs", address_be, uint8_t{1}));
  shortcuts_.AfterAddressIsAdded(address_be);
  return absl::OkStatus();
}

absl::Status KernelMapStore::RemoveAddress(uint32_t address_be) {
  shortcuts_.BeforeAddressIsRemoved(address_be);
  return Delete(fds_.addrs, "addrs", address_be);
}

absl::Status KernelMapStore::WriteSource(const xlb_source_key& key, SourceVerdicts verdicts) {
  return Update(fds_.sources, "sources", key, verdicts);
}

absl::Status KernelMapStore::RemoveSource(const xlb_source_key& key) { return Delete(fds_.sources, "sources", key); }

}  // namespace xlb
