// The kernel's connection tracker: what it knows of the TCP and UDP connections of a network namespace, IPv4 only.
#ifndef XLB_NETLINK_CONNTRACK_H_
#define XLB_NETLINK_CONNTRACK_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/ip.h"
#include "base/status.h"

struct nlmsghdr;

namespace xlb {

// Ports in host order.
struct ConnectionTuple {
  Ipv4 source, destination;
  uint16_t source_port = 0, destination_port = 0;
  bool operator==(const ConnectionTuple&) const = default;
};

// Without NAT `reply` is `original` turned round; with it, it is what the answers look like before the kernel
// translates them back.
struct Connection {
  uint8_t protocol = 0;  // IPPROTO_TCP, IPPROTO_UDP
  ConnectionTuple original, reply;
  bool operator==(const Connection&) const = default;
};

// Nothing for a message that is malformed, or about another protocol.
std::optional<Connection> ParseConnection(const nlmsghdr& message);

// Calls back for every connection of the calling thread's namespace, or of the one named by a file. Some that come or
// go meanwhile may be missed. Synchronous; a hundred thousand connections take about a tenth of a second. NotFound: the
// kernel tracks none, or has no way to list them.
absl::Status ForEachConnection(const std::function<void(const Connection&)>& visit);
absl::Status ForEachConnectionIn(const std::string& netns_path, const std::function<void(const Connection&)>& visit);

}  // namespace xlb

#endif  // XLB_NETLINK_CONNTRACK_H_
