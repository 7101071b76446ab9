#include "unit/docker/fake_docker.h"

#include <fmt/core.h>
#include <stdlib.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <filesystem>
#include <set>
#include <utility>

namespace xlb {

namespace asio = boost::asio;
using Unix = asio::local::stream_protocol;
using boost::system::error_code;

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "xlb-test-XXXXXX").string();
  path_ = mkdtemp(pattern.data());
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

FakeReply Ok(std::string_view body) {
  return {fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body)};
}

FakeReply Refuse(int status, std::string_view why) {
  const std::string body = fmt::format("{{\"message\":\"{}\"}}\n", why);
  return {fmt::format("HTTP/1.1 {} No\r\nContent-Length: {}\r\n\r\n{}", status, body.size(), body)};
}

std::string Chunk(std::string_view text) { return fmt::format("{:x}\r\n{}\r\n", text.size(), text); }

FakeReply Stream(std::string_view first) {
  std::string bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  if (!first.empty()) bytes += Chunk(first);
  return {std::move(bytes), true};
}

struct FakeDocker::Session : std::enable_shared_from_this<Session> {
  Session(Unix::socket accepted, std::shared_ptr<Shared> owner)
      : socket(std::move(accepted)), shared(std::move(owner)) {}
  void Read();
  void Send();

  Unix::socket socket;
  std::shared_ptr<Shared> shared;
  std::string request;
  FakeReply reply;
};

struct FakeDocker::Shared : std::enable_shared_from_this<Shared> {
  Shared(asio::io_context& loop, const std::string& path) : acceptor(loop, Unix::endpoint(path)) {}

  void Accept() {
    acceptor.async_accept([self = shared_from_this()](const error_code& error, Unix::socket socket) {
      if (error) return;
      std::make_shared<Session>(std::move(socket), self)->Read();
      self->Accept();
    });
  }

  Unix::acceptor acceptor;
  Answer answer;
  std::vector<std::string> targets;
  std::set<std::shared_ptr<Session>> open;
};

void FakeDocker::Session::Read() {
  asio::async_read_until(
      socket, asio::dynamic_buffer(request), "\r\n\r\n", [self = shared_from_this()](const error_code& error, size_t) {
        if (error) return;
        const size_t start = self->request.find(' ') + 1;
        const std::string target = self->request.substr(start, self->request.find(' ', start) - start);
        self->shared->targets.push_back(target);
        self->reply = self->shared->answer(target);
        self->Send();
      });
}

void FakeDocker::Session::Send() {
  asio::async_write(socket, asio::buffer(reply.bytes), [self = shared_from_this()](const error_code& error, size_t) {
    if (error) return;
    if (self->reply.repeat) {
      self->Send();
    } else if (self->reply.keep_open && self->shared->acceptor.is_open()) {
      self->shared->open.insert(self);
    }
  });
}

FakeDocker::FakeDocker(asio::io_context& loop, std::string path, Answer answer)
    : shared_(std::make_shared<Shared>(loop, path)) {
  shared_->answer = std::move(answer);
  shared_->Accept();
}

FakeDocker::~FakeDocker() { Stop(); }

void FakeDocker::Push(std::string_view line) {
  const std::string chunk = Chunk(line);
  error_code ignored;
  for (const auto& session : shared_->open) asio::write(session->socket, asio::buffer(chunk), ignored);
}

void FakeDocker::CloseStreams() { shared_->open.clear(); }

void FakeDocker::Stop() {
  if (!shared_->acceptor.is_open()) return;
  error_code ignored;
  std::filesystem::remove(shared_->acceptor.local_endpoint(ignored).path());
  shared_->acceptor.close(ignored);
  shared_->open.clear();
}

const std::vector<std::string>& FakeDocker::targets() const { return shared_->targets; }

bool RunUntil(asio::io_context& loop, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    if (loop.stopped()) loop.restart();
    loop.run_one_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace xlb
