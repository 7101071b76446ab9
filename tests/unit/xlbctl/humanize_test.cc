#include "xlbctl/humanize.h"

#include <gtest/gtest.h>

namespace xlb {
namespace {

TEST(HumanizeTest, Counts) {
  EXPECT_EQ(HumanCount(0), "0");
  EXPECT_EQ(HumanCount(999), "999");
  EXPECT_EQ(HumanCount(999.4), "999");
  EXPECT_EQ(HumanCount(999.6), "1.0k");
  EXPECT_EQ(HumanCount(1000), "1.0k");
  EXPECT_EQ(HumanCount(1234), "1.2k");
  EXPECT_EQ(HumanCount(99'949), "99.9k");
  EXPECT_EQ(HumanCount(99'951), "100k");
  EXPECT_EQ(HumanCount(999'499), "999k");
  EXPECT_EQ(HumanCount(999'500), "1.0M");
  EXPECT_EQ(HumanCount(34'500'000), "34.5M");
  EXPECT_EQ(HumanCount(18446744073709551615.0), "18.4E");
}

TEST(HumanizeTest, Bytes) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(512), "512 B");
  EXPECT_EQ(HumanBytes(1500), "1.5 kB");
  EXPECT_EQ(HumanBytes(3'400'000), "3.4 MB");
  EXPECT_EQ(HumanBytes(196e9), "196 GB");
}

TEST(HumanizeTest, Durations) {
  EXPECT_EQ(HumanDuration(0), "0.0s");
  EXPECT_EQ(HumanDuration(0.44), "0.4s");
  EXPECT_EQ(HumanDuration(9.96), "10s");
  EXPECT_EQ(HumanDuration(59.4), "59s");
  EXPECT_EQ(HumanDuration(59.6), "1m 0s");
  EXPECT_EQ(HumanDuration(192), "3m 12s");
  EXPECT_EQ(HumanDuration(11'520), "3h 12m");
  EXPECT_EQ(HumanDuration(187'200), "2d 4h");
}

}  // namespace
}  // namespace xlb
