// A real server on its own thread, as the daemon's loop would run it, and raw clients that speak whatever they like.
#ifndef XLB_TESTS_UNIT_CONTROL_SERVER_FIXTURE_H_
#define XLB_TESTS_UNIT_CONTROL_SERVER_FIXTURE_H_

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "control/http_server.h"

namespace xlb {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = testing::TempDir() + "xlb-test-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Serves `handler` on "<directory>/xlbd.sock" until it is destroyed.
class ServerThread {
 public:
  ServerThread(const std::string& path, HttpHandler handler, HttpLimits limits = {}) : path_(path) {
    auto server = HttpServer::ListenUnix(io_, path, "", std::move(handler), limits);
    EXPECT_TRUE(server.ok()) << server.status();
    if (server.ok()) server_ = *std::move(server);
    thread_ = std::thread([this] {
      const auto work = boost::asio::make_work_guard(io_);
      io_.run();
    });
  }
  ~ServerThread() {
    Run([this] { server_.reset(); });
    io_.stop();
    thread_.join();
  }

  // Runs `task` on the server's thread and waits for it.
  void Run(std::function<void()> task) {
    std::promise<void> done;
    boost::asio::post(io_, [&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  boost::asio::io_context io_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
};

// A socket and no manners.
class RawClient {
 public:
  explicit RawClient(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    connected_ = connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }

  bool connected() const { return connected_; }
  void Close() { fd_.Reset(); }
  void EndOfRequests() { shutdown(fd_.get(), SHUT_WR); }

  // False once the server no longer listens.
  bool Send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  // Everything until the server closes; what came so far, if it does not within `seconds`.
  std::string ReadAll(int seconds = 10) {
    std::string text;
    while (const std::optional<std::string> more = ReadSome(seconds * 1000)) text += *more;
    return text;
  }

  // One complete response of a connection that stays open: header and as many bytes as Content-Length says.
  std::string ReadResponse() {
    std::string text;
    for (;;) {
      const size_t header = text.find("\r\n\r\n");
      if (header != std::string::npos) {
        const size_t length = text.find("Content-Length: ");
        const size_t body = length < header ? std::strtoul(text.c_str() + length + 16, nullptr, 10) : 0;
        if (text.size() >= header + 4 + body) return text;
      }
      const std::optional<std::string> more = ReadSome(10'000);
      if (!more) return text;
      text += *more;
    }
  }

  // Nothing: closed, or silent for so long.
  std::optional<std::string> ReadSome(int milliseconds) {
    pollfd wait{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (poll(&wait, 1, milliseconds) <= 0) return std::nullopt;
    char buffer[65536];
    const ssize_t size = recv(fd_.get(), buffer, sizeof(buffer), 0);
    if (size <= 0) return std::nullopt;
    return std::string(buffer, static_cast<size_t>(size));
  }

 private:
  UniqueFd fd_;
  bool connected_ = false;
};

}  // namespace xlb

#endif  // XLB_TESTS_UNIT_CONTROL_SERVER_FIXTURE_H_
