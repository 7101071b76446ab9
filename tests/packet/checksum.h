// The Internet checksum (RFC 1071), written from the RFC and sharing nothing with bpf/lib/wire.h: it judges what the
// programs compute.
#ifndef XLB_TESTS_PACKET_CHECKSUM_H_
#define XLB_TESTS_PACKET_CHECKSUM_H_

#include <cstddef>
#include <string>

#include "packet/bytes.h"

namespace xlb::test {

// One's complement sum of big-endian 16-bit words, with every carry added at once; an odd last byte counts as the upper
// half of a word. `sum` is what other parts gave.
uint16_t OnesSum(const Bytes& bytes, size_t from, size_t length, uint16_t sum = 0);

// The sum of the pseudo header (RFC 9293 3.1, RFC 768) of the IPv4 packet at `ip` with `length` bytes of payload.
uint16_t PseudoHeaderSum(const Bytes& frame, size_t ip, size_t length);

// What is wrong with the checksums of an IPv4 frame, one line each: IP header, TCP, UDP (zero means none), and the same
// inside VXLAN, whose outer UDP checksum must be zero. Empty when all are right. The frame must be well-formed.
std::string ChecksumErrors(const Bytes& frame);

// By how much the TCP or UDP checksum of the packet at `ip` is off, modulo 0xffff: what a rewrite must not change, also
// in a packet that came in broken. Zero when right and for UDP without one.
uint16_t ChecksumResidue(const Bytes& frame, size_t ip);

}  // namespace xlb::test

#endif  // XLB_TESTS_PACKET_CHECKSUM_H_
