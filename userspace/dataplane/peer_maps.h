// The maps that say which nodes run xlb too and which tasks here are delivered to for them: peers, peer_states and
// deliveries. Written as differences to what they hold; a new process begins with what it finds.
#ifndef XLB_DATAPLANE_PEER_MAPS_H_
#define XLB_DATAPLANE_PEER_MAPS_H_

#include <compare>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>

#include "base/status.h"
#include "dataplane/map_fds.h"
#include "xlb/abi.h"

namespace xlb {

struct DeliveryKeyLess {
  bool operator()(const xlb_delivery_key& a, const xlb_delivery_key& b) const {
    return std::memcmp(&a, &b, sizeof(a)) < 0;
  }
};
using Peers = std::map<uint32_t, xlb_peer>;                                // by address, network byte order
using Deliveries = std::map<xlb_delivery_key, uint32_t, DeliveryKeyLess>;  // to ids of backends

// Not thread safe; the maps must outlive it.
class PeerMaps {
 public:
  explicit PeerMaps(const MapFds& fds)
      : peers_fd_(fds.peers), states_fd_(fds.peer_states), deliveries_fd_(fds.deliveries) {}

  // What the maps hold now.
  absl::Status Load();
  const Peers& peers() const { return peers_; }

  // True if a peer's record changed, so that flows have to look again.
  absl::StatusOr<bool> SetPeers(const Peers& wanted);
  absl::Status SetDeliveries(const Deliveries& wanted);

  // A peer's last answer. Nothing: it has given none.
  std::optional<xlb_peer_state> State(uint32_t address) const;
  void ForgetState(uint32_t address) const;

 private:
  int peers_fd_, states_fd_, deliveries_fd_;
  Peers peers_;
  Deliveries deliveries_;
};

// To every backend on this node that has a task behind it which takes packets.
Deliveries DeliveriesOf(const std::map<uint32_t, xlb_backend>& backends);

}  // namespace xlb

#endif  // XLB_DATAPLANE_PEER_MAPS_H_
