#include "peer/pem.h"

#include <fmt/core.h>

namespace xlb {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kKeyLabel = "PRIVATE KEY";
constexpr std::string_view kDashes = "-----";

std::string_view TakeLine(std::string_view& text) {
  const size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  return line;
}

absl::Status Encrypted() {
  return absl::FailedPreconditionError(
      "the node's private key is encrypted, because the swarm's managers are autolocked: no xlb of another node can "
      "follow this one until 'docker swarm update --autolock=false'");
}

}  // namespace

absl::StatusOr<std::string> PlainKeyPem(std::string_view text) {
  std::string_view line;
  do {
    if (text.empty()) return absl::DataLossError("it holds no private key in PEM form");
    line = TakeLine(text);
  } while (!line.starts_with(kBegin) || line.find(kKeyLabel) == line.npos);
  if (line.find("ENCRYPTED") != line.npos) return Encrypted();
  const std::string_view label = line.substr(kBegin.size(), line.rfind(kDashes) - kBegin.size());
  std::string pem(line);
  pem += '\n';
  const std::string end = fmt::format("-----END {}-----", label);
  while (!text.empty()) {
    line = TakeLine(text);
    // Base64 has no colon, and a header's continuation lines, which begin with a space, do not occur in Docker's files.
    if (line.find(':') != line.npos) {
      // The older way of encrypting, RFC 1423.
      if (line.starts_with("Proc-Type:") && line.find("ENCRYPTED") != line.npos) return Encrypted();
      continue;
    }
    if (line.empty()) continue;
    pem += line;
    pem += '\n';
    if (line == end) return pem;
  }
  return absl::DataLossError("its private key is cut off");
}

}  // namespace xlb
