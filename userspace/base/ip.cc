#include "base/ip.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstdio>
#include <cstring>

namespace xlb {

std::optional<Ipv4> Ipv4::Parse(std::string_view text) {
  in_addr parsed;
  if (text.size() >= INET_ADDRSTRLEN) return std::nullopt;
  if (inet_pton(AF_INET, std::string(text).c_str(), &parsed) != 1) return std::nullopt;
  return Ipv4{parsed.s_addr};
}

std::optional<Ipv4> Ipv4::ParsePrefix(std::string_view text) { return Parse(text.substr(0, text.find('/'))); }

std::string Ipv4::ToString() const {
  char text[INET_ADDRSTRLEN];
  in_addr address{be};
  return inet_ntop(AF_INET, &address, text, sizeof(text));
}

uint32_t Ipv4::HostOrder() const { return ntohl(be); }

Ipv4 Ipv4::FromHostOrder(uint32_t address) { return Ipv4{htonl(address)}; }

std::optional<Ipv4Prefix> Ipv4Prefix::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<Ipv4> parsed = Ipv4::Parse(text.substr(0, slash));
  if (!parsed) return std::nullopt;
  Ipv4Prefix prefix{*parsed, 32};
  if (slash != std::string_view::npos) {
    const std::string_view length = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), prefix.length);
    if (error != std::errc() || end != length.data() + length.size() || prefix.length > 32) return std::nullopt;
  }
  const uint64_t behind = (uint64_t{1} << (32 - prefix.length)) - 1;
  if ((prefix.First() & behind) != 0) return std::nullopt;
  return prefix;
}

Ipv4Prefix Ipv4Prefix::Around(Ipv4 address, uint8_t length) {
  const uint64_t behind = (uint64_t{1} << (32 - length)) - 1;
  return Ipv4Prefix{Ipv4::FromHostOrder(static_cast<uint32_t>(address.HostOrder() & ~behind)), length};
}

std::string Ipv4Prefix::ToString() const {
  return length == 32 ? address.ToString() : address.ToString() + "/" + std::to_string(length);
}

uint32_t Ipv4Prefix::Last() const { return static_cast<uint32_t>(First() + (uint64_t{1} << (32 - length)) - 1); }

std::optional<Mac> Mac::Parse(std::string_view text) {
  Mac mac;
  if (text.size() != 17) return std::nullopt;
  int length = 0;
  auto& b = mac.bytes;
  const int count = std::sscanf(std::string(text).c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &b[0], &b[1], &b[2],
                                &b[3], &b[4], &b[5], &length);
  if (count != 6 || length != 17) return std::nullopt;
  return mac;
}

Mac Mac::FromOverlayAddress(Ipv4 address) {
  Mac mac{{0x02, 0x42}};
  std::memcpy(mac.bytes.data() + 2, &address.be, 4);
  return mac;
}

std::string Mac::ToString() const {
  char text[18];
  std::snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
                bytes[5]);
  return text;
}

}  // namespace xlb
