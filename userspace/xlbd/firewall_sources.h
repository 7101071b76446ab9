// What the host's firewall says of a published port, in the words of a list of sources.
#ifndef XLB_XLBD_FIREWALL_SOURCES_H_
#define XLB_XLBD_FIREWALL_SOURCES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/address_map.h"
#include "model/service.h"
#include "model/source_list.h"
#include "netfilter/firewall.h"

namespace xlb {

struct PortFirewall {
  AddressMap<SourceVerdicts> verdicts;
  bool leaves_all = false;  // no client's new connection can be decided by xlb
  std::string because;      // of what is left to the firewall; empty: nothing is
};

// What the rules meet on this node.
struct FirewallSurroundings {
  std::vector<std::string> uplinks;  // devices that clients elsewhere come by, as the IP layer names them
  std::vector<std::string> bridges;  // that this node's containers come by
  std::vector<Ipv4> addresses;       // of this node
  AddressRange sandbox;              // Docker's end of published ports
  std::string gateway_bridge;        // the device towards it
  bool operator==(const FirewallSurroundings&) const = default;
};

// Remembers its answers until the rules or the surroundings change.
class FirewallSources {
 public:
  // `rules` null: they cannot be read, because of `problem`. It must live until the next Update.
  void Update(const FirewallRules* rules, uint64_t version, std::string problem, FirewallSurroundings surroundings);
  const PortFirewall& Of(Protocol protocol, uint16_t port);

 private:
  PortFirewall Ask(Protocol protocol, uint16_t port) const;

  const FirewallRules* rules_ = nullptr;
  uint64_t version_ = 0;
  std::string problem_ = "its rules have not been read yet";
  FirewallSurroundings surroundings_;
  std::map<std::pair<Protocol, uint16_t>, PortFirewall> answers_;
};

}  // namespace xlb

#endif  // XLB_XLBD_FIREWALL_SOURCES_H_
