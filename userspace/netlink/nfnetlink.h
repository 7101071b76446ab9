// Dumps of netfilter's netlink families.
#ifndef XLB_NETLINK_NFNETLINK_H_
#define XLB_NETLINK_NFNETLINK_H_

#include <cstdint>
#include <functional>
#include <string>

#include "base/status.h"

struct nlmsghdr;

namespace xlb {

// Asks for every object of a kind in the calling thread's namespace and calls back for each message of the answer.
// `type`: subsystem and message as in nlmsg_type. `family`: AF_INET or AF_UNSPEC for all. `what` names them for people:
// "the connections that it tracks". NotFound: the kernel has no such subsystem.
absl::Status DumpNetfilter(uint16_t type, uint8_t family, const std::string& what,
                           const std::function<void(const nlmsghdr&)>& visit);

}  // namespace xlb

#endif  // XLB_NETLINK_NFNETLINK_H_
