// Repeated keys of JSON objects, which Boost.JSON's values swallow (the last one wins).
#ifndef XLB_CONTROL_JSON_KEYS_H_
#define XLB_CONTROL_JSON_KEYS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace xlb {

struct RepeatedKey {
  std::string key;
  size_t offset;  // behind its second occurrence
};

// The first key that an object in `text`, which must be JSON, has twice.
std::optional<RepeatedKey> FindRepeatedKey(std::string_view text);

}  // namespace xlb

#endif  // XLB_CONTROL_JSON_KEYS_H_
