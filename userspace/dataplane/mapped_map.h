// An array map's values in this process's memory, shared with the programs (BPF_F_MMAPABLE).
#ifndef XLB_DATAPLANE_MAPPED_MAP_H_
#define XLB_DATAPLANE_MAPPED_MAP_H_

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace xlb {

// Unmaps itself; the map need not stay open. Any thread, by the rules of what is in the map.
template <typename T>
class MappedMap {
 public:
  // `values`: how many, each of which must be a multiple of 8 bytes in size unless T is a part of one.
  static absl::StatusOr<MappedMap> Open(int fd, std::string_view name, size_t values);
  MappedMap(MappedMap&& other) noexcept : values_(std::exchange(other.values_, {})) {}
  MappedMap& operator=(MappedMap&&) = delete;
  ~MappedMap();

  std::span<T> values() const { return values_; }

 private:
  explicit MappedMap(std::span<T> values) : values_(values) {}
  std::span<T> values_;
};

namespace internal {
absl::StatusOr<void*> MapMemory(int fd, std::string_view name, size_t bytes);
void UnmapMemory(void* memory, size_t bytes);
}  // namespace internal

template <typename T>
absl::StatusOr<MappedMap<T>> MappedMap<T>::Open(int fd, std::string_view name, size_t values) {
  XLB_ASSIGN_OR_RETURN(void* const memory, internal::MapMemory(fd, name, values * sizeof(T)));
  return MappedMap(std::span(static_cast<T*>(memory), values));
}

template <typename T>
MappedMap<T>::~MappedMap() {
  if (!values_.empty()) internal::UnmapMemory(values_.data(), values_.size_bytes());
}

}  // namespace xlb

#endif  // XLB_DATAPLANE_MAPPED_MAP_H_
