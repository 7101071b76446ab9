#include "dataplane/mapped_map.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <cerrno>

namespace xlb::internal {

absl::StatusOr<void*> MapMemory(int fd, std::string_view name, size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, fmt::format("cannot map the map {} into memory", name));
  return memory;
}

void UnmapMemory(void* memory, size_t bytes) { munmap(memory, bytes); }

}  // namespace xlb::internal
