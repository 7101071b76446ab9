// Which slots of the one ring array are free.
#ifndef XLB_MODEL_RING_ALLOCATOR_H_
#define XLB_MODEL_RING_ALLOCATOR_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "base/clock.h"

namespace xlb {

// A program that read a service record just before it was swapped still reads the old region. It is done within
// microseconds; this is that with much room to spare.
inline constexpr std::chrono::seconds kRingGrace{2};

// First fit over free regions, neighbours joined. A value: a plan works on a copy.
class RingAllocator {
 public:
  explicit RingAllocator(uint32_t slots);

  // The lowest free region that is large enough, now taken. `length` > 0.
  std::optional<uint32_t> Allocate(uint32_t length);
  // Takes a given region. False, and nothing taken, when it is not free as a whole.
  bool Reserve(uint32_t offset, uint32_t length);
  // Gives a region back; it is free again once `now` has passed by kRingGrace and Reclaim was called.
  void Release(uint32_t offset, uint32_t length, Clock::Time now);
  void Reclaim(Clock::Time now);
  // Takes over the regions that still wait in `previous`, an allocator of the same array, where they are free here.
  void InheritWaiting(const RingAllocator& previous);

  uint32_t free_slots() const { return free_slots_; }
  uint32_t waiting_slots() const { return waiting_slots_; }
  uint32_t largest_free_region() const;

 private:
  struct Waiting {
    uint32_t offset;
    uint32_t length;
    Clock::Time ready;
  };
  void AddFree(uint32_t offset, uint32_t length);
  void TakeFrom(std::map<uint32_t, uint32_t>::iterator region, uint32_t offset, uint32_t length);

  std::map<uint32_t, uint32_t> free_;  // offset -> length
  std::deque<Waiting> waiting_;        // in order of `ready`
  uint32_t free_slots_ = 0;
  uint32_t waiting_slots_ = 0;
};

}  // namespace xlb

#endif  // XLB_MODEL_RING_ALLOCATOR_H_
