#include "model/cover.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace xlb {
namespace {

std::string Covered(std::initializer_list<const char*> prefixes, size_t most) {
  std::set<Ipv4Prefix> parsed;
  for (const char* prefix : prefixes) parsed.insert(Ipv4Prefix::Parse(prefix).value());
  std::string text;
  for (const Ipv4Prefix& prefix : Cover(parsed, most)) text += (text.empty() ? "" : " ") + prefix.ToString();
  return text;
}

TEST(CoverTest, LeavesFewPrefixesAsTheyAre) {
  EXPECT_EQ(Covered({}, 2), "");
  EXPECT_EQ(Covered({"10.0.0.0/24", "192.168.0.0/16"}, 2), "10.0.0.0/24 192.168.0.0/16");
}

TEST(CoverTest, DropsWhatLiesInAnother) {
  EXPECT_EQ(Covered({"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "11.0.0.0/8"}, 8), "10.0.0.0/8 11.0.0.0/8");
  EXPECT_EQ(Covered({"10.0.0.0/24", "10.0.0.0/16"}, 8), "10.0.0.0/16");
}

TEST(CoverTest, JoinsTheClosest) {
  EXPECT_EQ(Covered({"10.0.0.0/24", "10.0.1.0/24", "10.9.0.0/24", "192.168.0.0/24"}, 3),
            "10.0.0.0/23 10.9.0.0/24 192.168.0.0/24");
  EXPECT_EQ(Covered({"10.0.0.0/24", "10.0.1.0/24", "10.9.0.0/24", "192.168.0.0/24"}, 2), "10.0.0.0/12 192.168.0.0/24");
  EXPECT_EQ(Covered({"10.0.0.0/24", "192.168.0.0/24"}, 1), "0.0.0.0/0");
}

TEST(CoverTest, WhatJoinedHoldsGoesAlong) {
  EXPECT_EQ(Covered({"10.0.0.0/25", "10.0.0.128/26", "10.0.0.192/26", "11.0.0.0/8"}, 2), "10.0.0.0/24 11.0.0.0/8");
}

}  // namespace
}  // namespace xlb
