#include "netfilter/firewall.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "netfilter/condition.h"

namespace xlb {
namespace {

// What may have become of packets from a source so far, as bits: with a rule of which it is not known whether it
// matches, more than one.
enum Outcome : uint8_t { kAdmitted = 1, kDenied = 2, kLeft = 4 };

constexpr int kMaxDepth = 64;  // iptables refuses loops; a dump could be from the middle of a change

bool IsOneOf(const std::string& name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Targets after which the packet goes on to the next rule, and that decide nothing about it.
bool GoesOn(const std::string& target) {
  return target.empty() ||
         IsOneOf(target, {"LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "TOS", "DSCP", "TTL", "TCPMSS", "CLASSIFY", "SET",
                          "TRACE", "AUDIT", "RATEEST", "CHECKSUM", "SECMARK", "CONNSECMARK", "LED", "ACCOUNT"});
}

// Chains that Docker makes and fills; DOCKER-USER alone is the user's.
bool IsDockers(const std::string& chain) {
  return chain == "DOCKER" || (chain.starts_with("DOCKER-") && chain != "DOCKER-USER");
}

// One base chain: what it makes of packets that are alike but for their source.
class Walk {
 public:
  Walk(const FirewallTable& table, PacketKind packet, bool in_nat, std::set<std::string>& because)
      : table_(table), packet_(std::move(packet)), in_nat_(in_nat), because_(because) {}

  AddressMap<FirewallVerdict> Through(const std::string& chain) {
    has_dockers_ = HasDockers(chain);
    Sources everybody(true);
    Sources rest = Follow(chain, std::move(everybody), 0);
    Decide(rest, {AddressRange{}}, kAdmitted);
    AddressMap<FirewallVerdict> verdicts(FirewallVerdict::kAdmit);
    outcome_.ForEach([&](const AddressRange& range, uint8_t bits) {
      const auto verdict = bits == kAdmitted ? FirewallVerdict::kAdmit
                           : bits == kDenied ? FirewallVerdict::kDeny
                                             : FirewallVerdict::kLeave;
      if (verdict != FirewallVerdict::kAdmit) verdicts.Update(range, [&](FirewallVerdict) { return verdict; });
    });
    return verdicts;
  }

 private:
  // Those whose packets may be at the rule that is looked at.
  using Sources = AddressMap<bool>;

  bool HasDockers(const std::string& chain) const {
    const auto found = table_.find(chain);
    return found != table_.end() && std::any_of(found->second.rules.begin(), found->second.rules.end(),
                                                [](const FirewallRule& rule) { return IsDockers(rule.target); });
  }

  // Where Docker's rules are missing from the base chain, as after `iptables -F`, a rule that takes every packet is
  // what the policy is elsewhere: it would stand behind them.
  bool IsLikeThePolicy(const FirewallRule& rule, int depth) const {
    const FirewallRule plain;
    return depth == 0 && !has_dockers_ && !in_nat_ && rule.source == plain.source && !rule.source_range &&
           !rule.destination && !rule.in && !rule.out && !rule.protocol && rule.states.empty() &&
           rule.unknown.empty() && rule.address_types.empty() && !rule.mark && !table_.contains(rule.target) &&
           !GoesOn(rule.target);
  }

  static std::vector<AddressRange> Within(const Sources& sources, const std::vector<AddressRange>& ranges) {
    std::vector<AddressRange> found;
    for (const AddressRange& range : ranges) {
      sources.ForEach(range, [&](const AddressRange& run, bool is_in) {
        if (is_in) found.push_back(run);
      });
    }
    return found;
  }

  void Decide(const Sources& sources, const std::vector<AddressRange>& ranges, Outcome outcome) {
    for (const AddressRange& range : Within(sources, ranges)) {
      outcome_.Update(range, [&](uint8_t bits) { return static_cast<uint8_t>(bits | outcome); });
    }
  }

  static void Set(Sources& sources, const std::vector<AddressRange>& ranges, bool is_in) {
    for (const AddressRange& range : ranges) sources.Update(range, [&](bool) { return is_in; });
  }

  Outcome OutcomeOf(const std::string& target) const {
    // Past nat's chain without Docker's DNAT the packet is the host's own.
    if (target == "ACCEPT") return in_nat_ ? kLeft : kAdmitted;
    return target == "DROP" ? kDenied : kLeft;
  }

  // Takes the sources at the chain's beginning, gives those that come back from it.
  Sources Follow(const std::string& chain, Sources at, int depth) {
    Sources back(false);
    const auto found = table_.find(chain);
    if (found != table_.end() && depth < kMaxDepth) {
      for (const FirewallRule& rule : found->second.rules) {
        if (!Step(rule, at, back, depth)) return back;
      }
    }
    Set(back, Within(at, {AddressRange{}}), true);
    return back;
  }

  // False: Docker's rules begin here, and let everybody in who came so far.
  bool Step(const FirewallRule& rule, Sources& at, Sources& back, int depth) {
    if (GoesOn(rule.target)) return true;
    const Condition condition = ConditionOf(rule, packet_);
    const std::vector<AddressRange> matching = Within(at, condition.sources);
    if (matching.empty()) return true;
    if (IsDockers(rule.target) || IsLikeThePolicy(rule, depth)) {
      Decide(at, {AddressRange{}}, kAdmitted);
      return false;
    }
    if (rule.target == "RETURN") {
      Set(back, matching, true);
      if (condition.sure) Set(at, matching, false);
      if (!condition.sure) because_.insert(rule.text);
    } else if (table_.contains(rule.target)) {
      Jump(rule, condition.sure, matching, at, back, depth);
    } else {
      const Outcome outcome = OutcomeOf(rule.target);
      Decide(at, matching, outcome);
      if (!condition.sure || outcome == kLeft) because_.insert(rule.text);
      if (condition.sure) Set(at, matching, false);
    }
    return true;
  }

  void Jump(const FirewallRule& rule, bool sure, const std::vector<AddressRange>& matching, Sources& at, Sources& back,
            int depth) {
    Sources into(false);
    Set(into, matching, true);
    const Sources returned = Follow(rule.target, std::move(into), depth + 1);
    if (!sure) because_.insert(rule.text);
    const std::vector<AddressRange> came_back = Within(returned, matching);
    if (sure) Set(at, matching, false);
    Set(rule.is_goto ? back : at, came_back, true);
  }

  const FirewallTable& table_;
  const PacketKind packet_;
  const bool in_nat_;
  std::set<std::string>& because_;
  bool has_dockers_ = false;
  AddressMap<uint8_t> outcome_{0};
};

struct Stage {
  const char* table;
  const char* chain;
};
constexpr Stage kStages[] = {{"raw", "PREROUTING"},    {"mangle", "PREROUTING"}, {"nat", "PREROUTING"},
                             {"mangle", "FORWARD"},    {"filter", "FORWARD"},    {"security", "FORWARD"},
                             {"mangle", "POSTROUTING"}};

PacketKind AtStage(const Stage& stage, const FirewallQuestion& question, const std::string& device, Ipv4 asked) {
  const std::string_view chain = stage.chain;
  PacketKind packet;
  packet.protocol = question.protocol;
  packet.port = question.port;
  packet.asked = asked;
  packet.living = question.living;
  packet.forwarded = chain != "PREROUTING";
  packet.in = chain == "POSTROUTING" ? std::string() : device;
  packet.out = packet.forwarded ? question.bridge : std::string();
  packet.destination = packet.forwarded ? question.sandbox : AddressRange{asked.HostOrder(), asked.HostOrder()};
  packet.tracked = std::string_view(stage.table) != "raw";
  return packet;
}

FirewallAnswer AskOne(const FirewallRules& rules, const FirewallQuestion& question, const std::string& device,
                      Ipv4 asked) {
  FirewallAnswer answer;
  for (const Stage& stage : kStages) {
    for (const FirewallRules::Part& part : rules.parts) {
      const auto table = part.dump.tables.find(stage.table);
      // nat sees a connection's first packet alone.
      const bool passes_by = std::string_view(stage.table) == "nat" && question.living;
      if (table == part.dump.tables.end() || passes_by) continue;
      Walk walk(table->second, AtStage(stage, question, device, asked), std::string_view(stage.table) == "nat",
                answer.because);
      walk.Through(stage.chain).ForEach([&](const AddressRange& range, FirewallVerdict verdict) {
        if (verdict == FirewallVerdict::kAdmit) return;
        answer.verdicts.Update(
            range, [&](FirewallVerdict before) { return before == FirewallVerdict::kAdmit ? verdict : before; });
      });
    }
  }
  return answer;
}

bool AsksForDestination(const FirewallRules& rules) {
  for (const auto& part : rules.parts) {
    for (const auto& [table_name, table] : part.dump.tables) {
      for (const auto& [chain_name, chain] : table) {
        if (IsDockers(chain_name)) continue;
        for (const FirewallRule& rule : chain.rules) {
          if (rule.destination || rule.original_destination) return true;
        }
      }
    }
  }
  return false;
}

}  // namespace

void FirewallAnswer::Merge(const FirewallAnswer& other) {
  because.insert(other.because.begin(), other.because.end());
  other.verdicts.ForEach([&](const AddressRange& range, FirewallVerdict theirs) {
    verdicts.Update(range, [&](FirewallVerdict ours) { return ours == theirs ? ours : FirewallVerdict::kLeave; });
  });
}

FirewallAnswer AskFirewall(const FirewallRules& rules, const FirewallQuestion& question) {
  std::optional<FirewallAnswer> answer;
  std::vector<Ipv4> asked = question.asked;
  if (asked.empty()) asked.emplace_back();
  if (!AsksForDestination(rules)) asked.resize(1);
  for (const std::string& device : question.devices) {
    for (const Ipv4 address : asked) {
      FirewallAnswer one = AskOne(rules, question, device, address);
      if (answer) {
        answer->Merge(one);
      } else {
        answer = std::move(one);
      }
    }
  }
  if (!answer) return {};
  bool leaves = false;
  answer->verdicts.ForEach(
      [&](const AddressRange&, FirewallVerdict verdict) { leaves |= verdict == FirewallVerdict::kLeave; });
  if (!leaves) answer->because.clear();
  return *std::move(answer);
}

std::vector<std::string> DistinctDevices(const FirewallRules& rules, const std::vector<std::string>& devices) {
  std::map<std::vector<bool>, std::string> kinds;
  for (const std::string& device : devices) {
    std::vector<bool> matches;
    for (const auto& part : rules.parts) {
      for (const auto& [table_name, table] : part.dump.tables) {
        for (const auto& [chain_name, chain] : table) {
          if (IsDockers(chain_name)) continue;
          for (const FirewallRule& rule : chain.rules) {
            if (rule.in) matches.push_back(rule.in->Matches(device));
          }
        }
      }
    }
    kinds.emplace(std::move(matches), device);
  }
  std::vector<std::string> distinct;
  for (auto& [matches, device] : kinds) distinct.push_back(device);
  return distinct;
}

}  // namespace xlb
