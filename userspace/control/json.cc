#include "control/json.h"

#include <algorithm>
#include <boost/json/parser.hpp>
#include <boost/json/stream_parser.hpp>

#include "control/json_fields.h"
#include "control/json_keys.h"

namespace xlb {
namespace {

// "line 3, column 7".
std::string Position(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  const size_t column = before.size() - line_start + 1;
  return fmt::format("line {}, column {}", line, column);
}

absl::Status SyntaxError(std::string_view text, size_t offset, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("not JSON: {}: {}", Position(text, offset), what));
}

absl::Status RefuseRepeatedKeys(std::string_view text) {
  const std::optional<RepeatedKey> repeated = FindRepeatedKey(text);
  if (!repeated) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{}: an object has the key \"{}\" twice", Position(text, repeated->offset), repeated->key));
}

absl::StatusOr<boost::json::value> Parse(std::string_view text) {
  boost::json::stream_parser parser;  // its default depth limit, 32, bounds the recursion of all readers
  boost::json::error_code error;
  const size_t used = parser.write_some(text.data(), text.size(), error);
  if (error) return SyntaxError(text, used, error.message());
  const bool rest_is_blank = text.find_first_not_of(" \t\r\n", used) == std::string_view::npos;
  if (!rest_is_blank) return SyntaxError(text, used, "something behind the end of the document");
  parser.finish(error);
  if (error) return SyntaxError(text, text.size(), error.message());
  return parser.release();
}

}  // namespace

template <typename T>
std::string ToJson(const T& value, JsonStyle style) {
  JsonWriter writer(style == JsonStyle::kPretty);
  WriteJson(writer, value);
  return writer.Take();
}

template <typename T>
absl::StatusOr<T> FromJson(std::string_view text) {
  XLB_ASSIGN_OR_RETURN(const boost::json::value json, Parse(text));
  if constexpr (JsonRecord<T>::strict) XLB_RETURN_IF_ERROR(RefuseRepeatedKeys(text));
  T value;
  XLB_RETURN_IF_ERROR(ReadJson(json, value, JsonPlace{}));
  return value;
}

std::string StaticConfigToJson(const StaticConfig& config) {
  StaticDocument document{kStaticDocumentVersion, config.services()};
  for (const auto& [frontend, change] : config.overrides()) {
    document.overrides.push_back({frontend, change.allow, change.deny, change.bind});
  }
  return ToJson(document, JsonStyle::kPretty) + "\n";
}

absl::StatusOr<StaticConfig> StaticConfigFromJson(std::string_view text) {
  XLB_ASSIGN_OR_RETURN(StaticDocument document, FromJson<StaticDocument>(text));
  if (document.version != kStaticDocumentVersion) {
    return absl::InvalidArgumentError(
        fmt::format("version {} of the configuration is not known to this xlb, which reads version {}",
                    document.version, kStaticDocumentVersion));
  }
  std::map<Frontend, AccessChange> overrides;
  for (const StaticOverride& from : document.overrides) {
    if (!overrides.emplace(from.frontend, AccessChange{from.allow, from.deny, from.bind}).second) {
      return absl::InvalidArgumentError(fmt::format("{} has two overrides", from.frontend.ToString()));
    }
  }
  return StaticConfig::FromServices(std::move(document.services), std::move(overrides));
}

#define XLB_JSON_TYPE(Type)                                  \
  template std::string ToJson(const Type& value, JsonStyle); \
  template absl::StatusOr<Type> FromJson(std::string_view text);
XLB_JSON_TYPE(StatusView)
XLB_JSON_TYPE(StatsView)
XLB_JSON_TYPE(ServiceView)
XLB_JSON_TYPE(BackendView)
XLB_JSON_TYPE(FlowView)
XLB_JSON_TYPE(StatsReport)
XLB_JSON_TYPE(EventView)
XLB_JSON_TYPE(ErrorReply)
XLB_JSON_TYPE(ServicesReply)
XLB_JSON_TYPE(FlowsReply)
XLB_JSON_TYPE(EventsReply)
XLB_JSON_TYPE(ApplyReply)
XLB_JSON_TYPE(DetachReply)
XLB_JSON_TYPE(StaticDocument)
XLB_JSON_TYPE(StaticService)
XLB_JSON_TYPE(StaticBackend)
XLB_JSON_TYPE(ServiceChange)
XLB_JSON_TYPE(BackendChange)
#undef XLB_JSON_TYPE

}  // namespace xlb
