// What an ICMP error must be, judged by RFC 792 and RFC 1191, without the code under test.
#ifndef XLB_TESTS_PACKET_ICMP_ERROR_H_
#define XLB_TESTS_PACKET_ICMP_ERROR_H_

#include <string>

#include "packet/bytes.h"

namespace xlb::test {

// What is wrong with `error` as an answer to `offender`, whole Ethernet frames: addresses turned round, lengths and
// checksums right, the offender's headers quoted as they came. Empty: nothing.
std::string IcmpErrorFlaws(const Bytes& offender, const Bytes& error);

}  // namespace xlb::test

#endif  // XLB_TESTS_PACKET_ICMP_ERROR_H_
