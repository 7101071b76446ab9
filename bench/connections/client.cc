#include <fmt/core.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/unique_fd.h"
#include "connections/load.h"

namespace xlb::bench {
namespace {

using std::chrono::steady_clock;

double Seconds(Time from, Time to) { return std::chrono::duration<double>(to - from).count(); }
Time After(Time time, double seconds) {
  return time + std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(seconds));
}

const sockaddr* Address(const ClientOptions& options) { return reinterpret_cast<const sockaddr*>(&options.server); }

class Requester {
 public:
  explicit Requester(const ClientOptions& options)
      : options_(options), request_(fmt::format("GET /{} HTTP/1.0\r\n\r\n", options.bytes)), slots_(options.parallel) {}

  absl::StatusOr<Requests> Run() {
    poll_ = UniqueFd(epoll_create1(0));
    for (uint32_t slot = 0; slot < slots_.size(); slot++) XLB_RETURN_IF_ERROR(Begin(slot));
    XLB_RETURN_IF_ERROR(RunUntil(After(steady_clock::now(), options_.warm)));
    latencies_.clear();
    failed_ = 0;
    const Time start = steady_clock::now();
    XLB_RETURN_IF_ERROR(RunUntil(After(start, options_.seconds)));
    Requests requests{.answered = latencies_.size(), .failed = failed_, .seconds = Seconds(start, steady_clock::now())};
    requests.p50_us = Percentile(0.50);
    requests.p99_us = Percentile(0.99);
    return requests;
  }

 private:
  struct Slot {
    UniqueFd fd;
    Time start;
    size_t received = 0;
    bool asked = false;
  };

  absl::Status Begin(uint32_t index) {
    Slot& slot = slots_[index];
    slot.fd = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    slot.start = steady_clock::now();
    slot.received = 0;
    slot.asked = false;
    if (slot.fd.get() < 0) return ErrnoStatus(errno, "cannot make a socket");
    if (connect(slot.fd.get(), Address(options_), sizeof(options_.server)) != 0 && errno != EINPROGRESS) {
      return ErrnoStatus(errno, "cannot connect");
    }
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u32 = index;
    if (epoll_ctl(poll_.get(), EPOLL_CTL_ADD, slot.fd.get(), &event) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, "cannot watch a connection");
  }

  absl::Status RunUntil(Time end) {
    epoll_event events[256];
    while (steady_clock::now() < end) {
      const int count = epoll_wait(poll_.get(), events, std::size(events), 10);
      if (count < 0 && errno != EINTR) return ErrnoStatus(errno, "cannot wait for answers");
      for (int i = 0; i < count; i++) XLB_RETURN_IF_ERROR(Advance(events[i].data.u32, events[i].events));
    }
    return absl::OkStatus();
  }

  absl::Status Advance(uint32_t index, uint32_t events) {
    Slot& slot = slots_[index];
    if (!slot.asked && (events & EPOLLOUT) && !(events & EPOLLERR)) {
      slot.asked = send(slot.fd.get(), request_.data(), request_.size(), MSG_NOSIGNAL) > 0;
    }
    if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP))) return absl::OkStatus();
    char answer[16384];
    for (;;) {
      const ssize_t length = recv(slot.fd.get(), answer, sizeof(answer), 0);
      if (length < 0 && errno == EAGAIN) return absl::OkStatus();
      if (length > 0) {
        slot.received += static_cast<size_t>(length);
        continue;
      }
      if (length == 0 && slot.received > options_.bytes) {  // the head is there, too
        latencies_.push_back(std::chrono::duration<double, std::micro>(steady_clock::now() - slot.start).count());
      } else {
        failed_++;
      }
      return Begin(index);
    }
  }

  double Percentile(double part) {
    if (latencies_.empty()) return 0;
    const auto at = latencies_.begin() + static_cast<long>(part * static_cast<double>(latencies_.size() - 1));
    std::nth_element(latencies_.begin(), at, latencies_.end());
    return *at;
  }

  const ClientOptions& options_;
  std::string request_;
  UniqueFd poll_;
  std::vector<Slot> slots_;
  std::vector<double> latencies_;
  uint64_t failed_ = 0;
};

absl::StatusOr<uint64_t> ReceiveUntil(int fd, Time end) {
  std::vector<char> piece(256 * 1024);
  uint64_t bytes = 0;
  while (steady_clock::now() < end) {
    const ssize_t length = recv(fd, piece.data(), piece.size(), 0);
    if (length <= 0) return absl::UnavailableError("the stream ended");
    bytes += static_cast<uint64_t>(length);
  }
  return bytes;
}

// Bytes that the other side has acknowledged.
absl::StatusOr<uint64_t> SendUntil(int fd, Time end, uint64_t& sent) {
  const std::vector<char> piece(256 * 1024, 'x');
  while (steady_clock::now() < end) {
    const ssize_t length = send(fd, piece.data(), piece.size(), MSG_NOSIGNAL);
    if (length <= 0) return absl::UnavailableError("the stream ended");
    sent += static_cast<uint64_t>(length);
  }
  int waiting = 0;
  if (ioctl(fd, SIOCOUTQ, &waiting) != 0) return ErrnoStatus(errno, "cannot ask what was acknowledged");
  return sent - static_cast<uint64_t>(waiting);
}

absl::StatusOr<UniqueFd> Ask(const ClientOptions& options, std::string_view request) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  if (connect(fd.get(), Address(options), sizeof(options.server)) != 0 ||
      send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
    return ErrnoStatus(errno, "cannot connect");
  }
  return fd;
}

}  // namespace

absl::StatusOr<Requests> Request(const ClientOptions& options) { return Requester(options).Run(); }

absl::StatusOr<Transfer> Download(const ClientOptions& options) {
  XLB_ASSIGN_OR_RETURN(const UniqueFd fd, Ask(options, "GET /stream HTTP/1.0\r\n\r\n"));
  XLB_RETURN_IF_ERROR(ReceiveUntil(fd.get(), After(steady_clock::now(), options.warm)).status());
  const Time start = steady_clock::now();
  XLB_ASSIGN_OR_RETURN(const uint64_t bytes, ReceiveUntil(fd.get(), After(start, options.seconds)));
  return Transfer{.bytes = bytes, .seconds = Seconds(start, steady_clock::now())};
}

absl::StatusOr<Transfer> Upload(const ClientOptions& options) {
  XLB_ASSIGN_OR_RETURN(const UniqueFd fd, Ask(options, "PUT /stream HTTP/1.0\r\n\r\n"));
  uint64_t sent = 0;
  XLB_ASSIGN_OR_RETURN(const uint64_t before, SendUntil(fd.get(), After(steady_clock::now(), options.warm), sent));
  const Time start = steady_clock::now();
  XLB_ASSIGN_OR_RETURN(const uint64_t after, SendUntil(fd.get(), After(start, options.seconds), sent));
  return Transfer{.bytes = after - before, .seconds = Seconds(start, steady_clock::now())};
}

}  // namespace xlb::bench
