#include "xlbctl/humanize.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <string_view>

namespace xlb {
namespace {

// Three digits at most: "1.2", "34.5", "678".
std::string Scaled(double value, std::string_view smallest_unit, std::string_view suffix) {
  constexpr std::string_view kPrefixes[] = {"k", "M", "G", "T", "P", "E"};
  if (value < 999.5) return fmt::format("{:.0f}{}", value, smallest_unit);
  size_t prefix = 0;
  value /= 1000;
  // 999.95 would be printed as "1000".
  while (value >= 999.5 && prefix + 1 < std::size(kPrefixes)) {
    value /= 1000;
    ++prefix;
  }
  const std::string_view space = suffix.empty() ? "" : " ";
  return fmt::format("{:.{}f}{}{}{}", value, value < 99.95 ? 1 : 0, space, kPrefixes[prefix], suffix);
}

}  // namespace

std::string HumanCount(double count) { return Scaled(count, "", ""); }

std::string HumanBytes(double bytes) { return Scaled(bytes, " B", "B"); }

std::string HumanDuration(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.1f}s", seconds);
  const auto whole = static_cast<uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m {}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h {}m", whole / 3600, whole % 3600 / 60);
  return fmt::format("{}d {}h", whole / 86400, whole % 86400 / 3600);
}

}  // namespace xlb
