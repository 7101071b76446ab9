// Talks to xlbd over its unix socket.
#ifndef XLB_XLBCTL_CLIENT_H_
#define XLB_XLBCTL_CLIENT_H_

#include <string>
#include <string_view>

#include "base/status.h"
#include "control/json.h"

namespace xlb {

class Client {
 public:
  explicit Client(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  // One request on a connection of its own; the body of the answer. An error of the daemon's comes with the daemon's
  // words. Unavailable means one thing: there is no daemon behind the socket.
  absl::StatusOr<std::string> Call(std::string_view method, const std::string& target,
                                   std::string_view body = "") const;

  template <typename Reply>
  absl::StatusOr<Reply> Get(const std::string& target) const {
    return CallFor<Reply>("GET", target);
  }

  template <typename Reply>
  absl::StatusOr<Reply> CallFor(std::string_view method, const std::string& target, std::string_view body = "") const {
    XLB_ASSIGN_OR_RETURN(const std::string answer, Call(method, target, body));
    return FromJson<Reply>(answer);
  }

  const std::string& socket_path() const { return socket_path_; }

 private:
  std::string socket_path_;
};

}  // namespace xlb

#endif  // XLB_XLBCTL_CLIENT_H_
