#include "model/id_allocator.h"

#include <algorithm>

namespace xlb {

IdAllocator::IdAllocator(uint32_t limit, const std::set<uint32_t>& used, const std::set<uint32_t>& retired) {
  for (uint32_t id = 1; id < limit; ++id) {
    if (!used.contains(id) && !retired.contains(id)) free_.push_back(id);
  }
  for (const uint32_t id : retired) {
    if (id != 0 && id < limit && !used.contains(id)) free_.push_back(id);
  }
}

void IdAllocator::Take(uint32_t id) {
  // Ids are taken in the order of Peek: all but always it is the first.
  const auto found = std::find(free_.begin(), free_.end(), id);
  if (found != free_.end()) free_.erase(found);
}

}  // namespace xlb
