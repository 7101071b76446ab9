#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "connections/load.h"

namespace xlb::bench {
namespace {

constexpr size_t kStreamPiece = 256 * 1024;
constexpr uint64_t kTakesAll = uint64_t{1} << 32;  // beside a connection's descriptor: its request was read

class Server {
 public:
  absl::Status Listen(uint16_t port) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (listener_ < 0 || setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        listen(listener_, 4096) != 0) {
      return ErrnoStatus(errno, fmt::format("cannot listen on port {}", port));
    }
    poll_ = epoll_create1(0);
    return Watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
  }

  absl::Status Loop() {
    epoll_event events[256];
    for (;;) {
      const int count = epoll_wait(poll_, events, std::size(events), -1);
      if (count < 0 && errno != EINTR) return ErrnoStatus(errno, "cannot wait for connections");
      for (int i = 0; i < count; i++) {
        const int fd = static_cast<int>(static_cast<uint32_t>(events[i].data.u64));
        if (fd == listener_) {
          XLB_RETURN_IF_ERROR(AcceptAll());
        } else if (events[i].events & EPOLLOUT) {
          GoOnStreaming(fd);
        } else if (events[i].data.u64 & kTakesAll) {
          TakeMore(fd);
        } else {
          Answer(fd);
        }
      }
    }
  }

 private:
  absl::Status Watch(int operation, int fd, uint32_t what, uint64_t mark = 0) {
    epoll_event event{};
    event.events = what;
    event.data.u64 = static_cast<uint32_t>(fd) | mark;
    if (epoll_ctl(poll_, operation, fd, &event) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, "cannot watch a connection");
  }

  absl::Status AcceptAll() {
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
      if (fd < 0) return absl::OkStatus();  // none left, or one that its client took back
      XLB_RETURN_IF_ERROR(Watch(EPOLL_CTL_ADD, fd, EPOLLIN));
    }
  }

  // A request is so short that it comes in one piece.
  void Answer(int fd) {
    char request[1024];
    const ssize_t length = recv(fd, request, sizeof(request) - 1, 0);
    if (length <= 0) {
      close(fd);
      return;
    }
    request[length] = 0;
    const std::string_view text(request);
    if (text.starts_with("GET /stream")) {
      if (!Watch(EPOLL_CTL_MOD, fd, EPOLLOUT).ok()) close(fd);
      return;
    }
    if (text.starts_with("PUT /stream")) {
      if (!Watch(EPOLL_CTL_MOD, fd, EPOLLIN, kTakesAll).ok()) close(fd);
      return;
    }
    const size_t bytes = text.starts_with("GET /") ? std::strtoul(request + 5, nullptr, 10) : 0;
    std::string answer = fmt::format("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", bytes);
    answer.append(bytes, 'x');
    (void)send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);  // a client that went away does not matter
    close(fd);
  }

  void GoOnStreaming(int fd) {
    if (send(fd, piece_.data(), piece_.size(), MSG_NOSIGNAL) < 0 && errno != EAGAIN) close(fd);
  }

  void TakeMore(int fd) {
    const ssize_t length = recv(fd, piece_.data(), piece_.size(), 0);
    if (length == 0 || (length < 0 && errno != EAGAIN)) close(fd);
  }

  int listener_ = -1;
  int poll_ = -1;
  std::vector<char> piece_ = std::vector<char>(kStreamPiece, 'x');
};

}  // namespace

absl::Status Serve(uint16_t port) {
  Server server;
  XLB_RETURN_IF_ERROR(server.Listen(port));
  return server.Loop();
}

}  // namespace xlb::bench
