#include "model/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace xlb {
namespace {

constexpr size_t kMaxEntries = 1024;   // of one list, so that many services' lists fit the map
constexpr size_t kMaxDeviceName = 15;  // IFNAMSIZ without its end

std::vector<std::string_view> SplitList(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    parts.push_back(part);
  }
  return parts;
}

absl::Status CheckCount(size_t count) {
  if (count <= kMaxEntries) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("a list has room for {} entries, not {}", kMaxEntries, count));
}

absl::Status CheckBindEntry(std::string_view entry) {
  const std::optional<Ipv4> address = Ipv4::Parse(entry);
  if (address && address->IsUnset()) {
    return absl::InvalidArgumentError("0.0.0.0 is no address to bind to; leave the list empty for every address");
  }
  const bool can_be_device = !entry.empty() && entry.size() <= kMaxDeviceName && entry != "." && entry != ".." &&
                             entry.find_first_of("/: \t\n,\"") == std::string_view::npos;
  if (address || can_be_device) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("\"{}\" is neither an IPv4 address nor a device's name", entry));
}

absl::Status CheckBind(const std::vector<std::string>& bind) {
  for (const std::string& entry : bind) XLB_RETURN_IF_ERROR(CheckBindEntry(entry));
  return CheckCount(bind.size());
}

template <typename List>
absl::Status TakeLabel(const std::map<std::string, std::string>& labels, const std::string& name,
                       absl::StatusOr<List> (*parse)(std::string_view), List& into) {
  const auto label = labels.find(name);
  if (label == labels.end()) return absl::OkStatus();
  absl::StatusOr<List> parsed = parse(label->second);
  // More likely a variable that was not set than "no restriction".
  if (label->second.empty()) parsed = absl::InvalidArgumentError("it is empty");
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("label {}={}: {}", name, label->second, std::string(parsed.status().message())));
  }
  into = *std::move(parsed);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Ipv4Prefix>> ParsePrefixes(std::string_view text) {
  std::vector<Ipv4Prefix> prefixes;
  for (const std::string_view part : SplitList(text)) {
    const std::optional<Ipv4Prefix> prefix = Ipv4Prefix::Parse(part);
    if (!prefix) {
      return absl::InvalidArgumentError(
          fmt::format("\"{}\" is not an IPv4 address or prefix such as 10.0.0.0/8, without bits behind it", part));
    }
    prefixes.push_back(*prefix);
  }
  XLB_RETURN_IF_ERROR(CheckCount(prefixes.size()));
  return prefixes;
}

absl::StatusOr<std::vector<std::string>> ParseBind(std::string_view text) {
  std::vector<std::string> bind;
  for (const std::string_view part : SplitList(text)) bind.emplace_back(part);
  XLB_RETURN_IF_ERROR(CheckBind(bind));
  return bind;
}

absl::Status CheckAccess(const Access& access) {
  XLB_RETURN_IF_ERROR(CheckCount(access.allow.size()));
  XLB_RETURN_IF_ERROR(CheckCount(access.deny.size()));
  return CheckBind(access.bind);
}

void AccessChange::ApplyTo(Access& access) const {
  if (allow) access.allow = *allow;
  if (deny) access.deny = *deny;
  if (bind) access.bind = *bind;
}

void AccessChange::ApplyTo(AccessChange& earlier) const {
  if (allow) earlier.allow = allow;
  if (deny) earlier.deny = deny;
  if (bind) earlier.bind = bind;
}

absl::StatusOr<Access> AccessOfLabels(const std::map<std::string, std::string>& labels) {
  Access access;
  XLB_RETURN_IF_ERROR(TakeLabel(labels, "xlb.allow", &ParsePrefixes, access.allow));
  XLB_RETURN_IF_ERROR(TakeLabel(labels, "xlb.deny", &ParsePrefixes, access.deny));
  XLB_RETURN_IF_ERROR(TakeLabel(labels, "xlb.bind", &ParseBind, access.bind));
  return access;
}

AddressMap<SourceVerdicts> VerdictsOf(const Access& access) {
  const auto by_default = access.allow.empty() ? XLB_SOURCE_ALLOW : XLB_SOURCE_DENY;
  AddressMap<SourceVerdicts> verdicts(AllVerdicts(by_default));
  // Short prefixes first, so that longer ones are written over them; of the same length, deny last.
  std::vector<std::pair<Ipv4Prefix, xlb_source_verdict>> prefixes;
  for (const Ipv4Prefix& prefix : access.allow) prefixes.emplace_back(prefix, XLB_SOURCE_ALLOW);
  for (const Ipv4Prefix& prefix : access.deny) prefixes.emplace_back(prefix, XLB_SOURCE_DENY);
  std::stable_sort(prefixes.begin(), prefixes.end(),
                   [](const auto& a, const auto& b) { return a.first.length < b.first.length; });
  for (const auto& [prefix, verdict] : prefixes) {
    verdicts.Update({prefix.First(), prefix.Last()}, [&](SourceVerdicts) { return AllVerdicts(verdict); });
  }
  return verdicts;
}

}  // namespace xlb
