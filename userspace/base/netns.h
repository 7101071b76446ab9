// The network namespace of the calling thread, changed for a scope and changed back.
#ifndef XLB_BASE_NETNS_H_
#define XLB_BASE_NETNS_H_

#include <string>

#include "base/status.h"
#include "base/unique_fd.h"

namespace xlb {

// While it lives, the calling thread is in the network namespace named by a file (/run/docker/netns/...). Sockets made
// meanwhile stay in that namespace. Scopes nest; do not suspend a coroutine inside one.
class NetnsScope {
 public:
  static absl::StatusOr<NetnsScope> Enter(const std::string& path);
  NetnsScope(NetnsScope&&) = default;
  NetnsScope& operator=(NetnsScope&&) = delete;
  ~NetnsScope();

 private:
  explicit NetnsScope(UniqueFd previous) : previous_(std::move(previous)) {}
  UniqueFd previous_;
};

}  // namespace xlb

#endif  // XLB_BASE_NETNS_H_
