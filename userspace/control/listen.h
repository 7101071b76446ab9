// Listening sockets for http_server.cc, made by hand: the checks around them are the point.
#ifndef XLB_CONTROL_LISTEN_H_
#define XLB_CONTROL_LISTEN_H_

#include <sys/types.h>

#include <string>

#include "base/status.h"
#include "base/unique_fd.h"

namespace xlb {

// A unix socket that listens, with what keeps it ours. Destroying it removes the socket file, unless another process
// has put its own there.
class UnixListener {
 public:
  // See HttpServer::ListenUnix.
  static absl::StatusOr<UnixListener> Open(const std::string& path, const std::string& group);
  UnixListener(UnixListener&&) = default;
  UnixListener& operator=(UnixListener&&) = delete;
  ~UnixListener();

  UniqueFd TakeFd() { return std::move(fd_); }

 private:
  UnixListener() = default;
  absl::Status Bind(const std::string& group);

  std::string path_;
  UniqueFd lock_;  // flock on "<path>.lock" for as long as this lives; valid only in the object that owns the socket
  UniqueFd fd_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace xlb

#endif  // XLB_CONTROL_LISTEN_H_
