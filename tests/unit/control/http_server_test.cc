#include "control/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <atomic>
#include <random>

#include "unit/control/server_fixture.h"

namespace xlb {
namespace {

using namespace std::chrono_literals;

HttpLimits SmallLimits() {
  HttpLimits limits;
  limits.header_bytes = 1024;
  limits.body_bytes = 100'000;
  limits.connections = 8;
  limits.request_time = 300ms;
  limits.response_time = 300ms;
  limits.idle_time = 300ms;
  limits.poll_interval = 10ms;
  return limits;
}

// Says what it was asked.
HttpResponse Echo(const HttpRequest& request) {
  HttpResponse response;
  response.body = fmt::format("{} {} {}", request.method, request.target, request.body.size());
  return response;
}

class HttpServerTest : public testing::Test {
 protected:
  void Serve(HttpHandler handler, HttpLimits limits = SmallLimits()) {
    server_.emplace(directory_.path() + "/xlbd.sock", std::move(handler), limits);
  }
  RawClient Connect() {
    RawClient client(server_->path());
    EXPECT_TRUE(client.connected());
    return client;
  }
  void ExpectAlive() {
    RawClient client = Connect();
    client.Send("GET /alive HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_NE(client.ReadAll().find("GET /alive 0"), std::string::npos);
  }

  TemporaryDirectory directory_;
  std::optional<ServerThread> server_;
};

TEST_F(HttpServerTest, AnswersManyRequestsOnOneConnection) {
  Serve(Echo);
  RawClient client = Connect();
  for (int i = 0; i < 3; ++i) {
    client.Send(fmt::format("PUT /{} HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", i));
    const std::string response = client.ReadResponse();
    EXPECT_EQ(response.rfind("HTTP/1.1 200 OK\r\n", 0), 0u) << response;
    EXPECT_NE(response.find("Content-Type: application/json\r\n"), std::string::npos);
    EXPECT_NE(response.find(fmt::format("\r\n\r\nPUT /{} 4", i)), std::string::npos) << response;
  }
}

TEST_F(HttpServerTest, TakesRequestsInPiecesAndInHeaps) {
  Serve(Echo);
  RawClient slow = Connect();
  for (const char c : std::string_view("PUT /slow HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")) slow.Send({&c, 1});
  EXPECT_NE(slow.ReadResponse().find("PUT /slow 3"), std::string::npos);
  RawClient eager = Connect();
  eager.Send("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string both = eager.ReadAll();
  EXPECT_NE(both.find("GET /1 0"), std::string::npos);
  EXPECT_NE(both.find("GET /2 0"), std::string::npos);
}

TEST_F(HttpServerTest, TakesChunkedBodiesAndExpect) {
  Serve(Echo);
  RawClient chunked = Connect();
  chunked.Send("PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_NE(chunked.ReadResponse().find("PUT /c 5"), std::string::npos);
  RawClient polite = Connect();  // as curl for bodies over a megabyte
  polite.Send("PUT /e HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(polite.ReadSome(5000).value_or("").rfind("HTTP/1.1 100 Continue\r\n", 0), 0u);
  polite.Send("abc");
  EXPECT_NE(polite.ReadResponse().find("PUT /e 3"), std::string::npos);
}

TEST_F(HttpServerTest, AnswersWithoutABody) {
  Serve([](const HttpRequest&) {
    HttpResponse response;
    response.status = 204;
    return response;
  });
  RawClient client = Connect();
  client.Send("DELETE /x HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string response = client.ReadAll();
  EXPECT_EQ(response.rfind("HTTP/1.1 204 No Content\r\n", 0), 0u) << response;
  EXPECT_EQ(response.substr(response.size() - 4), "\r\n\r\n");
}

TEST_F(HttpServerTest, ClientsThatHalfCloseGetTheirAnswer) {
  Serve(Echo);
  RawClient client = Connect();
  client.Send("GET /half HTTP/1.1\r\n\r\n");
  client.EndOfRequests();
  EXPECT_NE(client.ReadAll().find("GET /half 0"), std::string::npos);
}

TEST_F(HttpServerTest, GarbageIsAnsweredAndClosed) {
  Serve(Echo);
  for (const std::string& garbage :
       {std::string("hello\r\n\r\n"), std::string("\x16\x03\x01\x02\x00 TLS\r\n\r\n"), std::string(64, '\0'),
        std::string("GET / HTTP/9.9\r\n\r\n"), std::string("GET  HTTP/1.1\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nno colon\r\n\r\n"), std::string("PUT / HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
        std::string("PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        std::string("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")}) {
    RawClient client = Connect();
    client.Send(garbage);
    const std::string response = client.ReadAll();
    EXPECT_EQ(response.rfind("HTTP/1.1 400 Bad Request\r\n", 0), 0u) << garbage << " -> " << response;
    EXPECT_NE(response.find("{\"error\":\"this is not HTTP/1.1: "), std::string::npos) << response;
  }
  ExpectAlive();
}

TEST_F(HttpServerTest, RandomBytesDoNotHurt) {
  Serve(Echo);
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    std::string bytes = i % 2 == 0 ? "PUT / HTTP/1.1\r\nContent-Length: 20\r\n\r\n" : "";
    for (size_t j = 0; j < 1 + random() % 200; ++j) bytes += static_cast<char>(random());
    if (i % 2 == 0) bytes[random() % 40] = static_cast<char>(random());
    RawClient client = Connect();
    client.Send(bytes);
    client.EndOfRequests();
    client.ReadAll();
  }
  ExpectAlive();
}

TEST_F(HttpServerTest, TooMuchIsRefusedWithAWord) {
  Serve(Echo);
  RawClient header = Connect();
  header.Send("GET / HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n");
  EXPECT_EQ(header.ReadAll().rfind("HTTP/1.1 431 ", 0), 0u);
  RawClient announced = Connect();
  announced.Send("PUT / HTTP/1.1\r\nContent-Length: 100001\r\n\r\n");
  EXPECT_EQ(announced.ReadAll().rfind("HTTP/1.1 413 ", 0), 0u);
  RawClient fits = Connect();
  fits.Send("PUT /fits HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + std::string(100'000, 'x'));
  EXPECT_NE(fits.ReadResponse().find("PUT /fits 100000"), std::string::npos);
  RawClient unannounced = Connect();
  unannounced.Send("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n" + std::string(0x20000, 'x'));
  EXPECT_EQ(unannounced.ReadAll().rfind("HTTP/1.1 413 ", 0), 0u);
  ExpectAlive();
}

TEST_F(HttpServerTest, SlowClientsAreClosed) {
  Serve(Echo);
  RawClient idle = Connect();
  RawClient partial_header = Connect();
  partial_header.Send("GET / HT");
  RawClient partial_body = Connect();
  partial_body.Send("PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(idle.ReadAll(), "");
  EXPECT_EQ(partial_header.ReadAll(), "");
  EXPECT_EQ(partial_body.ReadAll(), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  ExpectAlive();
}

TEST_F(HttpServerTest, AClientThatDoesNotReadIsClosed) {
  Serve([](const HttpRequest& request) {
    HttpResponse response = Echo(request);
    if (request.target == "/big") response.body.assign(50'000'000, 'x');
    return response;
  });
  RawClient client = Connect();
  client.Send("GET /big HTTP/1.1\r\n\r\n");
  std::this_thread::sleep_for(600ms);  // longer than response_time
  EXPECT_LT(client.ReadAll().size(), 50'000'000u);
  ExpectAlive();
}

TEST_F(HttpServerTest, PartialRequestsThatEndAreForgotten) {
  Serve(Echo);
  for (const char* part : {"", "G", "GET / HTTP/1.1\r\n", "PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"}) {
    RawClient client = Connect();
    client.Send(part);
    client.EndOfRequests();
    EXPECT_EQ(client.ReadAll(), "") << part;
  }
  ExpectAlive();
}

TEST_F(HttpServerTest, OneConnectionTooManyIsTold) {
  HttpLimits limits = SmallLimits();
  limits.idle_time = 60s;
  Serve(Echo, limits);
  std::vector<RawClient> clients;
  for (size_t i = 0; i < limits.connections; ++i) {
    clients.push_back(Connect());
    clients.back().Send("GET / HTTP/1.1\r\n\r\n");
    EXPECT_NE(clients.back().ReadResponse(), "");
  }
  RawClient refused = Connect();
  const std::string response = refused.ReadAll();
  EXPECT_EQ(response.rfind("HTTP/1.1 503 Service Unavailable\r\n", 0), 0u) << response;
  EXPECT_NE(response.find("{\"error\":\"too many connections"), std::string::npos);
  clients.pop_back();
  std::this_thread::sleep_for(100ms);  // the server has to notice
  ExpectAlive();
}

TEST_F(HttpServerTest, ManyClientsInARow) {
  Serve(Echo);
  for (int i = 0; i < 1000; ++i) {
    RawClient client = Connect();
    client.Send("GET /alive HTTP/1.1\r\nConnection: close\r\n\r\n");
    ASSERT_NE(client.ReadAll().find("GET /alive 0"), std::string::npos) << i;
  }
}

TEST_F(HttpServerTest, AHandlerThatThrowsIsAnError) {
  Serve([](const HttpRequest& request) {
    if (request.target == "/throw") throw std::runtime_error("out of luck");
    return Echo(request);
  });
  RawClient client = Connect();
  client.Send("GET /throw HTTP/1.1\r\n\r\n");
  const std::string response = client.ReadResponse();
  EXPECT_EQ(response.rfind("HTTP/1.1 500 ", 0), 0u);
  EXPECT_NE(response.find("out of luck"), std::string::npos);
  ExpectAlive();
}

TEST_F(HttpServerTest, APendingAnswerComesWhenItIsThere) {
  std::atomic<bool> ready = false;
  std::atomic<int64_t> waited = 0;
  Serve([&](const HttpRequest& request) {
    HttpResponse response = Echo(request);
    response.pending = !ready;
    waited = request.waited.count();
    return response;
  });
  RawClient client = Connect();
  client.Send("GET /poll HTTP/1.1\r\nConnection: close\r\n\r\n");
  // Longer than every timeout: while the daemon makes the client wait, the client is not slow.
  EXPECT_FALSE(client.ReadSome(500).has_value());
  EXPECT_GT(waited, 300);
  ready = true;
  EXPECT_NE(client.ReadAll().find("GET /poll 0"), std::string::npos);
}

TEST_F(HttpServerTest, NobodyIsAskedForAClientThatLeft) {
  std::atomic<int> asked = 0;
  Serve([&](const HttpRequest&) {
    ++asked;
    HttpResponse response;
    response.pending = true;
    return response;
  });
  RawClient client = Connect();
  client.Send("GET /poll HTTP/1.1\r\n\r\n");
  std::this_thread::sleep_for(100ms);
  client.Close();
  std::this_thread::sleep_for(100ms);
  const int then = asked;
  EXPECT_GT(then, 1);
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(asked, then);
}

TEST_F(HttpServerTest, StoppingClosesEveryConnection) {
  Serve([](const HttpRequest& request) {
    HttpResponse response = Echo(request);
    response.pending = request.target == "/poll";
    return response;
  });
  RawClient idle = Connect();
  RawClient polling = Connect();
  polling.Send("GET /poll HTTP/1.1\r\n\r\n");
  RawClient writing = Connect();
  writing.Send("PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
  std::this_thread::sleep_for(50ms);
  const std::string path = server_->path();
  server_.reset();
  EXPECT_EQ(idle.ReadAll(), "");
  EXPECT_EQ(polling.ReadAll(), "");
  EXPECT_EQ(writing.ReadAll(), "");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(HttpServerTcpTest, ServesOnAPort) {
  boost::asio::io_context io;
  auto server = HttpServer::ListenTcp(io, "127.0.0.1:0", Echo);
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_NE((*server)->port(), 0);
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons((*server)->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  const std::string request = "GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n";
  ASSERT_EQ(send(fd.get(), request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  io.run_for(200ms);
  char response[1000] = {};
  EXPECT_GT(recv(fd.get(), response, sizeof(response) - 1, MSG_DONTWAIT), 0);
  EXPECT_NE(std::string(response).find("GET /metrics 0"), std::string::npos) << response;
  const auto second = HttpServer::ListenTcp(io, fmt::format("127.0.0.1:{}", (*server)->port()), Echo);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find("cannot listen on 127.0.0.1:"), absl::string_view::npos) << second.status();
}

TEST(HttpServerTcpTest, BadAddressesAreRefused) {
  boost::asio::io_context io;
  for (const char* text : {"", "9650", ":9650", "localhost:9650", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999",
                           "127.0.0.1:80x", "300.0.0.1:80"}) {
    const auto server = HttpServer::ListenTcp(io, text, Echo);
    ASSERT_TRUE(absl::IsInvalidArgument(server.status())) << text << server.status();
  }
}

}  // namespace
}  // namespace xlb
