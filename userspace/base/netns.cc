#include "base/netns.h"

#include <fmt/core.h>

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <cstdlib>

namespace xlb {

absl::StatusOr<NetnsScope> NetnsScope::Enter(const std::string& path) {
  UniqueFd previous(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!previous.valid()) return ErrnoStatus(errno, "cannot open /proc/thread-self/ns/net");
  UniqueFd target(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!target.valid()) return ErrnoStatus(errno, fmt::format("cannot open the network namespace {}", path));
  if (setns(target.get(), CLONE_NEWNET) != 0) {
    return ErrnoStatus(errno, fmt::format("cannot enter the network namespace {}", path));
  }
  return NetnsScope(std::move(previous));
}

NetnsScope::~NetnsScope() {
  if (!previous_.valid()) return;  // moved from
  // Going on in a foreign namespace would program the wrong devices; there is nothing sensible to do but stop.
  if (setns(previous_.get(), CLONE_NEWNET) != 0) std::abort();
}

}  // namespace xlb
