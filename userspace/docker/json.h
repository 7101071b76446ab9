// Members of a JSON value, read without a check at every step: what is missing or of another type reads as unset.
#ifndef XLB_DOCKER_JSON_H_
#define XLB_DOCKER_JSON_H_

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ip.h"

namespace xlb {

class JsonReader {
 public:
  explicit JsonReader(const boost::json::value* value) : value_(value) {}
  explicit JsonReader(const boost::json::value& value) : value_(&value) {}

  bool exists() const { return value_ != nullptr && !value_->is_null(); }
  JsonReader operator[](std::string_view key) const;

  std::string String() const;
  bool Bool() const;
  int64_t Int() const;    // 0 for one that does not fit
  uint16_t Port() const;  // 0 for one that is none
  Ipv4 Address() const;   // with or without a prefix length
  Mac MacAddress() const;
  int64_t TimeNs() const;  // RFC 3339 -> Unix nanoseconds; 0: unset

  template <typename OnEntry>  // (JsonReader)
  void ForEach(OnEntry on_entry) const {
    const boost::json::array* array = value_ == nullptr ? nullptr : value_->if_array();
    if (array == nullptr) return;
    for (const boost::json::value& entry : *array) on_entry(JsonReader(entry));
  }
  template <typename OnMember>  // (std::string_view key, JsonReader)
  void ForEachMember(OnMember on_member) const {
    const boost::json::object* object = value_ == nullptr ? nullptr : value_->if_object();
    if (object == nullptr) return;
    for (const auto& member : *object) {
      on_member(std::string_view(member.key().data(), member.key().size()), JsonReader(member.value()));
    }
  }

 private:
  const boost::json::value* value_;  // null: nothing there
};

}  // namespace xlb

#endif  // XLB_DOCKER_JSON_H_
