#include "swarm/local_rules.h"

#include <charconv>
#include <optional>
#include <string_view>

namespace xlb {
namespace {

// The whole of the text, or nothing. "0x" in front of a hexadecimal one.
std::optional<uint32_t> Number(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x");
  if (hexadecimal) text.remove_prefix(2);
  uint32_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number, hexadecimal ? 16 : 10);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return number;
}

// The one port and protocol that the rule is for; nothing if it is for others, too, or has conditions of its own.
std::optional<PublishedPort> PortOf(const FirewallRule& rule) {
  if (!rule.protocol || rule.protocol->negated || rule.ports.size() != 1 || !rule.unknown.empty()) return std::nullopt;
  const PortMatch& match = rule.ports.front();
  if (match.kind != PortKind::kDestination || match.negated || match.ranges.size() != 1) return std::nullopt;
  if (match.ranges.front().first != match.ranges.front().last) return std::nullopt;
  return PublishedPort{rule.protocol->name, 0, match.ranges.front().first, "ingress"};
}

}  // namespace

std::vector<PublishedPort> RedirectedPorts(const FirewallRules& rules) {
  std::vector<PublishedPort> ports;
  for (const FirewallRule& rule : rules.ChainRules("nat", "PREROUTING")) {
    auto port = PortOf(rule);
    const auto target = Number(rule.Option("--to-ports"));
    if (rule.target != "REDIRECT" || !port || !target || *target > 65535) continue;
    port->target = static_cast<uint16_t>(*target);
    ports.push_back(*port);
  }
  return ports;
}

std::vector<MarkedPort> MarkedPorts(const FirewallRules& rules) {
  std::vector<MarkedPort> ports;
  for (const FirewallRule& rule : rules.ChainRules("mangle", "PREROUTING")) {
    const auto port = PortOf(rule);
    std::string_view mark = rule.Option("--set-xmark");
    mark = mark.substr(0, mark.find('/'));
    const auto number = Number(mark);
    if (rule.target == "MARK" && port && number) ports.push_back({*number, port->protocol, port->published});
  }
  return ports;
}

}  // namespace xlb
