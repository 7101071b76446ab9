#include "control/static_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/file.h"
#include "control/json.h"

namespace xlb {

std::string StaticFilePath(const std::string& state_dir) { return state_dir + "/services.json"; }

absl::StatusOr<StaticConfig> LoadStaticFile(const std::string& state_dir) {
  const std::string path = StaticFilePath(state_dir);
  absl::StatusOr<std::string> text = ReadFile(path);
  if (absl::IsNotFound(text.status())) return StaticConfig();
  if (!text.ok()) return text.status();
  absl::StatusOr<StaticConfig> config = StaticConfigFromJson(*text);
  if (config.ok()) return config;
  const std::string why(config.status().message());
  return absl::DataLossError(fmt::format(
      "{} cannot be used: {}; correct the file, or move it away to start with no static services", path, why));
}

absl::Status PrepareStateDirectory(const std::string& state_dir) {
  std::error_code error;
  std::filesystem::create_directories(state_dir, error);
  if (error) return ErrnoStatus(error.value(), fmt::format("cannot make the directory {}", state_dir));
  if (access(state_dir.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, fmt::format("cannot keep services in {}", state_dir));
}

absl::Status SaveStaticFile(const std::string& state_dir, const StaticConfig& config) {
  XLB_RETURN_IF_ERROR(PrepareStateDirectory(state_dir));
  return WriteFileAtomically(StaticFilePath(state_dir), StaticConfigToJson(config));
}

}  // namespace xlb
