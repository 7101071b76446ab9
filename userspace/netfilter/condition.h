// When does a rule match packets of one kind, as far as can be told without seeing them: by source address.
#ifndef XLB_NETFILTER_CONDITION_H_
#define XLB_NETFILTER_CONDITION_H_

#include <string>
#include <vector>

#include "base/address_map.h"
#include "base/ip.h"
#include "netfilter/rules.h"

namespace xlb {

// Packets at one chain: all alike but for their sources.
struct PacketKind {
  std::string protocol;
  uint16_t port = 0;
  std::string in, out;       // `out` is empty before routing
  Ipv4 asked;                // the address that the client asked for
  AddressRange destination;  // where the packet is bound to at this chain
  bool forwarded = false;    // after Docker's DNAT; else before
  bool tracked = true;       // connection tracking has seen it
  bool living = false;       // of an established connection, else its first
};

struct Condition {
  // Sources of which packets may match; none: the rule never matches.
  std::vector<AddressRange> sources;
  // Every packet from there matches; else only some may.
  bool sure = true;
};

Condition ConditionOf(const FirewallRule& rule, const PacketKind& packet);

}  // namespace xlb

#endif  // XLB_NETFILTER_CONDITION_H_
