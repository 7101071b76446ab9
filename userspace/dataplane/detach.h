// Taking the data path away.
#ifndef XLB_DATAPLANE_DETACH_H_
#define XLB_DATAPLANE_DETACH_H_

#include <string>
#include <vector>

#include "base/status.h"

namespace xlb {

// Removes from this network namespace and from `bpffs_dir` every XDP program, TC filter and pin of xlb, whether a
// daemon runs or not: programs first, so that no packet meets half of the maps; and tells the other nodes. One line for
// each thing removed; none when there was nothing.
absl::StatusOr<std::vector<std::string>> DetachDataPath(const std::string& bpffs_dir);

}  // namespace xlb

#endif  // XLB_DATAPLANE_DETACH_H_
