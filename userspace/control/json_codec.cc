#include "control/json_codec.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace xlb {

std::string JsonPlace::ToString() const {
  std::string text = parent == nullptr ? "" : parent->ToString();
  if (!text.empty() && !key.empty()) text += ": ";
  text += key;
  if (index) text += fmt::format("[{}]", *index);
  if (!name.empty()) text += fmt::format(" \"{}\"", name);
  return text;
}

absl::Status JsonPlace::Error(std::string_view what) const {
  const std::string place = ToString();
  return absl::InvalidArgumentError(fmt::format("{}: {}", place.empty() ? "the document" : place, what));
}

absl::Status JsonPlace::ValueError(const absl::Status& status) const {
  const std::string place = parent == nullptr ? "" : parent->ToString();
  const std::string message(status.message());
  return absl::Status(status.code(), place.empty() ? message : fmt::format("{}: {}", place, message));
}

absl::Status ReadJson(const boost::json::value& json, std::string& out, const JsonPlace& place) {
  if (!json.is_string()) return place.Error("must be a string");
  out = std::string_view(json.get_string());
  return absl::OkStatus();
}

absl::Status ReadJson(const boost::json::value& json, bool& out, const JsonPlace& place) {
  if (!json.is_bool()) return place.Error("must be true or false");
  out = json.get_bool();
  return absl::OkStatus();
}

absl::Status ReadJson(const boost::json::value& json, double& out, const JsonPlace& place) {
  boost::json::error_code error;
  if (json.is_number()) out = json.to_number<double>(error);
  return json.is_number() && !error ? absl::OkStatus() : place.Error("must be a number");
}

namespace {

// A string with a notation of its own; `parse` says what is wrong with it.
template <typename T, typename Parse>
absl::Status ReadNotation(const boost::json::value& json, T& out, const JsonPlace& place, Parse parse) {
  if (!json.is_string()) return place.Error("must be a string");
  absl::StatusOr<T> parsed = parse(std::string_view(json.get_string()));
  if (!parsed.ok()) return place.ValueError(parsed.status());
  out = *parsed;
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadJson(const boost::json::value& json, Frontend& out, const JsonPlace& place) {
  return ReadNotation(json, out, place, Frontend::Parse);
}

absl::Status ReadJson(const boost::json::value& json, Endpoint& out, const JsonPlace& place) {
  return ReadNotation(json, out, place, Endpoint::Parse);
}

absl::Status ReadJson(const boost::json::value& json, Ipv4Prefix& out, const JsonPlace& place) {
  return ReadNotation(json, out, place, [](std::string_view text) -> absl::StatusOr<Ipv4Prefix> {
    if (const auto prefix = Ipv4Prefix::Parse(text)) return *prefix;
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is not an IPv4 address or prefix such as 10.0.0.0/8, without bits behind it", text));
  });
}

absl::Status ReadJson(const boost::json::value& json, SchedulerKind& out, const JsonPlace& place) {
  return ReadNotation(json, out, place, ParseScheduler);
}

std::string_view JsonElementName(const boost::json::value& json) {
  if (!json.is_object()) return {};
  const boost::json::value* name = json.get_object().if_contains("name");
  if (name == nullptr || !name->is_string()) return {};
  return std::string_view(name->get_string());
}

absl::Status RefuseUnknownKeys(const boost::json::object& object, const std::vector<std::string_view>& known,
                               const JsonPlace& place) {
  for (const auto& member : object) {
    const std::string_view key = member.key();
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return place.Error(fmt::format("unknown key \"{}\" (there are {})", key, fmt::join(known, ", ")));
  }
  return absl::OkStatus();
}

}  // namespace xlb
