// Which of a node's devices the data path works on, by what netlink says of them. Pure.
#ifndef XLB_NETLINK_ROLES_H_
#define XLB_NETLINK_ROLES_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "netlink/types.h"

namespace xlb {

using Links = std::map<uint32_t, Link>;  // by ifindex

// A bridge that Docker made for containers: docker0, `gateway_bridge` (docker_gwbridge, as a rule), or one with the
// name that Docker gives to a bridge network, "br-" and twelve hexadecimal digits. Bridges of virtual machines and of
// other container engines are not: their guests come in by the bridge device itself, as by any other uplink.
bool IsDockerBridge(const Link& link, const std::string& gateway_bridge);

// Where containers send: the host side of every veth that is a port of one of Docker's bridges.
std::set<uint32_t> ContainerVeths(const Links& links, const std::string& gateway_bridge);

// Where processes on the node send what may be for a published port: lo, for every address of the node's own, and
// `gateway_bridge`, for the sandbox of Docker's mesh.
std::set<uint32_t> HostOutputs(const Links& links, const std::string& gateway_bridge);

// Where clients come in when nobody said by which devices: Ethernet devices, real or virtual, that are up and have an
// IPv4 address that is valid beyond the link. Not lo, not Docker's bridges, whose containers are met at their veths,
// and not devices that only pack or swallow (vxlan, geneve, dummy, ifb).
std::set<uint32_t> ClientDevices(const Links& links, const std::vector<Address>& addresses,
                                 const std::string& gateway_bridge);

}  // namespace xlb

#endif  // XLB_NETLINK_ROLES_H_
