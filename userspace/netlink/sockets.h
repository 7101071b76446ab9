// Sockets of this network namespace that wait for anybody's packets, as the kernel's sock_diag tells.
#ifndef XLB_NETLINK_SOCKETS_H_
#define XLB_NETLINK_SOCKETS_H_

#include <cstdint>
#include <vector>

#include "base/ip.h"
#include "base/status.h"

namespace xlb {

struct WaitingSocket {
  uint8_t protocol = 0;  // IPPROTO_TCP: it listens; IPPROTO_UDP: bound and not connected
  Ipv4 address;          // unset: every address, also by IPv6's :: that takes IPv4 in
  uint16_t port = 0;     // host order
  uint64_t inode = 0;    // 0: the kernel's own
  auto operator<=>(const WaitingSocket&) const = default;
};

// Those that IPv4 packets reach, without doubles. A few system calls; well below a millisecond for a usual node.
absl::StatusOr<std::vector<WaitingSocket>> ReadWaitingSockets();

}  // namespace xlb

#endif  // XLB_NETLINK_SOCKETS_H_
