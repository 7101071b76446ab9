// The node's own settings that answers to processes on it depend on. Such an answer comes back by lo from an address of
// the node itself, which the kernel takes for a forgery unless it is told otherwise; of lo it may be told, because
// nobody but the node sends there.
#ifndef XLB_DATAPLANE_HOST_SYSCTL_H_
#define XLB_DATAPLANE_HOST_SYSCTL_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"

namespace xlb {

// The former values lie in a pinned map of their own, beside the data path's: whoever takes that away sets them back,
// with or without a daemon.
class HostSysctls {
 public:
  // Opens the map in `bpffs_dir`, or makes it.
  static absl::StatusOr<HostSysctls> Open(const std::string& bpffs_dir);

  // Switches on what is off in the calling thread's network namespace. The error names the first that cannot be set,
  // and says what does not work without it; the others are set all the same.
  absl::Status Apply() const;

  // Sets back what Apply has changed, unless somebody else changed it since. One line for each.
  static std::vector<std::string> Restore(const std::string& bpffs_dir);

 private:
  explicit HostSysctls(UniqueFd map) : map_(std::move(map)) {}
  UniqueFd map_;
};

}  // namespace xlb

#endif  // XLB_DATAPLANE_HOST_SYSCTL_H_
