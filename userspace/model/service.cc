#include "model/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

namespace xlb {
namespace {

template <typename Kind>
struct Named {
  Kind kind;
  std::string_view name;
};

constexpr Named<Protocol> kProtocols[] = {{Protocol::kTcp, "tcp"}, {Protocol::kUdp, "udp"}};
constexpr Named<BackendKind> kBackendKinds[] = {
    {BackendKind::kRoute, "route"}, {BackendKind::kVxlan, "vxlan"}, {BackendKind::kLocal, "local"}};
constexpr Named<BackendState> kBackendStates[] = {
    {BackendState::kActive, "active"}, {BackendState::kDraining, "draining"}, {BackendState::kDown, "down"}};
constexpr Named<ServiceSource> kSources[] = {{ServiceSource::kStatic, "static"}, {ServiceSource::kSwarm, "swarm"}};
constexpr Named<SchedulerKind> kSchedulers[] = {
#define X(kind, name, pick, builder) {SchedulerKind::kind, name},
#include "model/schedulers.def"
#undef X
};

template <typename Kind, size_t count>
std::string_view NameOf(const Named<Kind> (&table)[count], Kind kind) {
  const auto* found =
      std::find_if(std::begin(table), std::end(table), [&](const auto& row) { return row.kind == kind; });
  return found == std::end(table) ? "unknown" : found->name;
}

template <typename Kind, size_t count>
absl::StatusOr<Kind> KindOf(const Named<Kind> (&table)[count], std::string_view text, std::string_view what) {
  std::string known;
  for (const auto& row : table) {
    if (row.name == text) return row.kind;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", row.name);
  }
  return absl::InvalidArgumentError(fmt::format("\"{}\" is not a {}; known are {}", text, what, known));
}

// Digits only and one spelling of each number: "080" and "+80" are more likely a slip than meant.
std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  if (text.empty() || text.front() == '0') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

absl::Status Wrong(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("\"{}\": {}", text, why));
}

struct HostPort {
  std::string_view host;
  uint16_t port;
};

// Splits at the last colon, so that an IPv6 address is refused as an address and not as a port.
absl::StatusOr<HostPort> SplitHostPort(std::string_view whole, std::string_view text, std::string_view example) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Wrong(whole, fmt::format("the port is missing, as in {}", example));
  const std::optional<uint16_t> port = ParsePort(text.substr(colon + 1));
  if (!port) {
    return Wrong(whole, fmt::format("port \"{}\" is not a number from 1 to 65535", text.substr(colon + 1)));
  }
  return HostPort{text.substr(0, colon), *port};
}

}  // namespace

std::string_view ToString(Protocol protocol) { return NameOf(kProtocols, protocol); }
std::string_view ToString(SchedulerKind scheduler) { return NameOf(kSchedulers, scheduler); }
std::string_view ToString(BackendKind kind) { return NameOf(kBackendKinds, kind); }
std::string_view ToString(BackendState state) { return NameOf(kBackendStates, state); }
std::string_view ToString(ServiceSource source) { return NameOf(kSources, source); }

absl::StatusOr<Protocol> ParseProtocol(std::string_view text) {
  if (text == "sctp") return absl::InvalidArgumentError("SCTP is left to Docker");
  return KindOf(kProtocols, text, "protocol");
}

absl::StatusOr<SchedulerKind> ParseScheduler(std::string_view text) { return KindOf(kSchedulers, text, "scheduler"); }

xlb_pick PickOf(SchedulerKind scheduler) {
  switch (scheduler) {
#define X(kind, name, pick, builder) \
  case SchedulerKind::kind:          \
    return pick;
#include "model/schedulers.def"
#undef X
  }
  return XLB_PICK_NEXT;
}

absl::StatusOr<Frontend> Frontend::Parse(std::string_view text) {
  constexpr std::string_view kExample = "tcp/192.0.2.10:80 or tcp/*:80";
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return Wrong(text, fmt::format("the protocol is missing, as in {}", kExample));
  absl::StatusOr<Protocol> parsed_protocol = ParseProtocol(text.substr(0, slash));
  if (!parsed_protocol.ok()) {
    const absl::string_view why = parsed_protocol.status().message();
    return Wrong(text, {why.data(), why.size()});
  }
  XLB_ASSIGN_OR_RETURN(const HostPort at, SplitHostPort(text, text.substr(slash + 1), kExample));
  if (at.host == "*") return Frontend{*parsed_protocol, Ipv4{}, at.port};
  const std::optional<Ipv4> parsed_address = Ipv4::Parse(at.host);
  if (!parsed_address) return Wrong(text, fmt::format("\"{}\" is not an IPv4 address", at.host));
  if (parsed_address->IsUnset()) return Wrong(text, "write * instead of 0.0.0.0 for every address of this node");
  return Frontend{*parsed_protocol, *parsed_address, at.port};
}

std::string Frontend::ToString() const {
  return fmt::format("{}/{}:{}", xlb::ToString(protocol), address.IsUnset() ? "*" : address.ToString(), port);
}

absl::StatusOr<Endpoint> Endpoint::Parse(std::string_view text) {
  XLB_ASSIGN_OR_RETURN(const HostPort at, SplitHostPort(text, text, "10.1.0.5:8080"));
  const std::optional<Ipv4> parsed_address = Ipv4::Parse(at.host);
  if (!parsed_address) return Wrong(text, fmt::format("\"{}\" is not an IPv4 address", at.host));
  if (parsed_address->IsUnset()) return Wrong(text, "nothing can be sent to 0.0.0.0");
  return Endpoint{*parsed_address, at.port};
}

std::string Endpoint::ToString() const { return fmt::format("{}:{}", address.ToString(), port); }

}  // namespace xlb
