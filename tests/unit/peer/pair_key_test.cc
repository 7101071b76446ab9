#include "peer/pair_key.h"

#include <gtest/gtest.h>

namespace xlb {
namespace {

const Ipv4 kOne = *Ipv4::Parse("192.0.2.11"), kOther = *Ipv4::Parse("192.0.2.12"), kThird = *Ipv4::Parse("192.0.2.13");

TEST(PairKeyTest, IsTheSameAtBothEnds) {
  const std::string secret = TunnelSecret("cluster", "SWMTKN-1-x");
  EXPECT_EQ(secret.size(), 32u);
  const PairKey here = MakePairKey(secret, kOne, kOther), there = MakePairKey(secret, kOther, kOne);
  EXPECT_EQ(here.key, there.key);
  EXPECT_EQ(here.cookie, there.cookie);
}

TEST(PairKeyTest, IsAnotherForEachPairAndSecret) {
  const std::string secret = TunnelSecret("cluster", "SWMTKN-1-x");
  const PairKey pair = MakePairKey(secret, kOne, kOther);
  EXPECT_NE(pair.key, MakePairKey(secret, kOne, kThird).key);
  EXPECT_NE(pair.cookie, MakePairKey(secret, kOne, kThird).cookie);
  EXPECT_NE(pair.key, MakePairKey(TunnelSecret("cluster", "SWMTKN-1-y"), kOne, kOther).key);
  EXPECT_NE(pair.key, MakePairKey(TunnelSecret("another", "SWMTKN-1-x"), kOne, kOther).key);
}

TEST(PairKeyTest, ThereIsNoneOfHalfASecret) {
  EXPECT_EQ(TunnelSecret("", "SWMTKN-1-x"), "");
  EXPECT_EQ(TunnelSecret("cluster", ""), "");
}

}  // namespace
}  // namespace xlb
