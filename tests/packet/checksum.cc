#include "packet/checksum.h"

#include <fmt/core.h>

namespace xlb::test {
namespace {

uint16_t OnesAdd(uint16_t a, uint16_t b) {
  const unsigned sum = static_cast<unsigned>(a) + b;
  return static_cast<uint16_t>(sum > 0xffff ? sum - 0xffff : sum);
}

size_t HeaderLength(const Bytes& frame, size_t ip) { return (frame.at(ip) & 15) * 4u; }

std::string ErrorsAt(const Bytes& frame, size_t ip, std::string_view where) {
  std::string errors;
  const size_t header = HeaderLength(frame, ip);
  const uint16_t ip_sum = OnesSum(frame, ip, header);
  if (ip_sum != 0xffff) errors += fmt::format("{}IP header sums to {:#06x}, not 0xffff\n", where, ip_sum);

  const uint8_t protocol = frame.at(ip + 9);
  const size_t l4 = ip + header;
  if (protocol == kTcp) {
    if (ChecksumResidue(frame, ip) != 0) errors += fmt::format("{}TCP checksum is wrong\n", where);
  } else if (protocol == kUdp) {
    const bool vxlan = Get16(frame, l4 + 2) == kVxlanPort;
    if (ChecksumResidue(frame, ip) != 0) errors += fmt::format("{}UDP checksum is wrong\n", where);
    if (vxlan && Get16(frame, l4 + 6) != 0) errors += fmt::format("{}VXLAN with a UDP checksum\n", where);
    const size_t inner = l4 + kUdpLength + kVxlanLength + kEthernetLength;
    if (vxlan && Get16(frame, inner - 2) == kEtherIpv4) errors += ErrorsAt(frame, inner, "inner ");
  }
  return errors;
}

}  // namespace

uint16_t OnesSum(const Bytes& bytes, size_t from, size_t length, uint16_t sum) {
  for (size_t i = 0; i < length; i += 2) {
    const unsigned low = i + 1 < length ? bytes.at(from + i + 1) : 0;
    sum = OnesAdd(sum, static_cast<uint16_t>(bytes.at(from + i) << 8 | low));
  }
  return sum;
}

uint16_t PseudoHeaderSum(const Bytes& frame, size_t ip, size_t length) {
  const uint16_t addresses = OnesSum(frame, ip + 12, 8);
  return OnesAdd(OnesAdd(addresses, frame.at(ip + 9)), static_cast<uint16_t>(length));
}

uint16_t ChecksumResidue(const Bytes& frame, size_t ip) {
  const size_t l4 = ip + HeaderLength(frame, ip);
  const bool udp = frame.at(ip + 9) == kUdp;
  if (udp && Get16(frame, l4 + 6) == 0) return 0;
  // UDP has a length of its own, which may leave bytes of the IP packet behind it.
  const size_t length = udp ? Get16(frame, l4 + 4) : Get16(frame, ip + 2) - HeaderLength(frame, ip);
  const uint16_t sum = OnesSum(frame, l4, length, PseudoHeaderSum(frame, ip, length));
  return sum == 0xffff ? 0 : sum;
}

std::string ChecksumErrors(const Bytes& frame) { return ErrorsAt(frame, kEthernetLength, ""); }

}  // namespace xlb::test
