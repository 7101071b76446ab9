#include "base/status.h"

#include <fmt/core.h>

#include <cstring>

namespace xlb {

absl::Status ErrnoStatus(int error, std::string_view what) {
  return absl::Status(absl::ErrnoToStatusCode(error), fmt::format("{}: {}", what, std::strerror(error)));
}

}  // namespace xlb
