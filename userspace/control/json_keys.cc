#include "control/json_keys.h"

#include <boost/json/basic_parser_impl.hpp>
#include <cstdint>
#include <set>
#include <vector>

namespace xlb {
namespace {

using boost::json::error_code;

// What basic_parser calls as it goes; only objects and their keys are of interest. False stops the parser.
struct KeyHandler {
  static constexpr size_t max_object_size = SIZE_MAX;
  static constexpr size_t max_array_size = SIZE_MAX;
  static constexpr size_t max_key_size = SIZE_MAX;
  static constexpr size_t max_string_size = SIZE_MAX;

  using Text = boost::json::string_view;

  std::vector<std::set<std::string>> objects;  // the keys of each open object
  std::string key;                             // being read
  bool repeated = false;

  bool on_object_begin(error_code&) {
    objects.emplace_back();
    return true;
  }
  bool on_object_end(size_t, error_code&) {
    objects.pop_back();
    return true;
  }
  bool on_key_part(Text text, size_t, error_code&) {
    key.append(text.data(), text.size());
    return true;
  }
  bool on_key(Text text, size_t, error_code& error) {
    key.append(text.data(), text.size());
    repeated = !objects.back().insert(key).second;
    if (repeated) {
      error = boost::json::error::syntax;
      return false;
    }
    key.clear();
    return true;
  }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(size_t, error_code&) { return true; }
  bool on_string_part(Text, size_t, error_code&) { return true; }
  bool on_string(Text, size_t, error_code&) { return true; }
  bool on_number_part(Text, error_code&) { return true; }
  bool on_int64(int64_t, Text, error_code&) { return true; }
  bool on_uint64(uint64_t, Text, error_code&) { return true; }
  bool on_double(double, Text, error_code&) { return true; }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(Text, error_code&) { return true; }
  bool on_comment(Text, error_code&) { return true; }
};

}  // namespace

std::optional<RepeatedKey> FindRepeatedKey(std::string_view text) {
  boost::json::basic_parser<KeyHandler> parser(boost::json::parse_options{});
  error_code error;
  const size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (!parser.handler().repeated) return std::nullopt;
  return RepeatedKey{parser.handler().key, used};
}

}  // namespace xlb
