#include "netfilter/condition.h"

#include <algorithm>

namespace xlb {
namespace {

enum class Answer { kNo, kMaybe, kYes };

Answer If(bool matches) { return matches ? Answer::kYes : Answer::kNo; }

Answer AnswerOf(const AddressMatch& match, const AddressRange& range) {
  if (range.first == range.last) return If(match.Matches(Ipv4::FromHostOrder(range.first)));
  const auto length = match.PrefixLength();
  if (!length) return Answer::kMaybe;
  const uint32_t mask = match.mask.HostOrder();
  const uint32_t first = match.address.HostOrder() & mask;
  const uint32_t last = first | ~mask;
  const bool apart = last < range.first || range.last < first;
  const bool within = first <= range.first && range.last <= last;
  return apart ? If(match.negated) : within ? If(!match.negated) : Answer::kMaybe;
}

Answer AnswerOf(const PortMatch& match, const PacketKind& packet) {
  const bool any = std::any_of(match.ranges.begin(), match.ranges.end(),
                               [](const PortRange& range) { return range == PortRange{}; });
  switch (match.kind) {
    case PortKind::kDestination:
    case PortKind::kOriginalDestination:
      return If(match.Matches(packet.port));
    case PortKind::kSource:
      return any ? If(!match.negated) : Answer::kMaybe;
    case PortKind::kEither:
      return !match.negated && match.Matches(packet.port) ? Answer::kYes : Answer::kMaybe;
  }
  return Answer::kMaybe;
}

// Docker's DNAT shows as a state of its own, once it was done.
Answer AnswerOf(const StateMatch& match, const PacketKind& packet) {
  if (!packet.tracked) return Answer::kMaybe;
  const bool has = match.Has(packet.living ? "ESTABLISHED" : "NEW") || (packet.forwarded && match.Has("DNAT"));
  const bool may_have = match.Has("DNAT") || match.Has("SNAT");
  if (!has && may_have && !packet.forwarded) return Answer::kMaybe;
  return If(has != match.negated);
}

// An address of this node until Docker's DNAT, then one on its bridge. Of sources nothing is known.
Answer AnswerOf(const AddressTypeMatch& match, const PacketKind& packet) {
  if (!match.destination) return Answer::kMaybe;
  const std::string type = packet.forwarded ? "UNICAST" : "LOCAL";
  return If((std::find(match.types.begin(), match.types.end(), type) != match.types.end()) != match.negated);
}

Answer AnswerOf(const DeviceMatch& match, const std::string& device) {
  return device.empty() ? Answer::kMaybe : If(match.Matches(device));
}

// All but what is said of the source.
Answer AnswerOf(const FirewallRule& rule, const PacketKind& packet) {
  Answer answer = rule.unknown.empty() ? Answer::kYes : Answer::kMaybe;
  const auto both = [&answer](Answer other) { answer = std::min(answer, other); };
  if (rule.protocol) both(If(rule.protocol->Matches(packet.protocol)));
  if (rule.in) both(AnswerOf(*rule.in, packet.in));
  if (rule.out) both(AnswerOf(*rule.out, packet.out));
  if (rule.destination) both(AnswerOf(*rule.destination, packet.destination));
  if (rule.original_destination) both(If(rule.original_destination->Matches(packet.asked)));
  for (const PortMatch& match : rule.ports) both(AnswerOf(match, packet));
  for (const StateMatch& match : rule.states) both(AnswerOf(match, packet));
  for (const AddressTypeMatch& match : rule.address_types) both(AnswerOf(match, packet));
  if (!rule.direction.empty()) both(packet.tracked ? If(rule.direction == "ORIGINAL") : Answer::kMaybe);
  if (rule.only_syn) both(If(packet.protocol == "tcp" && !packet.living));
  if (rule.mark) both(Answer::kMaybe);
  return answer;
}

std::vector<AddressRange> Complement(const AddressRange& range) {
  std::vector<AddressRange> rest;
  if (range.first != 0) rest.push_back({0, range.first - 1});
  if (range.last != UINT32_MAX) rest.push_back({range.last + 1, UINT32_MAX});
  return rest;
}

std::vector<AddressRange> Common(const std::vector<AddressRange>& a, const std::vector<AddressRange>& b) {
  std::vector<AddressRange> common;
  for (const AddressRange& x : a) {
    for (const AddressRange& y : b) {
      const AddressRange both{std::max(x.first, y.first), std::min(x.last, y.last)};
      if (both.first <= both.last) common.push_back(both);
    }
  }
  return common;
}

std::vector<AddressRange> RangesOf(const AddressRange& range, bool negated) {
  return negated ? Complement(range) : std::vector<AddressRange>{range};
}

}  // namespace

Condition ConditionOf(const FirewallRule& rule, const PacketKind& packet) {
  const Answer answer = AnswerOf(rule, packet);
  Condition condition{{}, answer == Answer::kYes};
  if (answer == Answer::kNo) return condition;
  condition.sources = {AddressRange{}};
  if (rule.source && rule.source->PrefixLength()) {
    const uint32_t mask = rule.source->mask.HostOrder();
    const uint32_t first = rule.source->address.HostOrder() & mask;
    condition.sources = RangesOf({first, first | ~mask}, rule.source->negated);
  } else if (rule.source) {
    condition.sure = false;
  }
  if (rule.source_range) {
    condition.sources = Common(condition.sources, RangesOf(rule.source_range->range, rule.source_range->negated));
  }
  return condition;
}

}  // namespace xlb
