// Where the pinned maps and links lie in bpffs, and whether they are of this version.
#ifndef XLB_DATAPLANE_PINS_H_
#define XLB_DATAPLANE_PINS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"

namespace xlb {

// <dir>/<map name> are the maps, <dir>/link_xdp_<ifindex> the XDP links.
inline constexpr char kNodeMapPin[] = "this_node";
inline constexpr char kFlowHeadMapPin[] = "flow_heads";
inline constexpr char kBackendMapPin[] = "backends";
inline constexpr char kPeerMapPin[] = "peers";
inline constexpr char kSysctlMapPin[] = "sysctls";  // see host_sysctl.h

std::string XdpLinkPin(const std::string& bpffs_dir, uint32_t ifindex);

// Every XDP link pinned in the directory, by interface index; also those whose interface is gone.
std::vector<uint32_t> PinnedXdpLinks(const std::string& bpffs_dir);

// Makes the directory and takes the lock on it that keeps a second xlbd out; the lock is held as long as the
// descriptor.
absl::StatusOr<UniqueFd> LockPinDirectory(const std::string& bpffs_dir);

// Fails, saying what to do, when the directory holds maps of another schema. No maps at all are fine.
absl::Status CheckPinnedSchema(const std::string& bpffs_dir);

// max_entries of a pinned map; 0 when there is no such pin.
uint32_t PinnedMapEntries(const std::string& bpffs_dir, const std::string& map);

// Does anything lie in the directory?
bool HasPins(const std::string& bpffs_dir);

// Removes every pin and the directory. Returns how many pins there were.
absl::StatusOr<int> RemovePins(const std::string& bpffs_dir);

}  // namespace xlb

#endif  // XLB_DATAPLANE_PINS_H_
