#include <gtest/gtest.h>

#include <random>

#include "model/id_allocator.h"
#include "model/ring_allocator.h"

namespace xlb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(IdAllocatorTest, GivesEveryIdButZeroAndThenNone) {
  const IdAllocator ids(4);
  EXPECT_EQ(ids.Peek(0), 1u);
  EXPECT_EQ(ids.Peek(2), 3u);
  EXPECT_EQ(ids.Peek(3), 0u);
}

TEST(IdAllocatorTest, TheLongestFreeComesBackFirst) {
  IdAllocator ids(5);
  for (uint32_t id = 1; id <= 4; ++id) ids.Take(ids.Peek(0));
  EXPECT_EQ(ids.Peek(0), 0u);
  ids.Release(3);
  ids.Release(1);
  EXPECT_EQ(ids.Peek(0), 3u);
  EXPECT_EQ(ids.Peek(1), 1u);
  ids.Take(1);
  EXPECT_EQ(ids.Peek(0), 3u);
  EXPECT_EQ(ids.Peek(1), 0u);
}

TEST(IdAllocatorTest, NeverUsedIdsComeBeforeRetiredOnes) {
  const IdAllocator ids(6, {2, 3}, {1, 2, 77});
  EXPECT_EQ(ids.Peek(0), 4u);
  EXPECT_EQ(ids.Peek(1), 5u);
  EXPECT_EQ(ids.Peek(2), 1u);
  EXPECT_EQ(ids.Peek(3), 0u);
}

class RingAllocatorTest : public testing::Test {
 protected:
  RingAllocator regions_{100};
  FakeClock clock_;
};

TEST_F(RingAllocatorTest, FirstFit) {
  EXPECT_EQ(regions_.Allocate(60), 0u);
  EXPECT_EQ(regions_.Allocate(41), std::nullopt);
  EXPECT_EQ(regions_.Allocate(40), 60u);
  EXPECT_EQ(regions_.Allocate(1), std::nullopt);
}

TEST_F(RingAllocatorTest, AReleasedRegionWaitsOutItsGracePeriod) {
  ASSERT_EQ(regions_.Allocate(100), 0u);
  regions_.Release(10, 20, clock_.Now());
  EXPECT_EQ(regions_.waiting_slots(), 20u);
  clock_.Advance(kRingGrace - milliseconds(1));
  regions_.Reclaim(clock_.Now());
  EXPECT_EQ(regions_.Allocate(1), std::nullopt);
  clock_.Advance(milliseconds(1));
  regions_.Reclaim(clock_.Now());
  EXPECT_EQ(regions_.waiting_slots(), 0u);
  EXPECT_EQ(regions_.Allocate(20), 10u);
}

TEST_F(RingAllocatorTest, NeighboursAreJoinedWhateverTheOrder) {
  const uint32_t kOrders[][3] = {{0, 30, 60}, {60, 30, 0}, {0, 60, 30}, {30, 0, 60}};
  for (const auto& order : kOrders) {
    RingAllocator regions(90);
    ASSERT_EQ(regions.Allocate(90), 0u);
    for (const uint32_t offset : order) regions.Release(offset, 30, clock_.Now());
    regions.Reclaim(clock_.Now() + seconds(2));
    EXPECT_EQ(regions.largest_free_region(), 90u);
    EXPECT_EQ(regions.free_slots(), 90u);
  }
}

TEST_F(RingAllocatorTest, ReserveTakesOnlyWhatIsFreeAsAWhole) {
  EXPECT_TRUE(regions_.Reserve(40, 20));
  EXPECT_FALSE(regions_.Reserve(40, 1));
  EXPECT_FALSE(regions_.Reserve(59, 2));
  EXPECT_FALSE(regions_.Reserve(39, 2));
  EXPECT_FALSE(regions_.Reserve(90, 11));
  EXPECT_FALSE(regions_.Reserve(UINT32_MAX, 2));
  EXPECT_EQ(regions_.free_slots(), 80u);
  EXPECT_TRUE(regions_.Reserve(0, 40));
  EXPECT_TRUE(regions_.Reserve(60, 40));
  EXPECT_EQ(regions_.free_slots(), 0u);
}

TEST_F(RingAllocatorTest, InheritsWhatStillWaits) {
  RingAllocator previous(100);
  ASSERT_EQ(previous.Allocate(50), 0u);
  previous.Release(0, 10, clock_.Now());
  previous.Release(20, 10, clock_.Now());
  ASSERT_TRUE(regions_.Reserve(20, 10)) << "in use again, so it does not wait";
  regions_.InheritWaiting(previous);
  EXPECT_EQ(regions_.waiting_slots(), 10u);
  EXPECT_EQ(regions_.Allocate(15), 30u);
  regions_.Reclaim(clock_.Now() + seconds(2));
  EXPECT_EQ(regions_.Allocate(15), 0u);
}

// Against a plain array of slots: no slot is ever given twice, and none is lost.
TEST_F(RingAllocatorTest, RandomUseNeverGivesASlotTwice) {
  std::mt19937 random(1);
  enum Slot { kFree, kTaken, kWaiting };
  std::vector<Slot> slots(100, kFree);
  struct Region {
    uint32_t offset, length;
    Clock::Time ready;
  };
  std::vector<Region> taken, waiting;
  for (int step = 0; step < 20000; ++step) {
    const auto length = static_cast<uint32_t>(1 + random() % 20);
    if (random() % 2 == 0) {
      if (const auto offset = regions_.Allocate(length)) {
        for (uint32_t i = *offset; i < *offset + length; ++i) ASSERT_EQ(std::exchange(slots.at(i), kTaken), kFree);
        taken.push_back({*offset, length, {}});
      } else {
        const auto fits = std::search_n(slots.begin(), slots.end(), length, kFree);
        ASSERT_EQ(fits, slots.end()) << "refused although there is room";
      }
    } else if (!taken.empty()) {
      std::swap(taken[random() % taken.size()], taken.back());
      const Region region = taken.back();
      taken.pop_back();
      regions_.Release(region.offset, region.length, clock_.Now());
      std::fill_n(slots.begin() + region.offset, region.length, kWaiting);
      waiting.push_back({region.offset, region.length, clock_.Now() + kRingGrace});
    }
    clock_.Advance(milliseconds(random() % 500));
    regions_.Reclaim(clock_.Now());
    std::erase_if(waiting, [&](const Region& region) {
      if (region.ready > clock_.Now()) return false;
      std::fill_n(slots.begin() + region.offset, region.length, kFree);
      return true;
    });
    ASSERT_EQ(regions_.free_slots(), static_cast<uint32_t>(std::count(slots.begin(), slots.end(), kFree)));
  }
}

}  // namespace
}  // namespace xlb
