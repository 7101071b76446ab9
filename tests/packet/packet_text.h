// Frames as people read them: fields by name, a line for scapy, and the difference of two frames.
#ifndef XLB_TESTS_PACKET_PACKET_TEXT_H_
#define XLB_TESTS_PACKET_PACKET_TEXT_H_

#include <string>
#include <vector>

#include "packet/bytes.h"

namespace xlb::test {

struct Field {
  std::string name;  // "ip.ttl", and "inner.ip.ttl" inside VXLAN
  std::string value;
};

// Every header field of the frame as far as it goes, outermost first, then what is left as "payload". Takes any bytes.
std::vector<Field> Dissect(const Bytes& frame);

// The frame as an expression that scapy reads back byte for byte when its lengths and checksums are right.
std::string Scapy(const Bytes& frame);

// Empty when the two are the same, else: the fields that differ, both frames in hex with the differing bytes marked,
// and a scapy line for each.
std::string Difference(const Bytes& expected, const Bytes& actual);

}  // namespace xlb::test

#endif  // XLB_TESTS_PACKET_PACKET_TEXT_H_
