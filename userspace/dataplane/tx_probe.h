// Does native XDP_TX out of this device reach anybody?
#ifndef XLB_DATAPLANE_TX_PROBE_H_
#define XLB_DATAPLANE_TX_PROBE_H_

#include <cstdint>

#include "base/status.h"

namespace xlb {

// A veth drops every frame that XDP sends out of it unless its peer, which may be in a namespace out of our sight,
// polls (with GRO on, or an XDP program of its own). Sends one frame through the real path (BPF_F_TEST_XDP_LIVE_FRAMES,
// kernel 5.18) and looks at the driver's own count. OK: it went out. Else one line that says what was found.
absl::Status ProbeXdpTransmit(uint32_t ifindex);

}  // namespace xlb

#endif  // XLB_DATAPLANE_TX_PROBE_H_
