#include "control/url.h"

#include <fmt/format.h>

#include <optional>

namespace xlb {
namespace {

std::optional<unsigned> HexDigit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return std::nullopt;
}

absl::StatusOr<std::string> PercentDecode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const auto high = i + 2 < text.size() ? HexDigit(text[i + 1]) : std::nullopt;
    const auto low = i + 2 < text.size() ? HexDigit(text[i + 2]) : std::nullopt;
    if (!high || !low) return absl::InvalidArgumentError(fmt::format("bad percent escape in \"{}\"", text));
    decoded += static_cast<char>(*high << 4 | *low);
    i += 2;
  }
  return decoded;
}

// Splits at every `separator`; an empty text has no parts.
std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

}  // namespace

absl::StatusOr<Target> ParseTarget(std::string_view text) {
  if (text.empty() || text.front() != '/') return absl::InvalidArgumentError("the request's target must begin with /");
  const size_t question = text.find('?');
  Target target;
  for (std::string_view part :
       Split(text.substr(1, question == std::string_view::npos ? question : question - 1), '/')) {
    XLB_ASSIGN_OR_RETURN(std::string decoded, PercentDecode(part));
    target.path.push_back(std::move(decoded));
  }
  if (question == std::string_view::npos) return target;
  for (std::string_view part : Split(text.substr(question + 1), '&')) {
    const size_t equals = part.find('=');
    XLB_ASSIGN_OR_RETURN(std::string key, PercentDecode(part.substr(0, equals)));
    const std::string_view encoded = equals == std::string_view::npos ? "" : part.substr(equals + 1);
    XLB_ASSIGN_OR_RETURN(std::string value, PercentDecode(encoded));
    if (!target.query.emplace(key, std::move(value)).second) {
      return absl::InvalidArgumentError(fmt::format("parameter \"{}\" is given twice", key));
    }
  }
  return target;
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kPlain = "-._~";
  std::string encoded;
  for (const char c : text) {
    const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (alphanumeric || kPlain.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return encoded;
}

}  // namespace xlb
