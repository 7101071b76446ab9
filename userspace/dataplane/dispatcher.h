// libxdp's dispatcher: lets several XDP programs share a device.
#ifndef XLB_DATAPLANE_DISPATCHER_H_
#define XLB_DATAPLANE_DISPATCHER_H_

#include <cstdint>
#include <string>

#include "base/status.h"

namespace xlb {

// Adds our program to the device's dispatcher (made if there is none), then removes the one that an earlier xlbd left
// in it. The error says in a few words why the kernel does not let it; nothing is attached then.
absl::Status AttachByDispatcher(const std::string& bpffs_dir, uint32_t flow_buckets, uint32_t ifindex);

// Removes every program of ours from the device's dispatcher. False when there is none.
absl::StatusOr<bool> DetachFromDispatcher(uint32_t ifindex);

}  // namespace xlb

#endif  // XLB_DATAPLANE_DISPATCHER_H_
