#include "model/access.h"

#include <gtest/gtest.h>

namespace xlb {
namespace {

Access Of(std::string_view allow, std::string_view deny) { return {*ParsePrefixes(allow), *ParsePrefixes(deny), {}}; }
bool Admits(const Access& access, std::string_view client) {
  return VerdictsOf(access).At(Ipv4::Parse(client)->HostOrder()) == AllVerdicts(XLB_SOURCE_ALLOW);
}

TEST(AccessTest, TheLongestPrefixDecides) {
  const Access access = Of("10.0.0.0/8,10.1.2.3", "10.1.0.0/16");
  EXPECT_TRUE(Admits(access, "10.2.0.1"));
  EXPECT_FALSE(Admits(access, "10.1.0.1"));
  EXPECT_TRUE(Admits(access, "10.1.2.3"));
  EXPECT_FALSE(Admits(access, "192.0.2.1"));  // somebody is allowed, so others are not
}

TEST(AccessTest, DenyGoesBeforeAllowOfTheSameLength) {
  EXPECT_FALSE(Admits(Of("10.0.0.0/8", "10.0.0.0/8"), "10.0.0.1"));
  EXPECT_FALSE(Admits(Of("0.0.0.0/0", "0.0.0.0/0"), "10.0.0.1"));
}

TEST(AccessTest, DenyAloneLetsTheOthersIn) {
  EXPECT_TRUE(Admits(Of("", "10.0.0.0/8"), "192.0.2.1"));
  EXPECT_FALSE(Admits(Of("", "10.0.0.0/8"), "10.255.255.255"));
  EXPECT_TRUE(Admits(Of("", ""), "1.2.3.4"));
  EXPECT_TRUE(Of("", "").IsOpen());
}

TEST(AccessTest, Notation) {
  EXPECT_EQ(ParsePrefixes("10.0.0.0/8, 192.0.2.7")->size(), 2u);
  for (const char* wrong : {"10.0.0.1/8", "x", "10.0.0.0/8,,1.2.3.4", "10.0.0.0/8 1.2.3.4", "2001:db8::/32"}) {
    EXPECT_FALSE(ParsePrefixes(wrong).ok()) << wrong;
  }
  EXPECT_EQ(*ParseBind("192.0.2.10, eth1"), (std::vector<std::string>{"192.0.2.10", "eth1"}));
  for (const char* wrong : {"0.0.0.0", "eth1,,", "a/b", "longer-than-a-device", "..", "fe80::1"}) {
    EXPECT_FALSE(ParseBind(wrong).ok()) << wrong;
  }
  EXPECT_FALSE(CheckAccess({{}, {}, std::vector<std::string>(1025, "eth0")}).ok());
  EXPECT_FALSE(CheckAccess({{}, {}, {"a/b"}}).ok());
  EXPECT_FALSE(CheckAccess({std::vector<Ipv4Prefix>(1025), {}, {}}).ok());
  EXPECT_TRUE(CheckAccess({{}, {}, {"192.0.2.1", "eth0"}}).ok());
}

TEST(AccessTest, Labels) {
  const auto access = AccessOfLabels({{"xlb.allow", "10.0.0.0/8"}, {"xlb.bind", "eth1"}, {"other", "x"}});
  ASSERT_TRUE(access.ok());
  EXPECT_EQ(access->allow.size(), 1u);
  EXPECT_EQ(access->bind.size(), 1u);
  EXPECT_TRUE(AccessOfLabels({})->IsOpen());
  EXPECT_EQ(std::string(AccessOfLabels({{"xlb.deny", "10.0.0.0/8,oops"}}).status().message()).substr(0, 35),
            "label xlb.deny=10.0.0.0/8,oops: \"oo");
  // A variable of a compose file that was not set.
  EXPECT_FALSE(AccessOfLabels({{"xlb.allow", ""}}).ok());
}

}  // namespace
}  // namespace xlb
