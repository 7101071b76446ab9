#include "control/url.h"

#include <gtest/gtest.h>

namespace xlb {
namespace {

TEST(UrlTest, SplitsPathAndQuery) {
  const auto target = ParseTarget("/v1/services/tcp%2F192.0.2.10%3A80/backends?limit=10&client=&x%20y=%c3%a9");
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(target->path, (std::vector<std::string>{"v1", "services", "tcp/192.0.2.10:80", "backends"}));
  EXPECT_EQ(target->query, (std::map<std::string, std::string>{{"limit", "10"}, {"client", ""}, {"x y", "\xc3\xa9"}}));
}

TEST(UrlTest, RefusesWhatIsNoTarget) {
  for (const char* text : {"", "v1/status", "*", "http://x/", "/%", "/%4", "/%zz", "/a?b=%1", "/a?b=1&b=2"}) {
    EXPECT_FALSE(ParseTarget(text).ok()) << text;
  }
}

TEST(UrlTest, TakesWhatIsOdd) {
  EXPECT_TRUE(ParseTarget("/")->path.empty());
  EXPECT_EQ(ParseTarget("/a//b")->path, (std::vector<std::string>{"a", "", "b"}));
  EXPECT_TRUE(ParseTarget("/a?")->query.empty());
  EXPECT_EQ(ParseTarget("/a?b")->query, (std::map<std::string, std::string>{{"b", ""}}));
  EXPECT_EQ(ParseTarget("/a%00b")->path, (std::vector<std::string>{std::string("a\0b", 3)}));
}

TEST(UrlTest, EncodingComesBackForEveryByte) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const auto target = ParseTarget("/" + PercentEncode(all) + "?k=" + PercentEncode(all));
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(target->path[0], all);
  EXPECT_EQ(target->query.at("k"), all);
  EXPECT_EQ(PercentEncode("tcp/*:80"), "tcp%2F%2A%3A80");
}

}  // namespace
}  // namespace xlb
