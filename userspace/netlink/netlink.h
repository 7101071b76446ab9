// Questions to the kernel about the devices, addresses and routes of one network namespace.
#ifndef XLB_NETLINK_NETLINK_H_
#define XLB_NETLINK_NETLINK_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "netlink/types.h"

struct mnl_socket;
struct nlmsghdr;

namespace xlb {

// Synchronous: each call asks and waits for the kernel's answer (well below a millisecond for a usual table). The
// namespace is the one that the thread was in at Open, wherever the thread goes later. One thread at a time.
class Netlink {
 public:
  static absl::StatusOr<Netlink> Open();
  // In the namespace named by a file ("/run/docker/netns/..."); the calling thread comes back to its own.
  static absl::StatusOr<Netlink> OpenIn(const std::string& netns_path);

  absl::StatusOr<std::vector<Link>> Links();
  absl::StatusOr<std::vector<Address>> Addresses();
  // Of the main table, best metric first.
  absl::StatusOr<std::vector<Route>> DefaultRoutes();
  // Where the kernel would send a packet for `destination`. No route, or one that refuses, is an error.
  absl::StatusOr<Route> RouteTo(Ipv4 destination);
  // Of one device, or of all for ifindex 0.
  absl::StatusOr<std::vector<Neighbor>> Neighbors(uint32_t ifindex);
  absl::StatusOr<std::vector<FdbEntry>> BridgeFdb(uint32_t ifindex);

 private:
  struct CloseSocket {
    void operator()(mnl_socket* socket) const;
  };
  using Socket = std::unique_ptr<mnl_socket, CloseSocket>;
  using OnMessage = std::function<void(const nlmsghdr&)>;

  explicit Netlink(Socket socket);
  // Sends `request` (sequence number set here) and calls back for every message of the answer. Aborted: a dump during
  // which the table changed.
  absl::Status Ask(nlmsghdr* request, const std::string& what, const OnMessage& on_message);
  // Every message of a dump that `parse` makes something of.
  template <typename Value>
  absl::StatusOr<std::vector<Value>> Dump(nlmsghdr* request, const std::string& what,
                                          const std::function<std::optional<Value>(const nlmsghdr&)>& parse);

  Socket socket_;
  uint32_t port_id_ = 0;
  uint32_t sequence_ = 0;
};

}  // namespace xlb

#endif  // XLB_NETLINK_NETLINK_H_
