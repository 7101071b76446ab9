// rtnetlink messages -> values. Pure; used by Netlink and NetlinkMonitor.
#ifndef XLB_NETLINK_PARSE_H_
#define XLB_NETLINK_PARSE_H_

#include <libmnl/libmnl.h>

#include <optional>

#include "netlink/types.h"

namespace xlb {

// Each returns nothing for a message that is malformed, or not about IPv4.
std::optional<Link> ParseLink(const nlmsghdr& message);
std::optional<Address> ParseAddress(const nlmsghdr& message);
std::optional<Neighbor> ParseNeighbor(const nlmsghdr& message);
std::optional<FdbEntry> ParseFdbEntry(const nlmsghdr& message);

struct RouteMessage {
  Route route;
  uint8_t destination_length = 0;
  uint32_t table = 0;
  bool cached = false;  // RTM_F_CLONED: a learned exception, not configuration
};
std::optional<RouteMessage> ParseRoute(const nlmsghdr& message);

}  // namespace xlb

#endif  // XLB_NETLINK_PARSE_H_
