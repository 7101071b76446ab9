// The static configuration on disk: <state-dir>/services.json.
#ifndef XLB_CONTROL_STATIC_FILE_H_
#define XLB_CONTROL_STATIC_FILE_H_

#include <string>

#include "base/status.h"
#include "model/static_config.h"

namespace xlb {

std::string StaticFilePath(const std::string& state_dir);

// No file: an empty configuration. A file that cannot be understood is an error that says where, and how to repair it:
// services are never dropped in silence.
absl::StatusOr<StaticConfig> LoadStaticFile(const std::string& state_dir);

// Makes the directory if it is missing; fails when no file could be written there.
absl::Status PrepareStateDirectory(const std::string& state_dir);

// Replaces the file; makes the directory if it is missing.
absl::Status SaveStaticFile(const std::string& state_dir, const StaticConfig& config);

}  // namespace xlb

#endif  // XLB_CONTROL_STATIC_FILE_H_
