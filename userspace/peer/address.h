// Where a manager's xlbd listens for the others.
#ifndef XLB_PEER_ADDRESS_H_
#define XLB_PEER_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace xlb {

struct PeerAddress {
  std::string host;  // IP address of either family; "0.0.0.0": the node's own one in the swarm if it is known, else all
  uint16_t port = 0;  // the same on every node of the swarm
};

// "0.0.0.0:9651", "[2001:db8::1]:9651".
absl::StatusOr<PeerAddress> ParsePeerAddress(std::string_view text);

}  // namespace xlb

#endif  // XLB_PEER_ADDRESS_H_
