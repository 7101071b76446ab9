// The machinery behind json.h: how each kind of member is written and read. Included by json_fields.h and json.cc only.
#ifndef XLB_CONTROL_JSON_CODEC_H_
#define XLB_CONTROL_JSON_CODEC_H_

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/status.h"
#include "control/json_writer.h"
#include "model/service.h"

namespace xlb {

// The place in a document that is being read, kept as a chain on the stack and spelt out only for an error:
// `services[3] "web": backends[1]`.
struct JsonPlace {
  const JsonPlace* parent = nullptr;
  std::string_view key;
  std::optional<size_t> index;
  std::string_view name;  // of the element at `index`, if it has one

  std::string ToString() const;
  absl::Status Error(std::string_view what) const;  // "<place>: <what>"
  // For a value whose own message already says which it is: "<parent's place>: <message>".
  absl::Status ValueError(const absl::Status& status) const;
};

template <typename T>
struct JsonRecord;  // specialised in json_fields.h: `strict`, `fields`

template <typename T>
concept IsJsonRecord = requires {
  JsonRecord<T>::fields;
};

template <typename Record, typename Member>
struct JsonField {
  std::string_view key;
  Member Record::*member;
  bool required;
  bool unless_empty = false;  // not written when it is an empty list
};

template <typename Record, typename Member>
constexpr JsonField<Record, Member> Field(std::string_view key, Member Record::*member) {
  return {key, member, false};
}

template <typename Record, typename Member>
constexpr JsonField<Record, Member> RequiredField(std::string_view key, Member Record::*member) {
  return {key, member, true};
}

// A list that most records do not have.
template <typename Record, typename Member>
constexpr JsonField<Record, Member> RareField(std::string_view key, Member Record::*member) {
  return {key, member, false, true};
}

// ---- writing ----

inline void WriteJson(JsonWriter& out, const std::string& value) { out.String(value); }
inline void WriteJson(JsonWriter& out, bool value) { out.Bool(value); }
inline void WriteJson(JsonWriter& out, double value) { out.Double(value); }
template <std::unsigned_integral T>
void WriteJson(JsonWriter& out, T value) {
  out.Unsigned(value);
}
template <std::signed_integral T>
void WriteJson(JsonWriter& out, T value) {
  out.Signed(value);
}
inline void WriteJson(JsonWriter& out, const Frontend& value) { out.String(value.ToString()); }
inline void WriteJson(JsonWriter& out, const Endpoint& value) { out.String(value.ToString()); }
inline void WriteJson(JsonWriter& out, const Ipv4Prefix& value) { out.String(value.ToString()); }
inline void WriteJson(JsonWriter& out, SchedulerKind value) { out.String(ToString(value)); }

template <IsJsonRecord T>
void WriteJson(JsonWriter& out, const T& record);

template <typename T>
void WriteJson(JsonWriter& out, const std::vector<T>& list) {
  out.BeginArray();
  for (const T& element : list) WriteJson(out, element);
  out.EndArray();
}

template <typename T>
void WriteJsonMember(JsonWriter& out, std::string_view key, const T& value) {
  out.Key(key);
  WriteJson(out, value);
}

template <typename T>
void WriteJsonMember(JsonWriter& out, std::string_view key, const std::optional<T>& value) {
  if (value) WriteJsonMember(out, key, *value);
}

template <typename Record, typename Member>
void WriteJsonField(JsonWriter& out, const JsonField<Record, Member>& field, const Record& record) {
  if constexpr (requires(const Member& member) { member.empty(); }) {
    if (field.unless_empty && (record.*field.member).empty()) return;
  }
  WriteJsonMember(out, field.key, record.*field.member);
}

template <IsJsonRecord T>
void WriteJson(JsonWriter& out, const T& record) {
  out.BeginObject();
  std::apply([&](const auto&... field) { (WriteJsonField(out, field, record), ...); }, JsonRecord<T>::fields);
  out.EndObject();
}

// ---- reading ----

absl::Status ReadJson(const boost::json::value& json, std::string& out, const JsonPlace& place);
absl::Status ReadJson(const boost::json::value& json, bool& out, const JsonPlace& place);
absl::Status ReadJson(const boost::json::value& json, double& out, const JsonPlace& place);
absl::Status ReadJson(const boost::json::value& json, Frontend& out, const JsonPlace& place);
absl::Status ReadJson(const boost::json::value& json, Endpoint& out, const JsonPlace& place);
absl::Status ReadJson(const boost::json::value& json, Ipv4Prefix& out, const JsonPlace& place);
absl::Status ReadJson(const boost::json::value& json, SchedulerKind& out, const JsonPlace& place);

template <std::integral T>
absl::Status ReadJson(const boost::json::value& json, T& out, const JsonPlace& place) {
  boost::json::error_code error;
  if (json.is_number()) {
    out = json.to_number<T>(error);
    if (!error) return absl::OkStatus();
  }
  using Limits = std::numeric_limits<T>;
  return place.Error(fmt::format("must be a whole number from {} to {}", Limits::min(), Limits::max()));
}

template <IsJsonRecord T>
absl::Status ReadJson(const boost::json::value& json, T& record, const JsonPlace& place);

// The "name" of a list's element, to say of which one an error speaks.
std::string_view JsonElementName(const boost::json::value& json);

template <typename T>
absl::Status ReadJson(const boost::json::value& json, std::vector<T>& list, const JsonPlace& place) {
  if (!json.is_array()) return place.Error("must be a list");
  const boost::json::array& array = json.get_array();
  list.clear();
  list.reserve(array.size());
  for (size_t i = 0; i < array.size(); ++i) {
    const JsonPlace element{place.parent, place.key, i, JsonElementName(array[i])};
    XLB_RETURN_IF_ERROR(ReadJson(array[i], list.emplace_back(), element));
  }
  return absl::OkStatus();
}

template <typename T>
absl::Status ReadJson(const boost::json::value& json, std::optional<T>& out, const JsonPlace& place) {
  return ReadJson(json, out.emplace(), place);
}

template <typename Record, typename Member>
absl::Status ReadJsonMember(const boost::json::object& object, const JsonField<Record, Member>& field, Record& record,
                            const JsonPlace& place) {
  const boost::json::value* value = object.if_contains(field.key);
  if (value == nullptr) {
    return field.required ? place.Error(fmt::format("\"{}\" is missing", field.key)) : absl::OkStatus();
  }
  return ReadJson(*value, record.*field.member, JsonPlace{&place, field.key, {}, {}});
}

absl::Status RefuseUnknownKeys(const boost::json::object& object, const std::vector<std::string_view>& known,
                               const JsonPlace& place);

template <IsJsonRecord T>
absl::Status ReadJson(const boost::json::value& json, T& record, const JsonPlace& place) {
  if (!json.is_object()) return place.Error("must be an object, {...}");
  const boost::json::object& object = json.get_object();
  absl::Status status;
  if constexpr (JsonRecord<T>::strict) {
    std::apply([&](const auto&... field) { status = RefuseUnknownKeys(object, {field.key...}, place); },
               JsonRecord<T>::fields);
    XLB_RETURN_IF_ERROR(status);
  }
  std::apply(
      [&](const auto&... field) {
        static_cast<void>(((status = ReadJsonMember(object, field, record, place)).ok() && ...));
      },
      JsonRecord<T>::fields);
  return status;
}

}  // namespace xlb

#endif  // XLB_CONTROL_JSON_CODEC_H_
