#include "dataplane/client_prober.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <vector>

namespace xlb {
namespace {

// RFC 1071, over the bytes as they are: 0xffff if the checksum in them is right.
uint32_t FoldedSum(std::vector<uint8_t> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) sum += static_cast<uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

TEST(ClientProberTest, AnAckFromTheServiceWithRightChecksums) {
  xlb_flow_key key{};
  key.saddr = inet_addr("203.0.113.7");
  key.daddr = inet_addr("192.0.2.1");
  key.sport = htons(40000);
  key.dport = htons(8091);
  key.proto = IPPROTO_TCP;
  const auto packet = MakeProbe(key, 0x80000001);
  const std::vector<uint8_t> expected_addresses{192, 0, 2, 1, 203, 0, 113, 7, 0x1f, 0x9b, 0x9c, 0x40, 0x80, 0, 0, 1};
  EXPECT_EQ(std::vector<uint8_t>(packet.begin() + 12, packet.begin() + 28), expected_addresses);
  EXPECT_EQ(packet[33], 0x10) << "ACK alone";
  EXPECT_EQ(FoldedSum({packet.begin(), packet.begin() + 20}), 0xffffu);
  std::vector<uint8_t> segment(packet.begin() + 12, packet.end());
  segment.insert(segment.end(), {0, 6, 0, 20});  // the rest of the pseudo header
  EXPECT_EQ(FoldedSum(segment), 0xffffu);
}

}  // namespace
}  // namespace xlb
