// The part of the API that changes the static configuration.
#include <gtest/gtest.h>

#include "control/api.h"
#include "control/json.h"
#include "unit/control/fake_daemon.h"

namespace xlb {
namespace {

class ApiEditTest : public testing::Test {
 protected:
  ApiEditTest() {
    daemon_.services.clear();
    EXPECT_EQ(Send("POST", "/v1/services", R"({"name":"web","frontend":"tcp/192.0.2.10:80"})"), 201);
    EXPECT_EQ(Send("POST", "/v1/services/web/backends", R"({"endpoint":"10.1.0.5:8080","weight":2})"), 201);
  }

  int Send(const std::string& method, const std::string& target, const std::string& body = "") {
    response_ = HandleApiRequest({.method = method, .target = target, .body = body}, daemon_);
    return response_.status;
  }

  std::string Error() { return FromJson<ErrorReply>(response_.body).value_or(ErrorReply{"no error reply"}).error; }

  const StaticService& Web() { return daemon_.config.services().at(0); }

  FakeDaemon daemon_;
  HttpResponse response_;
};

TEST_F(ApiEditTest, AddServiceAnswersWhatWasMade) {
  EXPECT_EQ(
      Send("POST", "/v1/services",
           R"({"name":"dns","frontend":"udp/*:53","scheduler":"maglev","backends":[{"endpoint":"10.1.0.9:53"}]})"),
      201);
  const auto made = FromJson<StaticService>(response_.body);
  ASSERT_TRUE(made.ok()) << response_.body;
  EXPECT_EQ(*made, daemon_.config.services().at(1));
  EXPECT_EQ(made->backends.size(), 1u);
}

TEST_F(ApiEditTest, RefusedAdditionsChangeNothing) {
  const StaticConfig before = daemon_.config;
  const struct {
    const char* body;
    int status;
    const char* error;
  } cases[] = {
      {R"({"name":"web","frontend":"tcp/*:81"})", 409, "service \"web\" exists already"},
      {R"({"name":"b","frontend":"tcp/192.0.2.10:80"})", 409, "belongs to service \"web\" already"},
      {R"({"name":"-","frontend":"tcp/*:81"})", 400, "cannot be a name"},
      {R"({"name":"b","frontend":"tcp/*:81","nonsense":1})", 400, "unknown key \"nonsense\""},
      {R"({"name":"b"})", 400, "\"frontend\" is missing"},
      {R"({"name":"b","frontend":"tcp/*:0"})", 400, "\"tcp/*:0\""},
      {"", 400, "not JSON"},
      {"[]", 400, "must be an object"},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(Send("POST", "/v1/services", test.body), test.status) << test.body;
    EXPECT_NE(Error().find(test.error), std::string::npos) << Error();
    EXPECT_EQ(daemon_.config, before);
  }
}

TEST_F(ApiEditTest, ChangeAndRemoveAService) {
  EXPECT_EQ(Send("PATCH", "/v1/services/web", R"({"scheduler":"maglev"})"), 204);
  EXPECT_EQ(response_.body, "");
  EXPECT_EQ(Web().scheduler, SchedulerKind::kMaglev);
  EXPECT_EQ(Send("PATCH", "/v1/services/tcp%2F192.0.2.10%3A80", R"({"name":"www"})"), 204);
  EXPECT_EQ(Web().name, "www");
  EXPECT_EQ(Send("DELETE", "/v1/services/www"), 204);
  EXPECT_TRUE(daemon_.config.services().empty());
  EXPECT_EQ(Send("DELETE", "/v1/services/www"), 404);
  EXPECT_EQ(Send("PATCH", "/v1/services/www", "{}"), 404);
}

TEST_F(ApiEditTest, Backends) {
  EXPECT_EQ(Send("PATCH", "/v1/services/web/backends/10.1.0.5%3A8080", R"({"weight":5,"draining":true})"), 204);
  EXPECT_EQ(Web().backends.at(0), (StaticBackend{*Endpoint::Parse("10.1.0.5:8080"), 5, true}));
  EXPECT_EQ(Send("POST", "/v1/services/web/backends", R"({"endpoint":"10.1.0.5:8080"})"), 409);
  EXPECT_EQ(Send("POST", "/v1/services/web/backends", R"({"endpoint":"10.1.0.5"})"), 400);
  EXPECT_EQ(Send("POST", "/v1/services/nope/backends", R"({"endpoint":"10.1.0.5:1"})"), 404);
  EXPECT_EQ(Send("PATCH", "/v1/services/web/backends/10.1.0.6:8080", "{}"), 404);
  EXPECT_EQ(Send("PATCH", "/v1/services/web/backends/ten", "{}"), 400);
  EXPECT_EQ(Send("PATCH", "/v1/services/web/backends/10.1.0.5:8080", R"({"weight":1001})"), 400);
  EXPECT_EQ(Web().backends.at(0).weight, 5u);
  EXPECT_EQ(Send("DELETE", "/v1/services/web/backends/10.1.0.5:8080"), 204);
  EXPECT_TRUE(Web().backends.empty());
  EXPECT_EQ(Send("DELETE", "/v1/services/web/backends/10.1.0.5:8080"), 404);
}

TEST_F(ApiEditTest, AServiceOfSwarmsIsRefusedWithTheReason) {
  daemon_.services = {SampleService()};
  daemon_.services[0].name = "shop";
  EXPECT_EQ(Send("DELETE", "/v1/services/shop"), 409);
  EXPECT_EQ(Error(), "service \"shop\" comes from swarm, not from xlbctl; change it there");
  EXPECT_EQ(Send("PATCH", "/v1/services/shop/backends/10.0.0.7:80", R"({"draining":true})"), 409);
}

TEST_F(ApiEditTest, WhatTheDaemonRefusesStaysAsItWas) {
  const StaticConfig before = daemon_.config;
  daemon_.refusal = absl::ResourceExhaustedError("there is room for 1 ring slot");
  EXPECT_EQ(Send("POST", "/v1/services", R"({"name":"b","frontend":"tcp/*:81"})"), 507);
  EXPECT_EQ(Send("PATCH", "/v1/services/web", R"({"scheduler":"maglev"})"), 507);
  EXPECT_EQ(Send("PUT", "/v1/static", R"({"version":1,"services":[]})"), 507);
  EXPECT_EQ(Send("PUT", "/v1/static?dry_run=1", R"({"version":1,"services":[]})"), 507);
  EXPECT_EQ(Error(), "there is room for 1 ring slot");
  EXPECT_EQ(daemon_.config, before);
}

constexpr char kOther[] = R"({"version":1,"services":[
  {"name":"www","frontend":"tcp/192.0.2.10:80","scheduler":"wrr","backends":[
    {"endpoint":"10.1.0.5:8080","weight":3,"draining":true},{"endpoint":"10.1.0.6:8080"}]},
  {"name":"dns","frontend":"udp/*:53"}]})";

TEST_F(ApiEditTest, ApplyReplacesAllAndSaysWhatChanged) {
  ASSERT_EQ(Send("POST", "/v1/services", R"({"name":"old","frontend":"tcp/*:1"})"), 201);
  ASSERT_EQ(Send("PUT", "/v1/static", kOther), 200) << response_.body;
  const auto reply = FromJson<ApplyReply>(response_.body);
  ASSERT_TRUE(reply.ok()) << response_.body;
  EXPECT_FALSE(reply->dry_run);
  EXPECT_EQ(reply->added, (std::vector<std::string>{"dns udp/*:53"}));
  EXPECT_EQ(reply->removed, (std::vector<std::string>{"old tcp/*:1"}));
  EXPECT_EQ(reply->changed, (std::vector<std::string>{
                                "www tcp/192.0.2.10:80: name web -> www, scheduler rr -> wrr, backend 10.1.0.5:8080 "
                                "weight 2 -> 3, backend 10.1.0.5:8080 drained, backend 10.1.0.6:8080 added"}));
  EXPECT_EQ(daemon_.config, *StaticConfigFromJson(kOther));
  ASSERT_EQ(Send("PUT", "/v1/static", kOther), 200);
  const auto again = FromJson<ApplyReply>(response_.body);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->added.empty() && again->changed.empty() && again->removed.empty());
}

TEST_F(ApiEditTest, ADryRunChangesNothing) {
  const StaticConfig before = daemon_.config;
  ASSERT_EQ(Send("PUT", "/v1/static?dry_run=1", kOther), 200);
  const auto reply = FromJson<ApplyReply>(response_.body);
  ASSERT_TRUE(reply.ok());
  EXPECT_TRUE(reply->dry_run);
  EXPECT_EQ(reply->added.size(), 1u);
  EXPECT_EQ(daemon_.config, before);
}

TEST_F(ApiEditTest, ApplyIsAllOrNothing) {
  const StaticConfig before = daemon_.config;
  EXPECT_EQ(Send("PUT", "/v1/static",
                 R"({"version":1,"services":[{"name":"good","frontend":"tcp/*:1"},
                     {"name":"bad","frontend":"tcp/*:2","backends":[{"endpoint":"10.1.0.5:99999"}]}]})"),
            400);
  EXPECT_EQ(Error(),
            R"(services[1] "bad": backends[0]: "10.1.0.5:99999": port "99999" is not a number from 1 to 65535)");
  EXPECT_EQ(daemon_.config, before);
}

TEST_F(ApiEditTest, ExportIsWhatApplyTakes) {
  ASSERT_EQ(Send("GET", "/v1/static"), 200);
  const std::string document = response_.body;
  const StaticConfig before = daemon_.config;
  ASSERT_EQ(Send("PUT", "/v1/static", R"({"version":1,"services":[]})"), 200);
  ASSERT_EQ(Send("PUT", "/v1/static", document), 200);
  EXPECT_EQ(daemon_.config, before);
}

TEST_F(ApiEditTest, WhoReachesASwarmServiceIsSaidHereAndNothingElse) {
  ServiceView shop;
  shop.name = "shop";
  shop.frontend = "tcp/*:8091";
  shop.source = "swarm";
  daemon_.services = {shop};
  EXPECT_EQ(Send("PATCH", "/v1/services/shop", R"({"allow":["10.0.0.0/8"]})"), 204) << response_.body;
  EXPECT_EQ(Send("PATCH", "/v1/services/tcp%2F%2A%3A8091", R"({"bind":["eth0"]})"), 204) << response_.body;
  const AccessChange& change = daemon_.config.overrides().at(*Frontend::Parse("tcp/*:8091"));
  EXPECT_EQ(change.allow->size(), 1u);
  EXPECT_EQ(change.bind->size(), 1u);
  EXPECT_EQ(Send("PATCH", "/v1/services/shop", R"({"allow":["10.0.0.1/8"]})"), 400);
  EXPECT_EQ(Send("PATCH", "/v1/services/shop", R"({"scheduler":"wrr","allow":[]})"), 409);
  EXPECT_EQ(Error(), "service \"shop\" comes from swarm, not from xlbctl; change it there");
  EXPECT_EQ(Send("DELETE", "/v1/services/shop/override"), 204);
  EXPECT_TRUE(daemon_.config.overrides().empty());
  EXPECT_EQ(Send("DELETE", "/v1/services/shop/override"), 404);
  // A static service is what it says itself.
  EXPECT_EQ(Send("PATCH", "/v1/services/web", R"({"deny":["10.0.0.0/8"]})"), 204) << response_.body;
  EXPECT_EQ(Web().deny.size(), 1u);
  EXPECT_EQ(Send("DELETE", "/v1/services/web/override"), 404);
}

}  // namespace
}  // namespace xlb
