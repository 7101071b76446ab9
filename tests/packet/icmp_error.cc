#include "packet/icmp_error.h"

#include <fmt/core.h>

#include <algorithm>

#include "packet/checksum.h"

namespace xlb::test {
namespace {

constexpr size_t kMacLength = 6;
constexpr size_t kIpAt = 14;              // where the IP header begins
constexpr size_t kIcmpAt = kIpAt + 20;    // the ICMP header
constexpr size_t kQuoteAt = kIcmpAt + 8;  // what it quotes
constexpr uint8_t kIcmpProtocol = 1;
constexpr uint8_t kTcpProtocol = 6;

bool SameBytes(const Bytes& a, size_t from_a, const Bytes& b, size_t from_b, size_t length) {
  return std::equal(a.begin() + static_cast<long>(from_a), a.begin() + static_cast<long>(from_a + length),
                    b.begin() + static_cast<long>(from_b));
}

}  // namespace

std::string IcmpErrorFlaws(const Bytes& offender, const Bytes& error) {
  const size_t quoted = 20 + (offender.at(kIpAt + 9) == kTcpProtocol ? 20 : 8);
  if (error.size() != kQuoteAt + quoted) return fmt::format("{} bytes long, not {}", error.size(), kQuoteAt + quoted);
  if (!SameBytes(error, 0, offender, kMacLength, kMacLength) ||
      !SameBytes(error, kMacLength, offender, 0, kMacLength)) {
    return "MAC addresses are not turned round";
  }
  if (Get16(error, 12) != 0x0800 || error.at(kIpAt) != 0x45 || error.at(kIpAt + 9) != kIcmpProtocol) return "not ICMP";
  if (Get16(error, kIpAt + 2) != 28 + quoted) return "total length";
  if (error.at(kIpAt + 8) < 2) return "TTL";
  if (!SameBytes(error, kIpAt + 12, offender, kIpAt + 16, 4) ||
      !SameBytes(error, kIpAt + 16, offender, kIpAt + 12, 4)) {
    return "IP addresses are not turned round";
  }
  if (OnesSum(error, kIpAt, 20) != 0xffff) return "checksum of the IP header";
  if (OnesSum(error, kIcmpAt, 8 + quoted) != 0xffff) return "checksum of ICMP";
  if (!SameBytes(error, kQuoteAt, offender, kIpAt, quoted)) return "what is quoted is not what came";
  return "";
}

}  // namespace xlb::test
