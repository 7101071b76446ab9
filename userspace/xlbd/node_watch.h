// This node's devices, addresses and routes, read from netlink whenever something changed.
#ifndef XLB_XLBD_NODE_WATCH_H_
#define XLB_XLBD_NODE_WATCH_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/status.h"
#include "dataplane/xdp_attach.h"
#include "netlink/netlink.h"

namespace xlb {

class NodeWatch {
 public:
  static absl::StatusOr<NodeWatch> Open();

  // Reads everything anew.
  absl::Status Refresh();

  // Addresses that a service on "*" answers on: all but loopback's.
  const std::set<Ipv4>& addresses() const { return addresses_; }

  // The devices by these names; the first missing one is the error.
  absl::StatusOr<std::vector<UplinkDevice>> Named(const std::vector<std::string>& names) const;
  bool HasDefaultRoute() const { return !default_routes_.empty(); }
  // The devices that the default routes and the holder of `data_path` (if set) name, and of `also` those that still
  // exist. May be empty.
  std::vector<UplinkDevice> Found(Ipv4 data_path, const std::set<uint32_t>& also) const;

  // How the node would reach an address: not cached, one question to the kernel.
  absl::StatusOr<Route> RouteTo(Ipv4 address) { return netlink_.RouteTo(address); }
  std::string DeviceName(uint32_t ifindex) const;
  // What is known of a device; none: it is gone.
  const Link* Device(uint32_t ifindex) const;

 private:
  explicit NodeWatch(Netlink netlink) : netlink_(std::move(netlink)) {}
  Netlink netlink_;
  std::map<uint32_t, Link> links_;
  std::vector<Address> all_addresses_;
  std::set<Ipv4> addresses_;
  std::vector<Route> default_routes_;
};

}  // namespace xlb

#endif  // XLB_XLBD_NODE_WATCH_H_
