// Frames as bytes, and big-endian numbers in them.
#ifndef XLB_TESTS_PACKET_BYTES_H_
#define XLB_TESTS_PACKET_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace xlb::test {

using Bytes = std::vector<uint8_t>;

inline constexpr size_t kEthernetLength = 14;
inline constexpr size_t kIpLength = 20;  // without options
inline constexpr size_t kUdpLength = 8;
inline constexpr size_t kTcpLength = 20;  // without options
inline constexpr size_t kVxlanLength = 8;
inline constexpr uint16_t kVxlanPort = 4789;

inline constexpr uint16_t kEtherIpv4 = 0x0800;
inline constexpr uint16_t kEtherArp = 0x0806;
inline constexpr uint16_t kEtherVlan = 0x8100;
inline constexpr uint16_t kEtherVlanService = 0x88a8;
inline constexpr uint16_t kEtherIpv6 = 0x86dd;

inline constexpr uint8_t kIcmp = 1;
inline constexpr uint8_t kTcp = 6;
inline constexpr uint8_t kUdp = 17;

inline void Put8(Bytes& bytes, unsigned value) { bytes.push_back(static_cast<uint8_t>(value)); }
inline void Put16(Bytes& bytes, unsigned value) {
  Put8(bytes, value >> 8);
  Put8(bytes, value);
}
inline void Put32(Bytes& bytes, uint32_t value) {
  Put16(bytes, value >> 16);
  Put16(bytes, value & 0xffff);
}
inline void Append(Bytes& bytes, const Bytes& more) { bytes.insert(bytes.end(), more.begin(), more.end()); }

inline uint16_t Get16(const Bytes& bytes, size_t at) {
  return static_cast<uint16_t>(bytes.at(at) << 8 | bytes.at(at + 1));
}
inline uint32_t Get32(const Bytes& bytes, size_t at) {
  return static_cast<uint32_t>(Get16(bytes, at)) << 16 | Get16(bytes, at + 2);
}
inline void Set16(Bytes& bytes, size_t at, unsigned value) {
  bytes.at(at) = static_cast<uint8_t>(value >> 8);
  bytes.at(at + 1) = static_cast<uint8_t>(value);
}

// "192.0.2.1" and "02:00:00:00:00:01"; a text that is neither ends the test program: a case is miswritten.
uint32_t ParseIp(std::string_view text);  // in host byte order
Bytes ParseMac(std::string_view text);
std::string IpText(uint32_t address);
std::string MacText(const Bytes& bytes, size_t at);

}  // namespace xlb::test

#endif  // XLB_TESTS_PACKET_BYTES_H_
