// Does what native XDP sends out of a veth reach anybody?
#ifndef XLB_DATAPLANE_VETH_PEER_H_
#define XLB_DATAPLANE_VETH_PEER_H_

#include <string>

#include "base/status.h"

namespace xlb {

// A veth takes frames by XDP_TX only where its own program runs (veth_xdp_flush in the kernel's drivers/net/veth.c):
// one that only has GRO on lets them lie until something else comes. The other end may be in a namespace out of our
// sight, but while a program is there the kernel takes TCP segmentation from the features that this end may have. OK:
// so it is. Else one line that says what was found.
absl::Status CheckVethPeer(const std::string& device);

}  // namespace xlb

#endif  // XLB_DATAPLANE_VETH_PEER_H_
