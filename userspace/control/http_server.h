// Serves HTTP/1.1 on a unix socket or a TCP address, on the daemon's event loop.
#ifndef XLB_CONTROL_HTTP_SERVER_H_
#define XLB_CONTROL_HTTP_SERVER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "control/http.h"

namespace boost::asio {
class io_context;
}

namespace xlb {

// What one client may cost. A client beyond a limit gets an HTTP error or a closed connection, never the daemon's life.
struct HttpLimits {
  size_t header_bytes = 16 * 1024;
  size_t body_bytes = 64 * 1024 * 1024;
  size_t connections = 64;                          // one more is answered 503 and closed
  std::chrono::milliseconds request_time{30'000};   // from a request's first byte to its last
  std::chrono::milliseconds response_time{30'000};  // for the client to take the answer
  std::chrono::milliseconds idle_time{60'000};      // between requests on one connection
  std::chrono::milliseconds poll_interval{100};     // between two questions to a handler that said `pending`

  // For a TCP port, where anybody may knock: small requests, few of them, not for long.
  static HttpLimits ForStrangers();
};

// Lives on one io_context, and every call, the handler's included, on its thread. Destroying it closes the listener and
// every connection; the handler is not called afterwards.
class HttpServer {
 public:
  // Unix socket, mode 0660, of group `group` if there is such a group. The directory is made if it is missing. A socket
  // file whose daemon is dead is replaced; a live one is refused (AlreadyExists: "another xlbd answers on ...").
  // While the server lives it holds a lock on "<path>.lock", so that of two daemons that start at once one is refused.
  static absl::StatusOr<std::unique_ptr<HttpServer>> ListenUnix(boost::asio::io_context& io, const std::string& path,
                                                                const std::string& group, HttpHandler handler,
                                                                HttpLimits limits = {});
  // `address`: "127.0.0.1:9650". Port 0 takes a free one.
  static absl::StatusOr<std::unique_ptr<HttpServer>> ListenTcp(boost::asio::io_context& io, const std::string& address,
                                                               HttpHandler handler,
                                                               HttpLimits limits = HttpLimits::ForStrangers());
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;  // TCP; 0 for a unix socket

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace xlb

#endif  // XLB_CONTROL_HTTP_SERVER_H_
