#include "netfilter/rules.h"

#include <algorithm>
#include <bit>

namespace xlb {

std::optional<uint8_t> AddressMatch::PrefixLength() const {
  const uint32_t bits = mask.HostOrder();
  const int length = std::countl_one(bits);
  if (length < 32 && (bits << length) != 0) return std::nullopt;
  return static_cast<uint8_t>(length);
}

bool DeviceMatch::Matches(std::string_view device) const {
  const bool any_ending = name.ends_with('+');
  const bool same = any_ending ? device.starts_with(std::string_view(name).substr(0, name.size() - 1)) : device == name;
  return same != negated;
}

bool PortMatch::Matches(uint16_t port) const {
  const bool within = std::any_of(ranges.begin(), ranges.end(),
                                  [&](const PortRange& range) { return range.first <= port && port <= range.last; });
  return within != negated;
}

bool StateMatch::Has(std::string_view state) const {
  return std::find(states.begin(), states.end(), state) != states.end();
}

std::string_view FirewallRule::Option(std::string_view name) const {
  const auto found = std::find(options.begin(), options.end(), name);
  return found == options.end() || found + 1 == options.end() ? std::string_view() : std::string_view(*(found + 1));
}

const FirewallChain* FirewallDump::Chain(const std::string& table, const std::string& chain) const {
  const auto in = tables.find(table);
  if (in == tables.end()) return nullptr;
  const auto found = in->second.find(chain);
  return found == in->second.end() ? nullptr : &found->second;
}

}  // namespace xlb
