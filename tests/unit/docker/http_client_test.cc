// Every way in which a socket can fail gives one line that names it.
#include "docker/http_client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <cstring>
#include <optional>

#include "base/unique_fd.h"
#include "unit/docker/fake_docker.h"

namespace xlb {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

DockerHttpLimits ShortLimits() {
  DockerHttpLimits limits;
  limits.connect = limits.headers = limits.body = milliseconds(100);
  limits.body_bytes = 100'000;
  limits.line_bytes = 1000;
  return limits;
}

asio::awaitable<void> GetInto(HttpClient& client, std::string target,
                              std::optional<absl::StatusOr<DockerHttpResponse>>& result) {
  result = co_await client.Get(std::move(target));
}

asio::awaitable<void> LinesInto(HttpClient& client, std::vector<std::string>& lines,
                                std::optional<absl::StatusOr<DockerHttpResponse>>& result) {
  std::function<void()> on_open = [] {};
  std::function<void(std::string_view)> on_line = [&lines](std::string_view line) { lines.emplace_back(line); };
  result = co_await client.GetLines("/events?filters=x", std::move(on_open), std::move(on_line));
}

class HttpClientTest : public ::testing::Test {
 protected:
  absl::StatusOr<DockerHttpResponse> Get() {
    HttpClient client(loop_.get_executor(), socket_, ShortLimits());
    asio::co_spawn(loop_, GetInto(client, "/tasks?x=1", result_), asio::detached);
    EXPECT_TRUE(RunUntil(loop_, [this] { return result_.has_value(); }));
    return result_.value_or(absl::UnknownError("no end"));
  }

  absl::Status GetFrom(FakeReply reply) {
    FakeDocker server(loop_, socket_, [&reply](const std::string&) { return reply; });
    return Get().status();
  }

  void ExpectOneLine(const absl::Status& status, absl::StatusCode code, const std::string& part) {
    EXPECT_EQ(status.code(), code) << status;
    const std::string message(status.message());
    EXPECT_NE(message.find(socket_), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }

  asio::io_context loop_;
  TemporaryDirectory directory_;
  std::string socket_ = directory_.path() + "/docker.sock";
  std::optional<absl::StatusOr<DockerHttpResponse>> result_;
};

TEST_F(HttpClientTest, NoSocket) {
  ExpectOneLine(Get().status(), absl::StatusCode::kFailedPrecondition, "does not exist: is Docker installed");
}

TEST_F(HttpClientTest, ASocketThatNobodyServes) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_.c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ExpectOneLine(Get().status(), absl::StatusCode::kUnavailable, "refuses connections: is dockerd running?");
}

TEST_F(HttpClientTest, APathTooLongForASocket) {
  socket_ = directory_.path() + "/" + std::string(200, 'x');
  ExpectOneLine(Get().status(), absl::StatusCode::kInvalidArgument, "too long");
}

TEST_F(HttpClientTest, SilenceBeforeTheHeader) {
  ExpectOneLine(GetFrom({"", true}), absl::StatusCode::kDeadlineExceeded, "does not answer GET /tasks in time");
  result_.reset();
  ExpectOneLine(GetFrom({"HTTP/1.1 200 OK\r\nContent-", true}), absl::StatusCode::kDeadlineExceeded, "in time");
}

TEST_F(HttpClientTest, SilenceInTheBody) {
  ExpectOneLine(GetFrom({"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", true}),
                absl::StatusCode::kDeadlineExceeded, "is dockerd hung?");
}

TEST_F(HttpClientTest, ClosedEarly) {
  for (const char* bytes : {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}) {
    result_.reset();
    ExpectOneLine(GetFrom({bytes}), absl::StatusCode::kUnavailable, "closed the connection before GET /tasks was");
  }
}

TEST_F(HttpClientTest, Garbage) {
  for (const char* bytes : {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "\x16\x03\x01\x02", "HTTP/1.1 OK\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    result_.reset();
    const absl::Status status = GetFrom({bytes, true});
    if (absl::IsDeadlineExceeded(status)) continue;  // too short to tell
    ExpectOneLine(status, absl::StatusCode::kDataLoss, "does not speak HTTP");
  }
}

TEST_F(HttpClientTest, EndlessHeader) {
  ExpectOneLine(GetFrom({"HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x'), true}), absl::StatusCode::kDataLoss,
                "does not speak HTTP");
}

TEST_F(HttpClientTest, EndlessBody) {
  // The header comes again and again too: by then it is body.
  const std::string body(10'000, 'x');
  ExpectOneLine(GetFrom({"HTTP/1.1 200 OK\r\n\r\n" + body, false, true}), absl::StatusCode::kResourceExhausted,
                "answers GET /tasks without end");
  result_.reset();
  ExpectOneLine(GetFrom({"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", true}),
                absl::StatusCode::kResourceExhausted, "without end");
}

TEST_F(HttpClientTest, ReadsChunks) {
  FakeDocker server(loop_, socket_, [](const std::string&) {
    return FakeReply{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"};
  });
  const auto response = Get();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 200u);
  EXPECT_EQ(response->body, "[1,2]");
  EXPECT_EQ(server.targets(), std::vector<std::string>{"/tasks?x=1"});
}

TEST_F(HttpClientTest, AbortEndsARequest) {
  FakeDocker server(loop_, socket_, [](const std::string&) { return FakeReply{"", true}; });
  HttpClient client(loop_.get_executor(), socket_, DockerHttpLimits());
  asio::co_spawn(loop_, GetInto(client, "/tasks", result_), asio::detached);
  ASSERT_TRUE(RunUntil(loop_, [&] { return !server.targets().empty(); }));
  client.Abort();
  ASSERT_TRUE(RunUntil(loop_, [this] { return result_.has_value(); }));
  EXPECT_TRUE(absl::IsCancelled(result_->status())) << result_->status();
}

TEST_F(HttpClientTest, LinesComeAsTheyAreSent) {
  FakeDocker server(loop_, socket_, [](const std::string&) { return Stream("{\"a\":1}\n{\"b\""); });
  HttpClient client(loop_.get_executor(), socket_, ShortLimits());
  std::vector<std::string> lines;
  asio::co_spawn(loop_, LinesInto(client, lines, result_), asio::detached);
  ASSERT_TRUE(RunUntil(loop_, [&] { return lines.size() == 1; }));
  EXPECT_EQ(lines[0], "{\"a\":1}");
  // Longer than every timeout: a stream may be silent.
  loop_.run_for(milliseconds(300));
  EXPECT_FALSE(result_.has_value());
  server.Push(":2}\n\n{\"c\":3}\n");
  ASSERT_TRUE(RunUntil(loop_, [&] { return lines.size() == 3; }));
  EXPECT_EQ(lines[1], "{\"b\":2}");
  EXPECT_EQ(lines[2], "{\"c\":3}");
  server.CloseStreams();
  ASSERT_TRUE(RunUntil(loop_, [this] { return result_.has_value(); }));
  ExpectOneLine(result_->status(), absl::StatusCode::kUnavailable, "closed the connection before GET /events was");
}

TEST_F(HttpClientTest, ALineWithoutEnd) {
  FakeDocker server(loop_, socket_, [](const std::string&) { return Stream(std::string(3000, 'x')); });
  HttpClient client(loop_.get_executor(), socket_, ShortLimits());
  std::vector<std::string> lines;
  asio::co_spawn(loop_, LinesInto(client, lines, result_), asio::detached);
  ASSERT_TRUE(RunUntil(loop_, [this] { return result_.has_value(); }));
  ExpectOneLine(result_->status(), absl::StatusCode::kResourceExhausted, "without end");
}

TEST_F(HttpClientTest, DestroyedWithRequestsUnderWay) {
  FakeDocker server(loop_, socket_, [](const std::string&) { return Stream(""); });
  std::vector<std::string> lines;
  std::optional<absl::StatusOr<DockerHttpResponse>> other;
  {
    HttpClient client(loop_.get_executor(), socket_, DockerHttpLimits());
    asio::co_spawn(loop_, LinesInto(client, lines, result_), asio::detached);
    asio::co_spawn(loop_, GetInto(client, "/tasks", other), asio::detached);
    ASSERT_TRUE(RunUntil(loop_, [&] { return server.targets().size() == 2; }));
  }
  ASSERT_TRUE(RunUntil(loop_, [&] { return result_.has_value() && other.has_value(); }));
  EXPECT_TRUE(absl::IsCancelled(result_->status())) << result_->status();
  EXPECT_TRUE(absl::IsCancelled(other->status())) << other->status();
}

}  // namespace
}  // namespace xlb
