#include "xlbd/firewall_sources.h"

#include <fmt/format.h>

#include <set>
#include <utility>

namespace xlb {
namespace {

xlb_source_verdict VerdictOf(FirewallVerdict verdict) {
  switch (verdict) {
    case FirewallVerdict::kAdmit:
      return XLB_SOURCE_ALLOW;
    case FirewallVerdict::kDeny:
      return XLB_SOURCE_DENY;
    case FirewallVerdict::kLeave:
      return XLB_SOURCE_LEAVE;
  }
  return XLB_SOURCE_LEAVE;
}

// "-A DOCKER-USER -s 192.0.2.7/32 -j REJECT (and 3 more)".
std::string Brief(const std::set<std::string>& rules) {
  if (rules.empty()) return "";
  const std::string more = rules.size() > 1 ? fmt::format(" (and {} more)", rules.size() - 1) : "";
  return fmt::format("the rule '{}'{}", *rules.begin(), more);
}

constexpr SourceVerdicts kLeaveNew =
    XLB_SOURCE_LEAVE << (XLB_SOURCE_NEW + XLB_SOURCE_REMOTE) | XLB_SOURCE_LEAVE << (XLB_SOURCE_NEW + XLB_SOURCE_LOCAL);

}  // namespace

void FirewallSources::Update(const FirewallRules* rules, uint64_t version, std::string problem,
                             FirewallSurroundings surroundings) {
  if (rules != rules_ || version != version_ || problem != problem_ || surroundings != surroundings_) answers_.clear();
  rules_ = rules;
  version_ = version;
  problem_ = std::move(problem);
  surroundings_ = std::move(surroundings);
}

const PortFirewall& FirewallSources::Of(Protocol protocol, uint16_t port) {
  const auto known = answers_.find({protocol, port});
  if (known != answers_.end()) return known->second;
  return answers_.emplace(std::pair(protocol, port), Ask(protocol, port)).first->second;
}

PortFirewall FirewallSources::Ask(Protocol protocol, uint16_t port) const {
  PortFirewall answer;
  if (rules_ == nullptr) {
    // What lives stays: it came in when the rules were known.
    answer.verdicts = AddressMap<SourceVerdicts>(kLeaveNew);
    answer.leaves_all = true;
    answer.because = fmt::format("the firewall cannot be read: {}", problem_);
    return answer;
  }
  FirewallQuestion question;
  question.protocol = ToString(protocol);
  question.port = port;
  question.asked = surroundings_.addresses;
  question.sandbox = surroundings_.sandbox;
  question.bridge = surroundings_.gateway_bridge;
  std::set<std::string> because;
  for (const auto& [devices, where] :
       {std::pair(&surroundings_.uplinks, XLB_SOURCE_REMOTE), std::pair(&surroundings_.bridges, XLB_SOURCE_LOCAL)}) {
    question.devices = DistinctDevices(*rules_, *devices);
    for (const int when : {XLB_SOURCE_NEW, XLB_SOURCE_LIVING}) {
      question.living = when == XLB_SOURCE_LIVING;
      FirewallAnswer one = AskFirewall(*rules_, question);
      because.merge(one.because);
      one.verdicts.ForEach([&](const AddressRange& range, FirewallVerdict verdict) {
        const auto shifted = static_cast<SourceVerdicts>(VerdictOf(verdict)) << (where + when);
        if (shifted != 0) answer.verdicts.Update(range, [&](SourceVerdicts before) { return before | shifted; });
      });
    }
  }
  answer.leaves_all = answer.verdicts.runs() == 1 && (answer.verdicts.At(0) & kLeaveNew) == kLeaveNew;
  answer.because = Brief(because);
  return answer;
}

}  // namespace xlb
