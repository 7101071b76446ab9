#include "control/api.h"

#include <gtest/gtest.h>

#include "control/json.h"
#include "unit/control/fake_daemon.h"

namespace xlb {
namespace {

class ApiTest : public testing::Test {
 protected:
  HttpResponse Send(const std::string& method, const std::string& target, const std::string& body = "") {
    return HandleApiRequest({.method = method, .target = target, .body = body}, daemon_);
  }

  template <typename T>
  T Reply(const HttpResponse& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    const absl::StatusOr<T> reply = FromJson<T>(response.body);
    EXPECT_TRUE(reply.ok()) << reply.status() << response.body;
    return reply.value_or(T{});
  }

  void ExpectError(const HttpResponse& response, int status, const std::string& part) {
    EXPECT_EQ(response.status, status) << response.body;
    const auto reply = FromJson<ErrorReply>(response.body);
    ASSERT_TRUE(reply.ok()) << response.body;
    EXPECT_NE(reply->error.find(part), std::string::npos) << reply->error;
    EXPECT_EQ(reply->error.find('\n'), std::string::npos);
  }

  FakeDaemon daemon_;
};

TEST_F(ApiTest, Status) { EXPECT_EQ(ToJson(Reply<StatusView>(Send("GET", "/v1/status"))), ToJson(daemon_.status)); }

TEST_F(ApiTest, Services) { EXPECT_EQ(Reply<ServicesReply>(Send("GET", "/v1/services")).services.size(), 1u); }

TEST_F(ApiTest, OneServiceByNameOrFrontend) {
  ServiceView second = SampleService();
  second.frontend = "tcp/*:8092";
  ServiceView other = SampleService();
  other.name = "other";
  other.frontend = "tcp/192.0.2.10:80";
  daemon_.services = {SampleService(), second, other};
  EXPECT_EQ(Reply<ServicesReply>(Send("GET", "/v1/services/web")).services.size(), 2u);
  const auto reply = Reply<ServicesReply>(Send("GET", "/v1/services/tcp%2F192.0.2.10%3A80"));
  ASSERT_EQ(reply.services.size(), 1u);
  EXPECT_EQ(reply.services[0].name, "other");
  ExpectError(Send("GET", "/v1/services/nope"), 404, "service \"nope\" does not exist");
}

TEST_F(ApiTest, FlowsPassTheFilterOn) {
  const auto reply = Reply<FlowsReply>(Send("GET", "/v1/flows?service=tcp%2F*%3A80&client=192.0.2.50&limit=5"));
  EXPECT_EQ(reply.flows.size(), 1u);
  EXPECT_FALSE(reply.truncated);
  EXPECT_EQ(daemon_.last_filter.service, "tcp/*:80");
  EXPECT_EQ(daemon_.last_filter.client, "192.0.2.50");
}

TEST_F(ApiTest, FlowsSayWhenThereAreMore) {
  daemon_.flows.assign(6, SampleFlow());
  const auto five = Reply<FlowsReply>(Send("GET", "/v1/flows?limit=5"));
  EXPECT_EQ(five.flows.size(), 5u);
  EXPECT_TRUE(five.truncated);
  const auto six = Reply<FlowsReply>(Send("GET", "/v1/flows?limit=6"));
  EXPECT_EQ(six.flows.size(), 6u);
  EXPECT_FALSE(six.truncated);
}

TEST_F(ApiTest, ErrorsOfTheDaemonHaveFittingCodes) {
  const struct {
    absl::Status status;
    int http;
  } cases[] = {
      {absl::NotFoundError("x"), 404},          {absl::InvalidArgumentError("x"), 400},
      {absl::AlreadyExistsError("x"), 409},     {absl::FailedPreconditionError("x"), 409},
      {absl::ResourceExhaustedError("x"), 507}, {absl::UnavailableError("x"), 503},
      {absl::PermissionDeniedError("x"), 403},  {absl::InternalError("x"), 500},
      {absl::UnimplementedError("x"), 501},
  };
  for (const auto& test : cases) {
    daemon_.flows_error = test.status;
    ExpectError(Send("GET", "/v1/flows"), test.http, "x");
    daemon_.stats_error = test.status;
    ExpectError(Send("GET", "/v1/stats"), test.http, "x");
  }
}

TEST_F(ApiTest, BadParametersAreRefused) {
  ExpectError(Send("GET", "/v1/flows?limit=-1"), 400, "limit=\"-1\": must be a whole number");
  ExpectError(Send("GET", "/v1/flows?limit="), 400, "limit=\"\"");
  ExpectError(Send("GET", "/v1/flows?limit=1x"), 400, "limit=\"1x\"");
  ExpectError(Send("GET", "/v1/flows?limit=99999999999999999999"), 400, "limit=");
  ExpectError(Send("GET", "/v1/flows?client=web"), 400, "must be an IPv4 address");
  ExpectError(Send("GET", "/v1/flows?sevice=web"), 400, "/v1/flows knows no parameter \"sevice\"");
  ExpectError(Send("GET", "/v1/flows?ervice=web"), 400, "knows no parameter");
  ExpectError(Send("GET", "/v1/flows?=web"), 400, "knows no parameter");
  ExpectError(Send("GET", "/v1/status?x=1"), 400, "knows no parameter \"x\"");
  ExpectError(Send("GET", "/v1/events?wait=31"), 400, "from 0 to 30");
  ExpectError(Send("PUT", "/v1/static?dry_run=yes"), 400, "dry_run=\"yes\"");
}

TEST_F(ApiTest, Stats) { EXPECT_EQ(ToJson(Reply<StatsReport>(Send("GET", "/v1/stats"))), ToJson(daemon_.stats)); }

TEST_F(ApiTest, EventsAfterANumber) {
  EXPECT_EQ(Reply<EventsReply>(Send("GET", "/v1/events")).events.size(), 2u);
  const auto reply = Reply<EventsReply>(Send("GET", "/v1/events?after=1"));
  ASSERT_EQ(reply.events.size(), 1u);
  EXPECT_EQ(reply.events[0].sequence, 2u);
  EXPECT_TRUE(Reply<EventsReply>(Send("GET", "/v1/events?after=2")).events.empty());
}

TEST_F(ApiTest, EventsWaitUntilThereIsOne) {
  HttpRequest request{.method = "GET", .target = "/v1/events?after=2&wait=10", .body = ""};
  EXPECT_TRUE(HandleApiRequest(request, daemon_).pending);
  request.waited = std::chrono::milliseconds(9'999);
  EXPECT_TRUE(HandleApiRequest(request, daemon_).pending);
  request.waited = std::chrono::seconds(10);
  EXPECT_FALSE(HandleApiRequest(request, daemon_).pending);
  request.waited = std::chrono::milliseconds(100);
  daemon_.events.push_back(SampleEvent(3));
  const HttpResponse response = HandleApiRequest(request, daemon_);
  EXPECT_FALSE(response.pending);
  EXPECT_EQ(Reply<EventsReply>(response).events.size(), 1u);
}

// The numbers begin again with a new daemon: who asks behind an old number must not wait for it for ever.
TEST_F(ApiTest, EventsBehindANumberOfAnEarlierDaemonAreAllEvents) {
  const HttpResponse response = Send("GET", "/v1/events?after=1000&wait=10");
  EXPECT_FALSE(response.pending);
  EXPECT_EQ(Reply<EventsReply>(response).events.size(), 2u);
}

TEST_F(ApiTest, Detach) {
  EXPECT_EQ(Reply<DetachReply>(Send("POST", "/v1/detach")).removed.size(), 2u);
  EXPECT_EQ(daemon_.detached, 1);
  ExpectError(Send("GET", "/v1/detach"), 405, "POST");
  EXPECT_EQ(daemon_.detached, 1);
}

TEST_F(ApiTest, UnknownPathsAndMethods) {
  for (const char* target : {"/", "/v1", "/v1/", "/v2/status", "/v1/statuses", "/v1/services/a/b",
                             "/v1/services/a/backends/b/c", "//v1/status"}) {
    ExpectError(Send("GET", target), 404, "is not in the API");
  }
  ExpectError(Send("DELETE", "/v1/services"), 405, "/v1/services does not take DELETE, but: GET POST");
  ExpectError(Send("", "/v1/status"), 405, "GET");
  ExpectError(Send("GET", "v1/status"), 400, "must begin with /");
  ExpectError(Send("GET", "/v1/%zz"), 400, "percent escape");
}

TEST_F(ApiTest, MetricsAreServedHereAndAlone) {
  const HttpResponse here = Send("GET", "/metrics");
  EXPECT_EQ(here.status, 200);
  EXPECT_EQ(here.content_type, "text/plain; version=0.0.4; charset=utf-8");
  const HttpResponse alone = HandleMetricsRequest({.method = "GET", .target = "/metrics", .body = ""}, daemon_);
  EXPECT_EQ(alone.body, here.body);
  for (const char* target : {"/v1/status", "/v1/detach", "/v1/services"}) {
    for (const char* method : {"GET", "POST"}) {
      const HttpResponse response = HandleMetricsRequest({.method = method, .target = target, .body = ""}, daemon_);
      EXPECT_EQ(response.status, 404) << method << target;
    }
  }
  EXPECT_EQ(daemon_.detached, 0);
}

}  // namespace
}  // namespace xlb
