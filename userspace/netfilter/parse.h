// Reads what iptables-save prints.
#ifndef XLB_NETFILTER_PARSE_H_
#define XLB_NETFILTER_PARSE_H_

#include <string_view>

#include "netfilter/rules.h"

namespace xlb {

// Never fails: what it cannot make out is among the rule's unknown matches or the dump's problems.
FirewallDump ParseIptablesSave(std::string_view text);

}  // namespace xlb

#endif  // XLB_NETFILTER_PARSE_H_
