#include "netlink/known_neighbors.h"

#include <gtest/gtest.h>
#include <linux/neighbour.h>

namespace xlb {
namespace {

constexpr Mac kFirst{{2, 0, 0, 0, 0, 1}};
constexpr Mac kSecond{{2, 0, 0, 0, 0, 2}};

Neighbor Make(uint32_t ifindex, Mac mac, uint16_t state) {
  return Neighbor{ifindex, *Ipv4::Parse("192.0.2.1"), mac, state};
}

class KnownNeighborsTest : public ::testing::Test {
 protected:
  KnownNeighborsTest() { known_.Reset({Make(2, kFirst, NUD_REACHABLE)}); }
  KnownNeighbors known_;
};

TEST_F(KnownNeighborsTest, ARefreshIsNoNews) {
  for (const uint16_t state : {NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_REACHABLE, NUD_PERMANENT}) {
    EXPECT_FALSE(known_.Update(Make(2, kFirst, state), false)) << state;
  }
}

TEST_F(KnownNeighborsTest, AnotherAddressIs) {
  EXPECT_TRUE(known_.Update(Make(2, kSecond, NUD_REACHABLE), false));
  EXPECT_FALSE(known_.Update(Make(2, kSecond, NUD_STALE), false));
}

TEST_F(KnownNeighborsTest, FailureIsToldOnce) {
  EXPECT_TRUE(known_.Update(Make(2, kFirst, NUD_FAILED), false));
  EXPECT_FALSE(known_.Update(Make(2, Mac{}, NUD_FAILED), false));
  EXPECT_FALSE(known_.Update(Make(2, kFirst, NUD_REACHABLE), false));
}

TEST_F(KnownNeighborsTest, DeletionIsToldOnce) {
  EXPECT_TRUE(known_.Update(Make(2, kFirst, NUD_STALE), true));
  EXPECT_FALSE(known_.Update(Make(2, kFirst, NUD_STALE), true));
}

TEST_F(KnownNeighborsTest, OneThatWasNeverKnownIsNoNews) {
  EXPECT_FALSE(known_.Update(Make(3, kFirst, NUD_REACHABLE), false));
  EXPECT_FALSE(known_.Update(Make(4, Mac{}, NUD_INCOMPLETE), false));
  EXPECT_FALSE(known_.Update(Make(5, Mac{}, NUD_FAILED), false));
  // The same address on another device is another neighbour.
  EXPECT_TRUE(known_.Update(Make(3, kSecond, NUD_REACHABLE), false));
  EXPECT_FALSE(known_.Update(Make(2, kFirst, NUD_REACHABLE), false));
}

}  // namespace
}  // namespace xlb
