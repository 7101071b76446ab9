// Everything that goes over the API or into the state file, to JSON and back. Which members a type has in JSON is said
// once, in json_fields.h.
#ifndef XLB_CONTROL_JSON_H_
#define XLB_CONTROL_JSON_H_

#include <string>
#include <string_view>

#include "base/status.h"
#include "control/replies.h"
#include "model/static_config.h"

namespace xlb {

enum class JsonStyle { kCompact, kPretty };

// For the views, the replies, StaticService, StaticBackend, ServiceChange and BackendChange; a type that is missing
// does not link: add it to the list at the end of json.cc.
template <typename T>
std::string ToJson(const T& value, JsonStyle style = JsonStyle::kCompact);

// Views are read with patience (a newer daemon may say more), configuration strictly: unknown and repeated keys, wrong
// types and bad values are refused with one line that names the entry.
template <typename T>
absl::StatusOr<T> FromJson(std::string_view text);

// {"version": 1, "services": [...]}
std::string StaticConfigToJson(const StaticConfig& config);
absl::StatusOr<StaticConfig> StaticConfigFromJson(std::string_view text);

}  // namespace xlb

#endif  // XLB_CONTROL_JSON_H_
