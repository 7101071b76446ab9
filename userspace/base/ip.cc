#include "base/ip.h"

#include <arpa/inet.h>

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
