// Tables of nftables that iptables knows nothing of.
#ifndef XLB_NETFILTER_NFT_TABLES_H_
#define XLB_NETFILTER_NFT_TABLES_H_

#include <set>
#include <string>

#include "base/status.h"

namespace xlb {

// Those of the calling thread's network namespace with a chain of type filter that packets pass on their way in and
// through ("inet firewalld"), and that has a rule or a policy of drop. Docker's own and those of iptables-nft are left
// out. None as well where the kernel has no nftables.
absl::StatusOr<std::set<std::string>> ReadFilteringNftTables();

}  // namespace xlb

#endif  // XLB_NETFILTER_NFT_TABLES_H_
