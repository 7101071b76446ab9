// Whom the host's firewall lets in to a port that Docker publishes, by source address: what the kernel would decide on
// the packet's way through iptables, from the uplink to Docker's own rules.
#ifndef XLB_NETFILTER_FIREWALL_H_
#define XLB_NETFILTER_FIREWALL_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/address_map.h"
#include "base/ip.h"
#include "netfilter/read.h"

namespace xlb {

enum class FirewallVerdict : uint8_t {
  kAdmit,
  kDeny,
  kLeave,  // only the kernel can tell, or answer: a REJECT, a match that is not known here
};

// The packets that are asked about: all of them to one published port.
struct FirewallQuestion {
  std::string protocol;              // "tcp", "udp"
  uint16_t port = 0;                 // host order; Docker does not change it on the way
  std::vector<std::string> devices;  // that they may come in by
  std::vector<Ipv4> asked;           // addresses of this node that they may be for
  AddressRange sandbox;              // where Docker sends them on the bridge; as wide as it is not known
  std::string bridge = "docker_gwbridge";
  bool living = false;  // of connections that are established, else those that begin one
};

struct FirewallAnswer {
  AddressMap<FirewallVerdict> verdicts{FirewallVerdict::kAdmit};  // by source
  std::set<std::string> because;                                  // the rules behind every kLeave, as printed

  // One that says the same for every device and address of the question: where they differ, kLeave.
  void Merge(const FirewallAnswer& other);
};

// In the order of the kernel: raw, mangle and nat PREROUTING for the node's address, then mangle, filter and security
// FORWARD and mangle POSTROUTING for the sandbox's. The first that does not admit decides. Where Docker's own rules
// begin, they admit; the policy of FORWARD never comes into it, as they stand before it.
FirewallAnswer AskFirewall(const FirewallRules& rules, const FirewallQuestion& question);

// The devices that rules tell apart, one of each kind: what holds for one holds for the others.
std::vector<std::string> DistinctDevices(const FirewallRules& rules, const std::vector<std::string>& devices);

}  // namespace xlb

#endif  // XLB_NETFILTER_FIREWALL_H_
