// IPv4 and MAC addresses as values.
#ifndef XLB_BASE_IP_H_
#define XLB_BASE_IP_H_

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xlb {

// An IPv4 address. `be` holds it in network byte order, as the maps do; comparison follows the dotted notation.
struct Ipv4 {
  uint32_t be = 0;

  static std::optional<Ipv4> Parse(std::string_view text);        // "192.0.2.10", nothing else
  static std::optional<Ipv4> ParsePrefix(std::string_view text);  // "10.0.0.7/24" or "10.0.0.7": the address of it
  std::string ToString() const;
  bool IsUnset() const { return be == 0; }
  uint32_t HostOrder() const;
  static Ipv4 FromHostOrder(uint32_t address);

  bool operator==(const Ipv4&) const = default;
  std::strong_ordering operator<=>(const Ipv4& other) const { return HostOrder() <=> other.HostOrder(); }
};

// "10.0.0.0/8". Bits of the address behind the prefix are 0.
struct Ipv4Prefix {
  Ipv4 address;
  uint8_t length = 0;  // 0 to 32

  // An address alone is a prefix of 32 bits. Nothing when it is neither, or has bits behind the prefix.
  static std::optional<Ipv4Prefix> Parse(std::string_view text);
  // The prefix of that length that the address is in.
  static Ipv4Prefix Around(Ipv4 address, uint8_t length);
  std::string ToString() const;
  uint32_t First() const { return address.HostOrder(); }  // host order, as is Last
  uint32_t Last() const;

  auto operator<=>(const Ipv4Prefix&) const = default;
};

struct Mac {
  std::array<uint8_t, 6> bytes{};

  static std::optional<Mac> Parse(std::string_view text);  // "02:42:0a:00:00:07"
  // The address that libnetwork gives to an overlay endpoint by default: 02:42 and the four bytes of its IPv4 address.
  static Mac FromOverlayAddress(Ipv4 address);
  std::string ToString() const;
  bool IsUnset() const { return bytes == std::array<uint8_t, 6>{}; }

  auto operator<=>(const Mac&) const = default;
};

}  // namespace xlb

#endif  // XLB_BASE_IP_H_
