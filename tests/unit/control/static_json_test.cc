#include <gtest/gtest.h>

#include "control/json.h"

namespace xlb {
namespace {

constexpr char kDocument[] = R"({
  "version": 1,
  "services": [
    {
      "name": "web",
      "frontend": "tcp/192.0.2.10:80",
      "scheduler": "maglev",
      "backends": [
        {
          "endpoint": "10.1.0.5:8080",
          "weight": 2,
          "draining": false
        },
        {
          "endpoint": "10.1.0.6:8080",
          "weight": 1,
          "draining": true
        }
      ]
    },
    {
      "name": "dns",
      "frontend": "udp/*:53",
      "scheduler": "rr",
      "backends": []
    }
  ]
}
)";

TEST(StaticJsonTest, ADocumentComesBackAsItWas) {
  const auto config = StaticConfigFromJson(kDocument);
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->services().size(), 2u);
  EXPECT_EQ(config->services()[0].backends[1].draining, true);
  EXPECT_EQ(StaticConfigToJson(*config), kDocument);
}

TEST(StaticJsonTest, WhatIsLeftOutHasItsDefault) {
  const auto config = StaticConfigFromJson(
      R"({"version":1,"services":[{"name":"a","frontend":"tcp/*:80","backends":[{"endpoint":"10.0.0.1:1"}]}]})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->services()[0].scheduler, SchedulerKind::kRoundRobin);
  EXPECT_EQ(config->services()[0].backends[0], (StaticBackend{*Endpoint::Parse("10.0.0.1:1"), 1, false}));
}

TEST(StaticJsonTest, AnEmptyConfigurationIsADocumentToo) {
  const auto config = StaticConfigFromJson(StaticConfigToJson(StaticConfig()));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->services().empty());
}

// `entry` stands as the second service of a document.
std::string WithEntry(const std::string& entry) {
  return R"({"version":1,"services":[{"name":"first","frontend":"tcp/*:1"},)" + entry + "]}";
}

struct BadEntry {
  std::string entry;
  std::string error;
};

class BadEntryTest : public testing::TestWithParam<BadEntry> {};

TEST_P(BadEntryTest, IsRefusedByName) {
  const auto config = StaticConfigFromJson(WithEntry(GetParam().entry));
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.status().message().find(GetParam().error), absl::string_view::npos) << config.status();
  EXPECT_EQ(config.status().message().find('\n'), absl::string_view::npos);
}

INSTANTIATE_TEST_SUITE_P(
    StaticJson, BadEntryTest,
    testing::Values(
        BadEntry{R"({"frontend":"tcp/*:80"})", R"(services[1]: "name" is missing)"},
        BadEntry{R"({"name":"web"})", R"(services[1] "web": "frontend" is missing)"},
        BadEntry{R"({"name":5,"frontend":"tcp/*:80"})", "services[1]: name: must be a string"},
        BadEntry{R"({"name":"web","frontend":"*:80"})", R"(services[1] "web": "*:80": the protocol is missing)"},
        BadEntry{R"({"name":"web","frontend":80})", R"(services[1] "web": frontend: must be a string)"},
        BadEntry{R"({"name":"web","frontend":"tcp/*:80","scheduler":"magic"})",
                 R"(services[1] "web": "magic" is not a scheduler)"},
        BadEntry{
            R"({"name":"web","frontend":"tcp/*:80","weigth":1})",
            R"(services[1] "web": unknown key "weigth" (there are name, frontend, scheduler, allow, deny, bind, backends))"},
        BadEntry{R"({"name":"web","frontend":"tcp/*:80","backends":{}})",
                 R"(services[1] "web": backends: must be a list)"},
        BadEntry{R"({"name":"web","frontend":"tcp/*:80","backends":[{}]})",
                 R"(services[1] "web": backends[0]: "endpoint" is missing)"},
        BadEntry{
            R"({"name":"web","frontend":"tcp/*:80","backends":[{"endpoint":"10.1.0.4:1"},{"endpoint":"10.1.0.5:99999"}]})",
            R"(services[1] "web": backends[1]: "10.1.0.5:99999": port "99999" is not a number from 1 to 65535)"},
        BadEntry{R"({"name":"web","frontend":"tcp/*:80","backends":[{"endpoint":"10.1.0.5:1","weight":"2"}]})",
                 R"(services[1] "web": backends[0]: weight: must be a whole number from 0 to)"},
        BadEntry{R"({"name":"web","frontend":"tcp/*:80","backends":[{"endpoint":"10.1.0.5:1","draining":1}]})",
                 R"(services[1] "web": backends[0]: draining: must be true or false)"},
        BadEntry{R"({"name":"web","frontend":"tcp/*:80","backends":[{"endpoint":"10.1.0.5:1","weight":1001}]})",
                 R"(10.1.0.5:1: weight 1001 is too large)"},
        BadEntry{
            R"({"name":"web","frontend":"tcp/*:80","backends":[{"endpoint":"10.1.0.5:1"},{"endpoint":"10.1.0.5:1"}]})",
            R"(has backend 10.1.0.5:1 already)"},
        BadEntry{R"({"name":"first","frontend":"tcp/*:80"})", R"(service "first" exists already)"},
        BadEntry{R"({"name":"web","frontend":"tcp/*:1"})", R"(tcp/*:1 belongs to service "first" already)"},
        BadEntry{R"({"name":"a b","frontend":"tcp/*:80"})", R"("a b" cannot be a name)"},
        BadEntry{R"({"name":"web","name":"other","frontend":"tcp/*:80"})", R"(has the key "name" twice)"}));

TEST(StaticJsonTest, DocumentsAreChecked) {
  const struct {
    std::string json, error;
  } cases[] = {
      {R"({"services":[]})", "\"version\" is missing"},
      {R"({"version":1})", "\"services\" is missing"},
      {R"({"version":2,"services":[]})", "version 2 of the configuration is not known"},
      {R"({"version":1,"services":[],"extra":0})", "unknown key \"extra\""},
      {R"({"version":1,"services":[})", "not JSON: line 1, column"},
      {"{\"version\":1,\n\"services\":[],\n\"services\":[]}",
       "line 3, column 10: an object has the key \"services\" twice"},
  };
  for (const auto& test : cases) {
    const auto config = StaticConfigFromJson(test.json);
    ASSERT_FALSE(config.ok()) << test.json;
    EXPECT_NE(config.status().message().find(test.error), absl::string_view::npos) << config.status();
  }
}

TEST(StaticJsonTest, WhoReachesAService) {
  constexpr char kText[] =
      R"({"version":1,"services":[{"name":"a","frontend":"tcp/*:80","allow":["10.0.0.0/8"],"deny":["10.9.0.0/16","10.1.2.3"],)"
      R"("bind":["eth0","192.0.2.1"]}],"overrides":[{"frontend":"tcp/*:8091","allow":[]},{"frontend":"udp/*:53","bind":["eth1"]}]})";
  const auto config = StaticConfigFromJson(kText);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->services()[0].deny.size(), 2u);
  const AccessChange& open = config->overrides().at(*Frontend::Parse("tcp/*:8091"));
  EXPECT_TRUE(open.allow.has_value() && open.allow->empty() && !open.deny && !open.bind);
  EXPECT_EQ(*StaticConfigFromJson(StaticConfigToJson(*config)), *config);
  for (const char* wrong :
       {R"({"version":1,"services":[{"name":"a","frontend":"tcp/*:80","allow":["10.0.0.1/8"]}]})",
        R"({"version":1,"services":[{"name":"a","frontend":"tcp/192.0.2.1:80","bind":["eth0"]}]})",
        R"({"version":1,"services":[{"name":"a","frontend":"tcp/*:80","bind":["a/b"]}]})",
        R"({"version":1,"services":[],"overrides":[{"frontend":"tcp/*:1"},{"frontend":"tcp/*:1"}]})"}) {
    EXPECT_FALSE(StaticConfigFromJson(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace xlb
