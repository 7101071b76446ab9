#include <algorithm>

#include "packet/checksum.h"
#include "packet/samples.h"

namespace xlb::test {

std::vector<Bytes> FragmentsOf(const Bytes& frame, size_t mtu) {
  constexpr size_t kHeaders = kEthernetLength + kIpLength;
  const size_t payload = Get16(frame, kEthernetLength + 2) - kIpLength;
  const uint16_t bits = Get16(frame, kEthernetLength + 6);
  const size_t most = (mtu - kIpLength) / 8 * 8;
  std::vector<Bytes> fragments;
  for (size_t from = 0; from < payload; from += most) {
    const size_t length = std::min(most, payload - from);
    const auto begin = frame.begin() + static_cast<long>(kHeaders + from);
    Bytes fragment(kHeaders + length);
    std::copy_n(frame.begin(), kHeaders, fragment.begin());
    std::copy_n(begin, length, fragment.begin() + kHeaders);
    Set16(fragment, kEthernetLength + 2, static_cast<unsigned>(kIpLength + length));
    const unsigned more = from + length < payload ? 0x2000 : 0;
    Set16(fragment, kEthernetLength + 6, static_cast<unsigned>(bits + from / 8) | more);
    Set16(fragment, kEthernetLength + 10, 0);
    Set16(fragment, kEthernetLength + 10, static_cast<uint16_t>(~OnesSum(fragment, kEthernetLength, kIpLength)));
    fragments.push_back(fragment);
  }
  return fragments;
}

}  // namespace xlb::test
