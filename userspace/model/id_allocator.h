// Ids of services or backends: which are free, and which of them to give out next.
#ifndef XLB_MODEL_ID_ALLOCATOR_H_
#define XLB_MODEL_ID_ALLOCATOR_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>

namespace xlb {

// Gives out the id that has been free the longest, and those never used before all others: the later an id comes back,
// the less is left that remembers its last owner (flows, a packet between two lookups).
class IdAllocator {
 public:
  // Ids 1 .. limit-1, all free.
  explicit IdAllocator(uint32_t limit) : IdAllocator(limit, {}, {}) {}
  // Ids in `used` are taken; those in `retired` but not in `used` were in use once.
  IdAllocator(uint32_t limit, const std::set<uint32_t>& used, const std::set<uint32_t>& retired);

  // The id that the (n+1)th Take from now should take; 0: there are not so many. Lets a plan use ids before they are
  // taken.
  uint32_t Peek(size_t n) const { return n < free_.size() ? free_[n] : 0; }
  void Take(uint32_t id);
  void Release(uint32_t id) { free_.push_back(id); }

 private:
  std::deque<uint32_t> free_;
};

}  // namespace xlb

#endif  // XLB_MODEL_ID_ALLOCATOR_H_
