// TC programs on a device's ingress or egress, by clsact. They outlive the daemon by themselves.
#ifndef XLB_DATAPLANE_TC_ATTACH_H_
#define XLB_DATAPLANE_TC_ATTACH_H_

#include <cstdint>
#include <set>
#include <string>

#include "base/status.h"

namespace xlb {

// The one place in a device's filter lists that is ours: replaced in place, told from anybody else's by number and by
// the program's name.
inline constexpr uint32_t kTcPriority = 0x786c;  // "xl"
inline constexpr uint32_t kTcHandle = 0x62;      // "b"

// Our programs. A device may have one at its ingress, kUplink or kTask, and kHost at its egress.
enum class TcProgram { kUplink, kTask, kHost };

absl::Status AttachTc(uint32_t ifindex, TcProgram program, int program_fd);
bool HasTc(uint32_t ifindex, TcProgram program);
// Devices that have this program of ours: also what an earlier xlbd left.
std::set<uint32_t> DevicesWithTc(TcProgram program);

// Removes our filter from the program's side of the device, whichever of ours it is, and the clsact qdisc if nothing
// else hangs on it. False when there was none of ours.
absl::StatusOr<bool> DetachTc(uint32_t ifindex, TcProgram program);

}  // namespace xlb

#endif  // XLB_DATAPLANE_TC_ATTACH_H_
