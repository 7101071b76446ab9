#include "docker/client.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/array.hpp>
#include <optional>

#include "unit/docker/fake_docker.h"

namespace xlb {
namespace {

namespace asio = boost::asio;

TEST(ChooseApiVersionTest, TakesTheLowerOfBothSidesNewest) {
  EXPECT_EQ(*ChooseApiVersion("1.41", "1.12"), "1.41");  // 20.10
  EXPECT_EQ(*ChooseApiVersion("1.47", "1.24"), "1.44");
  EXPECT_EQ(*ChooseApiVersion("1.52", "1.44"), "1.44");  // 29
  EXPECT_EQ(*ChooseApiVersion("1.40", ""), "1.40");
}

TEST(ChooseApiVersionTest, RefusesWithAReason) {
  EXPECT_TRUE(absl::IsUnimplemented(ChooseApiVersion("1.60", "1.45").status()));
  EXPECT_TRUE(absl::IsUnimplemented(ChooseApiVersion("1.39", "1.12").status()));
  EXPECT_TRUE(absl::IsUnimplemented(ChooseApiVersion("2.0", "2.0").status()));
  for (const char* api : {"", "1", "1.", "one.two", "1.41x", ".41", "1.99999999999"}) {
    EXPECT_TRUE(absl::IsDataLoss(ChooseApiVersion(api, "1.12").status())) << api;
  }
}

class DockerClientTest : public ::testing::Test {
 protected:
  template <typename Result>
  Result Run(asio::awaitable<Result> work) {
    std::optional<Result> result;
    asio::co_spawn(loop_, Store(std::move(work), result), asio::detached);
    EXPECT_TRUE(RunUntil(loop_, [&] { return result.has_value(); }));
    return result ? *std::move(result) : Result(absl::UnknownError("no end"));
  }
  template <typename Result>
  static asio::awaitable<void> Store(asio::awaitable<Result> work, std::optional<Result>& result) {
    result = co_await std::move(work);
  }

  asio::io_context loop_;
  TemporaryDirectory directory_;
  std::string socket_ = directory_.path() + "/docker.sock";
  DockerClient client_{loop_.get_executor(), socket_};
};

TEST_F(DockerClientTest, NegotiatesOnceAndKeepsToIt) {
  FakeDocker server(loop_, socket_, [](const std::string& target) {
    if (target == "/version") return Ok(R"({"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12"})");
    return Ok("[1]");
  });
  const auto version = Run(client_.Negotiate());
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->version, "20.10.24");
  const auto tasks = Run(client_.Get("/tasks"));
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  EXPECT_EQ(tasks->as_array().size(), 1u);
  EXPECT_EQ(server.targets(), (std::vector<std::string>{"/version", "/v1.41/tasks"}));
}

TEST_F(DockerClientTest, RefusesAServerOfAnotherTime) {
  FakeDocker server(loop_, socket_, [](const std::string&) {
    return Ok(R"({"Version":"99","ApiVersion":"3.1","MinAPIVersion":"3.0"})");
  });
  const absl::Status status = Run(client_.Negotiate()).status();
  EXPECT_EQ(status.message(), "cannot talk to " + socket_ +
                                  ": it speaks API versions from 3.0 and xlb up to 1.44: "
                                  "upgrade xlb");
  EXPECT_EQ(client_.api_version(), "");
}

TEST_F(DockerClientTest, PassesOnWhatDockerSays) {
  int code = 503;
  FakeDocker server(loop_, socket_, [&code](const std::string&) { return Refuse(code, "not a manager"); });
  absl::Status status = Run(client_.Get("/tasks")).status();
  EXPECT_EQ(status, absl::AbortedError("Docker refuses GET /tasks: not a manager"));
  EXPECT_TRUE(IsRefusal(status));
  code = 404;
  EXPECT_TRUE(absl::IsNotFound(Run(client_.Get("/networks/x")).status()));
  code = 500;
  EXPECT_TRUE(absl::IsInternal(Run(client_.Get("/tasks")).status()));
  const absl::Status events = Run(client_.Events(
      {"node"}, [] {}, [](const DockerEvent&) {}));
  EXPECT_EQ(events, absl::InternalError("Docker refuses GET /events: not a manager"));
}

TEST_F(DockerClientTest, RefusesWhatIsNotJson) {
  std::string body;
  FakeDocker server(loop_, socket_, [&body](const std::string&) { return Ok(body); });
  for (const char* text : {"", "{", "[1,2", "<html>", "{\"a\":1} x", "nul"}) {
    body = text;
    const absl::Status status = Run(client_.Get("/info")).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << text << ": " << status;
    EXPECT_NE(std::string(status.message()).find(socket_), std::string::npos);
  }
  body.assign(100'000, '[');
  EXPECT_TRUE(absl::IsDataLoss(Run(client_.Get("/info")).status()));
}

TEST_F(DockerClientTest, FollowsEvents) {
  FakeDocker server(loop_, socket_, [](const std::string&) {
    return Stream(R"({"Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"exitCode":"1"}}})"
                  "\n");
  });
  std::vector<DockerEvent> events;
  bool opened = false;
  std::optional<absl::Status> end;
  std::vector<std::string> types = {"container", "node"};
  asio::co_spawn(loop_,
                 Store(client_.Events(
                           types, [&] { opened = true; }, [&](const DockerEvent& event) { events.push_back(event); }),
                       end),
                 asio::detached);
  ASSERT_TRUE(RunUntil(loop_, [&] { return events.size() == 1; }));
  EXPECT_TRUE(opened);
  EXPECT_EQ(events[0], (DockerEvent{"container", "die", "c1", {{"exitCode", "1"}}}));
  EXPECT_EQ(server.targets()[0], "/events?filters=%7B%22type%22%3A%5B%22container%22%2C%22node%22%5D%7D");
  // A line that is no JSON is left out.
  server.Push("garbage\n{\"Type\":\"node\"}\n");
  ASSERT_TRUE(RunUntil(loop_, [&] { return events.size() == 2; }));
  EXPECT_EQ(events[1].type, "node");
  client_.Abort();
  ASSERT_TRUE(RunUntil(loop_, [&] { return end.has_value(); }));
  EXPECT_TRUE(absl::IsCancelled(*end)) << *end;
}

}  // namespace
}  // namespace xlb
