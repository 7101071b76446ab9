// TC programs on a device's ingress, by clsact. They outlive the daemon by themselves.
#ifndef XLB_DATAPLANE_TC_ATTACH_H_
#define XLB_DATAPLANE_TC_ATTACH_H_

#include <cstdint>
#include <string>

#include "base/status.h"

namespace xlb {

// The one place in a device's filter list that is ours: replaced in place, told from anybody else's by number and by
// the program's name.
inline constexpr uint32_t kTcPriority = 0x786c;  // "xl"
inline constexpr uint32_t kTcHandle = 0x62;      // "b"

// Which of our programs a device has at its ingress.
enum class TcProgram { kNone, kUplink, kTask };

absl::Status AttachTc(uint32_t ifindex, int program_fd);
TcProgram AttachedTc(uint32_t ifindex);

// Removes our filter, and the clsact qdisc if nothing else hangs on it. False when there was none of ours.
absl::StatusOr<bool> DetachTc(uint32_t ifindex);

}  // namespace xlb

#endif  // XLB_DATAPLANE_TC_ATTACH_H_
