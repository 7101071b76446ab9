// iptables' rules as values, as iptables-save prints them. IPv4 only.
#ifndef XLB_NETFILTER_RULES_H_
#define XLB_NETFILTER_RULES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address_map.h"
#include "base/ip.h"

namespace xlb {

// "-s 10.0.0.0/8", "! -d 192.0.2.1/32". The mask need not be a prefix.
struct AddressMatch {
  Ipv4 address;
  Ipv4 mask;
  bool negated = false;

  bool Matches(Ipv4 other) const { return ((other.be & mask.be) == (address.be & mask.be)) != negated; }
  // The length of the mask; nothing when it has holes ("255.0.255.0").
  std::optional<uint8_t> PrefixLength() const;
  bool operator==(const AddressMatch&) const = default;
};

// "-m iprange --src-range 192.0.2.1-192.0.2.9".
struct SourceRangeMatch {
  AddressRange range;
  bool negated = false;
  bool operator==(const SourceRangeMatch&) const = default;
};

// "-i eth0", "! -o docker+": '+' at the end stands for any ending.
struct DeviceMatch {
  std::string name;
  bool negated = false;

  bool Matches(std::string_view device) const;
  bool operator==(const DeviceMatch&) const = default;
};

struct ProtocolMatch {
  std::string name;  // "tcp", "udp", "icmp", or a number; "all" is never printed
  bool negated = false;

  bool Matches(std::string_view protocol) const { return (name == protocol) != negated; }
  bool operator==(const ProtocolMatch&) const = default;
};

// Ports, host order, both ends included.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 65535;
  bool operator==(const PortRange&) const = default;
};

enum class PortKind {
  kSource,               // --sport, --sports
  kDestination,          // --dport, --dports
  kEither,               // multiport --ports
  kOriginalDestination,  // conntrack --ctorigdstport: what the client asked for
};

struct PortMatch {
  PortKind kind = PortKind::kDestination;
  std::vector<PortRange> ranges;
  bool negated = false;

  bool Matches(uint16_t port) const;
  bool operator==(const PortMatch&) const = default;
};

// "-m conntrack --ctstate RELATED,ESTABLISHED", "-m state --state NEW".
struct StateMatch {
  std::vector<std::string> states;  // upper case, in the order printed
  bool negated = false;

  bool Has(std::string_view state) const;
  // Does a packet in that one state match?
  bool Matches(std::string_view state) const { return Has(state) != negated; }
  bool operator==(const StateMatch&) const = default;
};

// "-m mark --mark 0x1/0xff".
struct MarkMatch {
  uint32_t value = 0;
  uint32_t mask = 0xffffffff;
  bool negated = false;
  bool operator==(const MarkMatch&) const = default;
};

// "-m addrtype --dst-type LOCAL": one such option of addrtype.
struct AddressTypeMatch {
  bool destination = true;  // else --src-type
  std::vector<std::string> types;
  bool negated = false;
  bool operator==(const AddressTypeMatch&) const = default;
};

// A packet matches when every member that is set does.
struct FirewallRule {
  std::optional<AddressMatch> source, destination;  // -s, -d
  std::optional<SourceRangeMatch> source_range;     // iprange --src-range
  std::optional<DeviceMatch> in, out;               // -i, -o
  std::optional<ProtocolMatch> protocol;            // -p
  std::vector<PortMatch> ports;                     // all of them must match
  std::vector<StateMatch> states;
  std::optional<AddressMatch> original_destination;  // conntrack --ctorigdst
  std::string direction;                             // conntrack --ctdir: "ORIGINAL", "REPLY"; empty: either
  std::optional<MarkMatch> mark;
  std::vector<AddressTypeMatch> address_types;
  bool only_syn = false;  // tcp --syn: the first packet of a connection
  // Matches that are none of the above, as they are printed: "-m set --match-set bad src", "-f". Whether a packet
  // matches these is not known.
  std::vector<std::string> unknown;
  std::string comment;

  std::string target;                // "DROP", "DOCKER-USER", ...; empty: the rule only counts
  bool is_goto = false;              // -g: the target chain's end is this chain's
  std::vector<std::string> options;  // of the target: {"--to-ports", "80"}

  std::string text;  // the line as printed, counters left out: "-A FORWARD -j DOCKER-USER"

  // What follows an option of the target; empty: it does not have it. {"--to-ports", "80"}: Option("--to-ports") is
  // "80".
  std::string_view Option(std::string_view name) const;
};

struct FirewallChain {
  std::string policy;  // "ACCEPT", "DROP"; "-" for a chain of the user's or Docker's own
  std::vector<FirewallRule> rules;
};

using FirewallTable = std::map<std::string, FirewallChain>;  // by the chain's name

// One iptables-save's output.
struct FirewallDump {
  std::map<std::string, FirewallTable> tables;  // "filter", "nat", "mangle", "raw", "security": those that exist
  std::vector<std::string> problems;            // what iptables-save or the parser could not make out, a line each

  // Null when there is none.
  const FirewallChain* Chain(const std::string& table, const std::string& chain) const;
};

}  // namespace xlb

#endif  // XLB_NETFILTER_RULES_H_
