// What rtnetlink tells of a network namespace, IPv4 only, as values.
#ifndef XLB_NETLINK_TYPES_H_
#define XLB_NETLINK_TYPES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "base/ip.h"

namespace xlb {

struct VxlanInfo {
  uint32_t vni = 0;
  uint16_t port = 0;  // host order
  Ipv4 local;         // unset: the kernel takes the source address of the route
  bool operator==(const VxlanInfo&) const = default;
};

struct Link {
  uint32_t ifindex = 0;
  std::string name;
  Mac mac;
  uint32_t mtu = 0;
  bool up = false;        // IFF_UP
  bool ethernet = false;  // its frames have an Ethernet header; false for loopback, too
  bool loopback = false;
  std::string kind;                     // "vxlan", "veth", "bridge", "vlan", ...; empty for hardware
  uint32_t link_index = 0;              // IFLA_LINK: a veth's peer, a VLAN's lower device; 0: none
  std::optional<int32_t> link_netnsid;  // set when link_index counts in another namespace
  uint32_t master = 0;                  // bridge or bond that it is a port of; 0: none
  std::optional<VxlanInfo> vxlan;
  bool operator==(const Link&) const = default;
};

struct Address {
  uint32_t ifindex = 0;
  Ipv4 address;
  uint8_t prefix_length = 0;
  bool global = false;  // valid beyond the link and the host
  bool operator==(const Address&) const = default;
};

enum class RouteType { kUnicast, kLocal, kBroadcast, kMulticast, kBlackhole, kUnreachable, kProhibit, kOther };

struct Route {
  RouteType type = RouteType::kUnicast;
  uint32_t ifindex = 0;
  Ipv4 gateway;  // unset: on link
  Ipv4 prefsrc;  // unset: none stated
  uint32_t metric = 0;
  bool operator==(const Route&) const = default;
};

struct Neighbor {
  uint32_t ifindex = 0;
  Ipv4 address;
  Mac mac;             // unset: not resolved
  uint16_t state = 0;  // NUD_*
  bool operator==(const Neighbor&) const = default;
};

// An entry of a vxlan device's forwarding table: frames to `mac` go to the node at `destination`.
struct FdbEntry {
  Mac mac;
  Ipv4 destination;
  bool operator==(const FdbEntry&) const = default;
};

}  // namespace xlb

#endif  // XLB_NETLINK_TYPES_H_
