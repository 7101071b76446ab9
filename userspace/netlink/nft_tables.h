// Which nftables tables a network namespace has.
#ifndef XLB_NETLINK_NFT_TABLES_H_
#define XLB_NETLINK_NFT_TABLES_H_

#include <set>
#include <string>

#include "base/status.h"

namespace xlb {

// Names of those that can concern IPv4 (families ip, inet, bridge), of the calling thread's namespace. iptables-nft's
// are among them ("filter", "nat"). None at all on a kernel without nftables.
absl::StatusOr<std::set<std::string>> NftTables();

}  // namespace xlb

#endif  // XLB_NETLINK_NFT_TABLES_H_
