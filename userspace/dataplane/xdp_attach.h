// The XDP program on an uplink: by libxdp's dispatcher where the kernel lets it, else by a pinned bpf_link.
#ifndef XLB_DATAPLANE_XDP_ATTACH_H_
#define XLB_DATAPLANE_XDP_ATTACH_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "dataplane/programs.h"

namespace xlb {

enum class XdpMode { kAuto, kNative, kGeneric, kOff };
absl::StatusOr<XdpMode> ParseXdpMode(std::string_view text);

struct UplinkDevice {
  std::string name;
  uint32_t ifindex = 0;
  uint32_t mtu = 1500;
  bool is_veth = false;
  bool has_vlans = false;  // VLAN devices lie on it
};

// What became of a request. `mode`: "native", "generic", "off"; `attach`: "link", "dispatcher", "none"; `reason` says
// why when it is not what was asked for, or why the dispatcher is not used.
struct XdpAttachment {
  std::string mode = "off";
  std::string attach = "none";
  std::string reason;
};

// Attaches the program, or replaces the one that an earlier xlbd left, without a gap. Never fails for want of XDP: the
// TC program does all of it then, and `reason` says so.
XdpAttachment AttachXdp(const Programs& programs, const std::string& bpffs_dir, uint32_t flow_buckets,
                        const UplinkDevice& device, XdpMode mode);

// Takes our program off the device however it is attached. False when there was none.
absl::StatusOr<bool> DetachXdp(const std::string& bpffs_dir, uint32_t ifindex);

}  // namespace xlb

#endif  // XLB_DATAPLANE_XDP_ATTACH_H_
