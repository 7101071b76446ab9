// This node's devices, addresses and routes, read from netlink whenever something changed.
#ifndef XLB_XLBD_NODE_WATCH_H_
#define XLB_XLBD_NODE_WATCH_H_

#include <set>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/status.h"
#include "dataplane/xdp_attach.h"
#include "netlink/netlink.h"
#include "netlink/roles.h"

namespace xlb {

class NodeWatch {
 public:
  static absl::StatusOr<NodeWatch> Open();

  // Reads everything anew.
  absl::Status Refresh();

  // Addresses that a service on "*" answers on: all but loopback's.
  const std::set<Ipv4>& addresses() const { return addresses_; }

  const std::vector<Address>& all_addresses() const { return all_addresses_; }  // loopback's too

  // The devices by these names; the first missing one is the error.
  absl::StatusOr<std::vector<UplinkDevice>> Named(const std::vector<std::string>& names) const;
  bool HasDefaultRoute() const { return !default_routes_.empty(); }
  // The devices that clients may come by (see netlink/roles.h) or that the default routes and the holder of `data_path`
  // (if set) name, and of `also` those that still exist. May be empty.
  std::vector<UplinkDevice> Found(Ipv4 data_path, const std::string& gateway_bridge,
                                  const std::set<uint32_t>& also) const;
  // The device with this address of the node's; null: none has it.
  const Link* DeviceWith(Ipv4 address) const;
  // This node's address on docker_gwbridge, whose device has this name; unset: none.
  Ipv4 GatewayAddress(const std::string& gateway_bridge) const;

  // How the node would reach an address: not cached, one question to the kernel.
  absl::StatusOr<Route> RouteTo(Ipv4 address) { return netlink_.RouteTo(address); }
  std::string DeviceName(uint32_t ifindex) const;
  const Links& links() const { return links_; }
  // What is known of a device; none: it is gone.
  const Link* Device(uint32_t ifindex) const;

 private:
  UplinkDevice ToDevice(const Link& link) const;
  explicit NodeWatch(Netlink netlink) : netlink_(std::move(netlink)) {}
  Netlink netlink_;
  Links links_;
  std::vector<Address> all_addresses_;
  std::set<Ipv4> addresses_;
  std::vector<Route> default_routes_;
};

}  // namespace xlb

#endif  // XLB_XLBD_NODE_WATCH_H_
