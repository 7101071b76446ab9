#include "model/ring_allocator.h"

#include <algorithm>
#include <iterator>

namespace xlb {

RingAllocator::RingAllocator(uint32_t slots) { AddFree(0, slots); }

std::optional<uint32_t> RingAllocator::Allocate(uint32_t length) {
  const auto region = std::find_if(free_.begin(), free_.end(), [&](const auto& r) { return r.second >= length; });
  if (region == free_.end()) return std::nullopt;
  const uint32_t offset = region->first;
  TakeFrom(region, offset, length);
  return offset;
}

bool RingAllocator::Reserve(uint32_t offset, uint32_t length) {
  auto region = free_.upper_bound(offset);
  if (region == free_.begin()) return false;
  --region;
  const uint64_t region_end = uint64_t{region->first} + region->second;
  if (uint64_t{offset} + length > region_end) return false;
  TakeFrom(region, offset, length);
  return true;
}

void RingAllocator::Release(uint32_t offset, uint32_t length, Clock::Time now) {
  if (length == 0) return;
  waiting_.push_back({offset, length, now + kRingGrace});
  waiting_slots_ += length;
}

void RingAllocator::Reclaim(Clock::Time now) {
  while (!waiting_.empty() && waiting_.front().ready <= now) {
    AddFree(waiting_.front().offset, waiting_.front().length);
    waiting_slots_ -= waiting_.front().length;
    waiting_.pop_front();
  }
}

void RingAllocator::InheritWaiting(const RingAllocator& previous) {
  for (const Waiting& region : previous.waiting_) {
    if (!Reserve(region.offset, region.length)) continue;
    waiting_.push_back(region);
    waiting_slots_ += region.length;
  }
}

uint32_t RingAllocator::largest_free_region() const {
  uint32_t largest = 0;
  for (const auto& [offset, length] : free_) largest = std::max(largest, length);
  return largest;
}

void RingAllocator::AddFree(uint32_t offset, uint32_t length) {
  if (length == 0) return;
  free_slots_ += length;
  auto after = free_.lower_bound(offset);
  if (after != free_.end() && offset + length == after->first) {
    length += after->second;
    after = free_.erase(after);
  }
  if (after != free_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == offset) {
      before->second += length;
      return;
    }
  }
  free_.emplace(offset, length);
}

void RingAllocator::TakeFrom(std::map<uint32_t, uint32_t>::iterator region, uint32_t offset, uint32_t length) {
  const auto [start, size] = *region;
  free_.erase(region);
  free_slots_ -= length;
  if (offset > start) free_.emplace(start, offset - start);
  if (start + size > offset + length) free_.emplace(offset + length, start + size - offset - length);
}

}  // namespace xlb
