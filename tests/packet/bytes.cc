#include "packet/bytes.h"

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>

namespace xlb::test {
namespace {

[[noreturn]] void Miswritten(std::string_view text) {
  std::fprintf(stderr, "not an address: %.*s\n", static_cast<int>(text.size()), text.data());
  std::abort();
}

}  // namespace

uint32_t ParseIp(std::string_view text) {
  unsigned a, b, c, d;
  char rest;
  const std::string copy(text);
  const int parts = std::sscanf(copy.c_str(), "%u.%u.%u.%u%c", &a, &b, &c, &d, &rest);
  if (parts != 4 || (a | b | c | d) > 255) Miswritten(text);
  return a << 24 | b << 16 | c << 8 | d;
}

Bytes ParseMac(std::string_view text) {
  unsigned part[6];
  char rest;
  const std::string copy(text);
  const int parts = std::sscanf(copy.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%c", &part[0], &part[1], &part[2], &part[3],
                                &part[4], &part[5], &rest);
  if (parts != 6) Miswritten(text);
  return Bytes(part, part + 6);
}

std::string IpText(uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

std::string MacText(const Bytes& bytes, size_t at) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes.at(at), bytes.at(at + 1), bytes.at(at + 2),
                     bytes.at(at + 3), bytes.at(at + 4), bytes.at(at + 5));
}

}  // namespace xlb::test
