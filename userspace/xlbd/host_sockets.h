// Which ports a process of this node waits on, that is none of Docker's.
#ifndef XLB_XLBD_HOST_SOCKETS_H_
#define XLB_XLBD_HOST_SOCKETS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ip.h"
#include "model/service.h"
#include "netlink/sockets.h"

namespace xlb {

using Port = std::pair<Protocol, uint16_t>;

struct PortOwner {
  Ipv4 address;     // unset: the socket takes every address
  std::string who;  // "sshd (pid 812)"
  auto operator<=>(const PortOwner&) const = default;
};
using PortOwners = std::map<Port, std::vector<PortOwner>>;

class HostSockets {
 public:
  explicit HostSockets(const Clock* clock) : clock_(clock) {}

  // Looks again, for these ports. An error leaves the owners as they were.
  absl::Status Refresh(const std::set<Port>& ports);
  const PortOwners& owners() const { return owners_; }

 private:
  bool IsPassing(const WaitingSocket& socket) const;

  const Clock* clock_;
  PortOwners owners_;
  std::map<uint64_t, std::string> known_;       // inode -> who; "" for Docker's own
  std::map<uint64_t, Clock::Time> first_seen_;  // of the sockets that the last look found
};

// Who holds each of these sockets, by /proc: "sshd (pid 812)"; "" for dockerd and docker-proxy, which hold the ports
// that they publish. One that nobody is found to hold is left out.
std::map<uint64_t, std::string> FindSocketOwners(const std::set<uint64_t>& inodes);

}  // namespace xlb

#endif  // XLB_XLBD_HOST_SOCKETS_H_
