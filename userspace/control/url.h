// Request targets: "/v1/services/tcp%2F192.0.2.10%3A80?limit=10" taken apart and put together.
#ifndef XLB_CONTROL_URL_H_
#define XLB_CONTROL_URL_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace xlb {

struct Target {
  std::vector<std::string> path;             // decoded: "v1", "services", "tcp/192.0.2.10:80"
  std::map<std::string, std::string> query;  // decoded
};

// Refuses a bad escape, a parameter given twice and anything that is not a path from the root.
absl::StatusOr<Target> ParseTarget(std::string_view text);

// Escapes whatever is not a letter, a digit or one of "-._~" (RFC 3986, unreserved).
std::string PercentEncode(std::string_view text);

}  // namespace xlb

#endif  // XLB_CONTROL_URL_H_
