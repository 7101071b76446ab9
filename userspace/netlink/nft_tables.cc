#include "netlink/nft_tables.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include "netlink/nfnetlink.h"

namespace xlb {
namespace {

int TakeName(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == NFTA_TABLE_NAME && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0) {
    *static_cast<std::string*>(data) = mnl_attr_get_str(attribute);
  }
  return MNL_CB_OK;
}

}  // namespace

absl::StatusOr<std::set<std::string>> NftTables() {
  std::set<std::string> names;
  const absl::Status status = DumpNetfilter(
      (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE, AF_UNSPEC, "the nftables tables", [&](const nlmsghdr& message) {
        const uint8_t family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(&message))->nfgen_family;
        std::string name;
        mnl_attr_parse(&message, sizeof(nfgenmsg), &TakeName, &name);
        if (family == NFPROTO_IPV4 || family == NFPROTO_INET || family == NFPROTO_BRIDGE) names.insert(name);
      });
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  return names;
}

}  // namespace xlb
