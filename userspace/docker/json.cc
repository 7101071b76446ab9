#include "docker/json.h"

#include <limits>

#include "absl/time/time.h"

namespace xlb {

JsonReader JsonReader::operator[](std::string_view key) const {
  const boost::json::object* object = value_ == nullptr ? nullptr : value_->if_object();
  return JsonReader(object == nullptr ? nullptr
                                      : object->if_contains(boost::json::string_view(key.data(), key.size())));
}

std::string JsonReader::String() const {
  const boost::json::string* text = value_ == nullptr ? nullptr : value_->if_string();
  return text == nullptr ? std::string() : std::string(text->data(), text->size());
}

bool JsonReader::Bool() const {
  const bool* flag = value_ == nullptr ? nullptr : value_->if_bool();
  return flag != nullptr && *flag;
}

int64_t JsonReader::Int() const {
  if (value_ == nullptr) return 0;
  if (const int64_t* number = value_->if_int64()) return *number;
  const uint64_t* number = value_->if_uint64();
  if (number == nullptr || *number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return 0;
  return static_cast<int64_t>(*number);
}

uint16_t JsonReader::Port() const {
  const int64_t number = Int();
  return number > 0 && number <= 65535 ? static_cast<uint16_t>(number) : 0;
}

Ipv4 JsonReader::Address() const { return Ipv4::ParsePrefix(String()).value_or(Ipv4{}); }

Mac JsonReader::MacAddress() const { return Mac::Parse(String()).value_or(Mac{}); }

int64_t JsonReader::TimeNs() const {
  absl::Time time;
  if (!absl::ParseTime(absl::RFC3339_full, String(), &time, nullptr)) return 0;
  // Go's zero time is in the year 1.
  const int64_t nanoseconds = absl::ToUnixNanos(time);
  return nanoseconds > 0 ? nanoseconds : 0;
}

}  // namespace xlb
