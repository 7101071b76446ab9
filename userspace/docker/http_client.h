// HTTP/1.1 GET over a unix socket.
#ifndef XLB_DOCKER_HTTP_CLIENT_H_
#define XLB_DOCKER_HTTP_CLIENT_H_

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace xlb {

struct DockerHttpLimits {
  std::chrono::milliseconds connect{2000};
  std::chrono::milliseconds headers{10000};  // request written and the whole header read
  std::chrono::milliseconds body{20000};
  size_t body_bytes = size_t{64} << 20;
  size_t line_bytes = size_t{1} << 20;  // of one line of a stream
};

struct DockerHttpResponse {
  unsigned status = 0;
  std::string body;
};

// One connection a request. Every error is one line that names the socket. Codes: FailedPrecondition (no such socket),
// PermissionDenied, Unavailable (refused, closed early), DeadlineExceeded, DataLoss (not HTTP), ResourceExhausted (too
// long), Cancelled (Abort).
//
// The object may be destroyed while coroutines are suspended in it: they end with Cancelled.
class HttpClient {
 public:
  HttpClient(boost::asio::any_io_executor executor, std::string socket_path, DockerHttpLimits limits);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  boost::asio::awaitable<absl::StatusOr<DockerHttpResponse>> Get(std::string target);
  // Calls back for every line of an answer without end; `on_open` comes first. Returns an error when it does end, and
  // the response when the server answers anything but 200.
  boost::asio::awaitable<absl::StatusOr<DockerHttpResponse>> GetLines(std::string target, std::function<void()> on_open,
                                                                      std::function<void(std::string_view)> on_line);
  // Ends every request under way.
  void Abort();

  struct Shared;  // the implementation's

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace xlb

#endif  // XLB_DOCKER_HTTP_CLIENT_H_
