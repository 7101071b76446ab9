#include "model/policy.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>
#include <fmt/core.h>

#include <algorithm>

namespace xlb {
namespace {

using Labels = std::map<std::string, std::string>;

constexpr char kClientIp[] = "client-ip";

absl::StatusOr<uint32_t> ParseWeight(std::string_view text) {
  uint32_t weight = 0;
  if (!absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &weight) || weight > kMaxWeight) {
    return absl::InvalidArgumentError(fmt::format("\"{}\" is not a weight from 0 to {}", text, kMaxWeight));
  }
  return weight;
}

// Gives the label's value to `take`, if there is the label.
template <typename Take>
void TakeLabel(const Labels& labels, const std::string& name, PolicyProblems& problems, Take take) {
  const auto label = labels.find(name);
  if (label == labels.end()) return;
  const absl::Status taken = take(std::string_view(label->second));
  if (taken.ok()) return;
  problems.push_back(
      fmt::format("label {}={}: {}; it counts for nothing", name, label->second, std::string(taken.message())));
}

// Of two words: true for the second.
absl::Status TakeChoice(std::string_view text, std::string_view first, std::string_view second, bool& is_second) {
  if (text != first && text != second) {
    return absl::InvalidArgumentError(fmt::format("it is either {} or {}", first, second));
  }
  is_second = text == second;
  return absl::OkStatus();
}

absl::Status TakeWeights(std::string_view text, Service& service) {
  XLB_ASSIGN_OR_RETURN(const Weights weights, Weights::Parse(text));
  for (Backend& backend : service.backends) backend.weight = weights.Of(backend.node);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Weights> Weights::Parse(std::string_view text) {
  Weights weights;
  const absl::string_view whole(text.data(), text.size());
  if (whole.find('=') == absl::string_view::npos) {
    XLB_ASSIGN_OR_RETURN(weights.others_, ParseWeight(text));
    return weights;
  }
  for (const absl::string_view part : absl::StrSplit(whole, ',')) {
    const std::pair<absl::string_view, absl::string_view> entry =
        absl::StrSplit(absl::StripAsciiWhitespace(part), absl::MaxSplits('=', 1));
    const std::string node(absl::StripAsciiWhitespace(entry.first));
    if (node.empty()) return absl::InvalidArgumentError(fmt::format("\"{}\" is not node=weight", std::string(part)));
    XLB_ASSIGN_OR_RETURN(const uint32_t weight, ParseWeight(std::string(absl::StripAsciiWhitespace(entry.second))));
    if (node == "*") {
      weights.others_ = weight;
    } else {
      weights.by_node_[node] = weight;
    }
  }
  return weights;
}

uint32_t Weights::Of(std::string_view node) const {
  const auto found = by_node_.find(node);
  return found == by_node_.end() ? others_ : found->second;
}

absl::StatusOr<std::chrono::seconds> ParseAffinity(std::string_view text) {
  absl::string_view rest(text.data(), text.size());
  const auto wrong = [] {
    return absl::InvalidArgumentError(
        fmt::format("it is {0}, or {0}/ and a time of up to {1}h such as 600, 600s, 10m or 2h", kClientIp,
                    std::chrono::duration_cast<std::chrono::hours>(kMaxAffinity).count()));
  };
  if (!absl::ConsumePrefix(&rest, kClientIp)) return wrong();
  if (rest.empty()) return kDefaultAffinity;
  if (!absl::ConsumePrefix(&rest, "/")) return wrong();
  int64_t unit = 1;
  if (absl::ConsumeSuffix(&rest, "h")) {
    unit = 3600;
  } else if (absl::ConsumeSuffix(&rest, "m")) {
    unit = 60;
  } else {
    absl::ConsumeSuffix(&rest, "s");
  }
  uint32_t count = 0;
  if (!absl::SimpleAtoi(rest, &count) || count == 0 || count * unit > kMaxAffinity.count()) return wrong();
  return std::chrono::seconds(count * unit);
}

PolicyProblems ApplyPolicyLabels(const Labels& labels, Service& service) {
  PolicyProblems problems;
  TakeLabel(labels, "xlb.weight", problems, [&](std::string_view text) -> absl::Status {
    XLB_RETURN_IF_ERROR(TakeWeights(text, service));
    service.scheduler = SchedulerKind::kWeightedRoundRobin;  // unless another one is named
    return absl::OkStatus();
  });
  TakeLabel(labels, "xlb.scheduler", problems, [&](std::string_view text) -> absl::Status {
    XLB_ASSIGN_OR_RETURN(service.scheduler, ParseScheduler(text));
    return absl::OkStatus();
  });
  TakeLabel(labels, "xlb.affinity", problems, [&](std::string_view text) -> absl::Status {
    XLB_ASSIGN_OR_RETURN(service.affinity, ParseAffinity(text));
    return absl::OkStatus();
  });
  TakeLabel(labels, "xlb.source-ip", problems,
            [&](std::string_view text) { return TakeChoice(text, "preserve", "snat", service.snat); });
  TakeLabel(labels, "xlb.prefer-local", problems,
            [&](std::string_view text) { return TakeChoice(text, "false", "true", service.prefer_local); });
  TakeLabel(labels, "xlb.return", problems, [&](std::string_view text) -> absl::Status {
    bool direct = false;
    XLB_RETURN_IF_ERROR(TakeChoice(text, "via-lb", "direct", direct));
    for (Backend& backend : service.backends)
      backend.reach.direct = direct && backend.reach.kind == BackendKind::kVxlan;
    return absl::OkStatus();
  });
  return problems;
}

}  // namespace xlb
