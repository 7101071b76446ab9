// Small files, read and replaced whole.
#ifndef XLB_BASE_FILE_H_
#define XLB_BASE_FILE_H_

#include <string>
#include <string_view>

#include "base/status.h"

namespace xlb {

// NotFound when the file does not exist.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// Replaces the file so that after a crash either the old or the new content is there: temporary in the same directory,
// fsync, rename, fsync of the directory.
absl::Status WriteFileAtomically(const std::string& path, std::string_view content);

}  // namespace xlb

#endif  // XLB_BASE_FILE_H_
