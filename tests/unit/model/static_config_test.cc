#include "model/static_config.h"

#include <gtest/gtest.h>

#include <functional>

namespace xlb {
namespace {

Frontend At(std::string_view text) { return *Frontend::Parse(text); }
Endpoint To(std::string_view text) { return *Endpoint::Parse(text); }

StaticService Web() {
  return {"web", At("tcp/192.0.2.10:80"), SchedulerKind::kMaglev, {{To("10.1.0.5:8080"), 2}, {To("10.1.0.6:8080")}}};
}
StaticService Dns() { return {"dns", At("udp/*:53"), SchedulerKind::kRoundRobin, {{To("10.1.0.5:53")}}}; }

StaticConfig TwoServices() { return *StaticConfig::FromServices({Web(), Dns()}); }

// The edit is refused with this code and message, and the configuration is what it was.
void ExpectRefused(const std::function<absl::Status(StaticConfig&)>& edit, absl::StatusCode code,
                   std::string_view message) {
  StaticConfig config = TwoServices();
  const absl::Status status = edit(config);
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_EQ(std::string(status.message()), message);
  EXPECT_EQ(config, TwoServices()) << message;
}

TEST(StaticConfigTest, KeepsServicesInOrderOfAddition) {
  StaticConfig config;
  ASSERT_TRUE(config.AddService(Web()).ok());
  ASSERT_TRUE(config.AddService(Dns()).ok());
  EXPECT_EQ(config.services(), (std::vector<StaticService>{Web(), Dns()}));
}

TEST(StaticConfigTest, AddServiceRefusesATakenNameOrFrontend) {
  StaticService other = Web();
  other.frontend = At("tcp/192.0.2.10:81");
  ExpectRefused([&](StaticConfig& c) { return c.AddService(other); }, absl::StatusCode::kAlreadyExists,
                "service \"web\" exists already, on tcp/192.0.2.10:80; choose another name");
  other = Web();
  other.name = "web2";
  ExpectRefused([&](StaticConfig& c) { return c.AddService(other); }, absl::StatusCode::kAlreadyExists,
                "tcp/192.0.2.10:80 belongs to service \"web\" already; 'xlbctl service rm web' frees it");
}

TEST(StaticConfigTest, AddServiceRefusesBadNames) {
  for (const std::string& name : {std::string(), std::string("-web"), std::string("tcp/192.0.2.10:80"),
                                  std::string("a b"), std::string("w\xc3\xa9"), std::string(64, 'a')}) {
    StaticService service = Web();
    service.name = name;
    service.frontend.port = 81;
    ExpectRefused(
        [&](StaticConfig& c) { return c.AddService(service); }, absl::StatusCode::kInvalidArgument,
        "\"" + name + "\" cannot be a name; use 1 to 63 letters, digits, '.', '_' or '-', not starting with '-'");
  }
  for (const std::string& name :
       {std::string("a"), std::string("Web.2_x-y"), std::string(63, 'a'), std::string("8080")}) {
    StaticConfig config;
    StaticService service = Web();
    service.name = name;
    EXPECT_TRUE(config.AddService(service).ok()) << name;
  }
}

TEST(StaticConfigTest, AddServiceRefusesWhatCannotBeServed) {
  struct Case {
    Frontend frontend;
    StaticBackend backend;
    std::string_view message;
  };
  const Frontend kGood = At("tcp/192.0.2.10:81");
  const Case kCases[] = {
      {{Protocol::kTcp, {}, 0}, {To("10.1.0.5:1")}, "tcp/*:0: a service's port is a number from 1 to 65535"},
      {At("tcp/224.0.0.1:80"),
       {To("10.1.0.5:1")},
       "tcp/224.0.0.1:80 is a multicast address; give one that other machines can reach"},
      {At("tcp/127.0.0.1:80"),
       {To("10.1.0.5:1")},
       "tcp/127.0.0.1:80 is a loopback address; give one that other machines can reach"},
      {kGood, {{*Ipv4::Parse("10.1.0.5"), 0}}, "10.1.0.5:0: a backend's port is a number from 1 to 65535"},
      {kGood, {{Ipv4{}, 80}}, "0.0.0.0:80 is an unset address; give one that other machines can reach"},
      {kGood,
       {To("255.255.255.255:80")},
       "255.255.255.255:80 is a reserved or broadcast address; give one that other machines can reach"},
      {kGood, {To("10.1.0.5:80"), 1001}, "10.1.0.5:80: weight 1001 is too large; it is a number from 0 to 1000"},
  };
  for (const Case& c : kCases) {
    const StaticService service{"new", c.frontend, SchedulerKind::kRoundRobin, {c.backend}};
    ExpectRefused([&](StaticConfig& config) { return config.AddService(service); }, absl::StatusCode::kInvalidArgument,
                  c.message);
  }
}

TEST(StaticConfigTest, AddServiceRefusesTheSameBackendTwice) {
  const StaticService service{
      "new", At("tcp/*:81"), SchedulerKind::kRoundRobin, {{To("10.1.0.5:80")}, {To("10.1.0.5:80"), 3}}};
  ExpectRefused([&](StaticConfig& c) { return c.AddService(service); }, absl::StatusCode::kAlreadyExists,
                "service \"new\" has backend 10.1.0.5:80 already; 'xlbctl backend set' changes it");
}

TEST(StaticConfigTest, SetServiceChangesWhatIsGivenAndNothingElse) {
  StaticConfig config = TwoServices();
  ASSERT_TRUE(config.SetService("web", {.scheduler = SchedulerKind::kWeightedRoundRobin}).ok());
  StaticService expected = Web();
  expected.scheduler = SchedulerKind::kWeightedRoundRobin;
  EXPECT_EQ(config.services()[0], expected);
  ASSERT_TRUE(config.SetService("tcp/192.0.2.10:80", {.name = "www"}).ok());
  expected.name = "www";
  EXPECT_EQ(config.services()[0], expected);
  EXPECT_TRUE(config.SetService("www", {.name = "www"}).ok()) << "its own name is no conflict";
  EXPECT_EQ(config.services()[1], Dns());
}

TEST(StaticConfigTest, SetServiceIsAllOrNothing) {
  const ServiceChange taken{.name = "dns", .scheduler = SchedulerKind::kRoundRobin};
  ExpectRefused([&](StaticConfig& c) { return c.SetService("web", taken); }, absl::StatusCode::kAlreadyExists,
                "service \"dns\" exists already, on udp/*:53; choose another name");
  const ServiceChange bad{.name = "a/b", .scheduler = SchedulerKind::kRoundRobin};
  ExpectRefused([&](StaticConfig& c) { return c.SetService("web", bad); }, absl::StatusCode::kInvalidArgument,
                "\"a/b\" cannot be a name; use 1 to 63 letters, digits, '.', '_' or '-', not starting with '-'");
}

TEST(StaticConfigTest, EveryEditFindsByNameOrFrontendOrSaysSo) {
  const Endpoint to = To("10.1.0.5:8080");
  const std::function<absl::Status(StaticConfig&, std::string_view)> kEdits[] = {
      [](StaticConfig& c, std::string_view s) { return c.SetService(s, {.name = "x"}); },
      [](StaticConfig& c, std::string_view s) { return c.RemoveService(s); },
      [](StaticConfig& c, std::string_view s) { return c.AddBackend(s, {To("10.1.0.9:1")}); },
      [&](StaticConfig& c, std::string_view s) { return c.SetBackend(s, to, {.weight = 7}); },
      [&](StaticConfig& c, std::string_view s) { return c.RemoveBackend(s, to); },
  };
  for (const auto& edit : kEdits) {
    StaticConfig by_name = TwoServices(), by_frontend = TwoServices();
    EXPECT_TRUE(edit(by_name, "web").ok());
    EXPECT_TRUE(edit(by_frontend, "tcp/192.0.2.10:80").ok());
    EXPECT_EQ(by_name, by_frontend);
    EXPECT_NE(by_name, TwoServices());
    ExpectRefused([&](StaticConfig& c) { return edit(c, "wbe"); }, absl::StatusCode::kNotFound,
                  "service \"wbe\" does not exist; 'xlbctl service ls' lists them");
    ExpectRefused([&](StaticConfig& c) { return edit(c, "udp/192.0.2.10:80"); }, absl::StatusCode::kNotFound,
                  "service \"udp/192.0.2.10:80\" does not exist; 'xlbctl service ls' lists them");
    ExpectRefused([&](StaticConfig& c) { return edit(c, "tcp/192.0.2.10"); }, absl::StatusCode::kInvalidArgument,
                  "\"tcp/192.0.2.10\": the port is missing, as in tcp/192.0.2.10:80 or tcp/*:80");
  }
}

TEST(StaticConfigTest, RemoveServiceLeavesTheOthers) {
  StaticConfig config = TwoServices();
  ASSERT_TRUE(config.RemoveService("web").ok());
  EXPECT_EQ(config.services(), std::vector<StaticService>{Dns()});
}

TEST(StaticConfigTest, AddBackend) {
  StaticConfig config = TwoServices();
  ASSERT_TRUE(config.AddBackend("dns", {To("10.1.0.7:53"), 5, true}).ok());
  StaticService expected = Dns();
  expected.backends.push_back({To("10.1.0.7:53"), 5, true});
  EXPECT_EQ(config.services()[1], expected);
  ExpectRefused(
      [](StaticConfig& c) {
        return c.AddBackend("web", {To("10.1.0.6:8080"), 9});
      },
      absl::StatusCode::kAlreadyExists,
      "service \"web\" has backend 10.1.0.6:8080 already; 'xlbctl backend set' changes it");
  ExpectRefused(
      [](StaticConfig& c) {
        return c.AddBackend("web", {To("10.1.0.7:8080"), 5000});
      },
      absl::StatusCode::kInvalidArgument, "10.1.0.7:8080: weight 5000 is too large; it is a number from 0 to 1000");
}

TEST(StaticConfigTest, SetBackendIsAllOrNothing) {
  StaticConfig config = TwoServices();
  ASSERT_TRUE(config.SetBackend("web", To("10.1.0.6:8080"), {.weight = 0}).ok());
  EXPECT_EQ(config.services()[0].backends[1], (StaticBackend{To("10.1.0.6:8080"), 0, false}));
  ASSERT_TRUE(config.SetBackend("web", To("10.1.0.6:8080"), {.draining = true}).ok());
  EXPECT_EQ(config.services()[0].backends[1], (StaticBackend{To("10.1.0.6:8080"), 0, true}));
  EXPECT_EQ(config.services()[0].backends[0], Web().backends[0]);
  ExpectRefused(
      [](StaticConfig& c) { return c.SetBackend("web", To("10.1.0.6:8080"), {.weight = 1001, .draining = true}); },
      absl::StatusCode::kInvalidArgument, "10.1.0.6:8080: weight 1001 is too large; it is a number from 0 to 1000");
}

TEST(StaticConfigTest, UnknownBackendsAreNamed) {
  const std::string_view kMessage = "service \"web\" has no backend 10.1.0.9:1; 'xlbctl backend ls web' lists them";
  ExpectRefused([](StaticConfig& c) { return c.SetBackend("web", To("10.1.0.9:1"), {.weight = 1}); },
                absl::StatusCode::kNotFound, kMessage);
  ExpectRefused([](StaticConfig& c) { return c.RemoveBackend("web", To("10.1.0.9:1")); }, absl::StatusCode::kNotFound,
                kMessage);
}

TEST(StaticConfigTest, RemoveBackend) {
  StaticConfig config = TwoServices();
  ASSERT_TRUE(config.RemoveBackend("web", To("10.1.0.5:8080")).ok());
  StaticService expected = Web();
  expected.backends.erase(expected.backends.begin());
  EXPECT_EQ(config.services()[0], expected);
}

TEST(StaticConfigTest, FromServicesNamesTheBadEntry) {
  StaticService bad = Dns();
  bad.backends[0].weight = 1001;
  const absl::StatusOr<StaticConfig> config = StaticConfig::FromServices({Web(), bad});
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(config.status().message()),
            "service 2 of 2 (\"dns\"): 10.1.0.5:53: weight 1001 is too large; it is a number from 0 to 1000");
}

TEST(StaticConfigTest, FromServicesRefusesTwins) {
  StaticService same_name = Dns(), same_frontend = Web();
  same_name.name = "web";
  same_frontend.name = "web2";
  EXPECT_EQ(std::string(StaticConfig::FromServices({Web(), same_name}).status().message()),
            "service 2 of 2 (\"web\"): service \"web\" exists already, on tcp/192.0.2.10:80; choose another name");
  EXPECT_EQ(StaticConfig::FromServices({Web(), Dns(), same_frontend}).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST(StaticConfigTest, RefusesMoreBackendsThanTheDataPathHolds) {
  StaticService full{"full", At("tcp/*:1"), SchedulerKind::kRoundRobin, {}};
  for (uint32_t i = 0; i < XLB_MAX_BACKENDS - 1; ++i) {
    full.backends.push_back({{*Ipv4::Parse("10.1.0.5"), static_cast<uint16_t>(i + 1)}});
  }
  StaticConfig config;
  ASSERT_TRUE(config.AddService(full).ok());
  EXPECT_EQ(config.AddBackend("full", {To("10.1.0.6:1")}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(config.AddService(Web()).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(config.services(), std::vector<StaticService>{full});
}

TEST(StaticConfigTest, RefusesMoreServicesThanTheDataPathHolds) {
  std::vector<StaticService> services;
  for (uint32_t i = 1; i < XLB_MAX_SERVICES; ++i) {
    services.push_back({"s" + std::to_string(i), {Protocol::kTcp, {}, static_cast<uint16_t>(i)}, {}, {}});
  }
  absl::StatusOr<StaticConfig> config = StaticConfig::FromServices(services);
  ASSERT_TRUE(config.ok()) << config.status();
  const absl::Status status = config->AddService({"more", At("tcp/*:60000"), {}, {}});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(std::string(status.message()), "there is room for 8191 services; remove one first");
  services.push_back({"more", At("tcp/*:60000"), {}, {}});
  EXPECT_EQ(StaticConfig::FromServices(services).status(), status);
}

}  // namespace
}  // namespace xlb
