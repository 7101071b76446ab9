// What every command has at hand.
#ifndef XLB_XLBCTL_CONTEXT_H_
#define XLB_XLBCTL_CONTEXT_H_

#include <functional>
#include <optional>
#include <ostream>
#include <string>

#include "control/json.h"
#include "xlbctl/app.h"
#include "xlbctl/client.h"

namespace xlb {

struct Context {
  Environment& env;
  std::string socket_path = "/run/xlb/xlbd.sock";
  std::string format = "table";  // or "json"
  // What the command on the command line does, set while it is parsed.
  std::function<absl::Status()> chosen = nullptr;
  bool usage_error = false;

  bool json() const { return format == "json"; }
  Client client() const { return Client(socket_path); }

  template <typename T>
  absl::Status PrintJson(const T& value) {
    env.out << ToJson(value, JsonStyle::kPretty) << '\n';
    return absl::OkStatus();
  }

  // For arguments that are each right and do not go together: the exit code becomes 2.
  absl::Status UsageError(std::string message) {
    usage_error = true;
    return absl::InvalidArgumentError(message);
  }
};

}  // namespace xlb

#endif  // XLB_XLBCTL_CONTEXT_H_
