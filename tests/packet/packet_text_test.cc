// The tools that judge the programs, judged: against checksums that were computed elsewhere, and by breaking frames.
#include "packet/packet_text.h"

#include <gtest/gtest.h>

#include "packet/checksum.h"
#include "packet/packet_builder.h"

namespace xlb::test {
namespace {

using testing::Test;

Packet SomeTcp() { return Packet::Tcp("203.0.113.7:40000", "192.0.2.1:8091").Flags("S"); }

Bytes SomeVxlan() {
  const Bytes inner = Packet::Udp("10.0.0.2:5000", "10.0.0.7:53").Payload("question").Build();
  return Packet::Udp("192.0.2.1:50000", "192.0.2.20:4789").Vxlan(4097, inner).Build();
}

TEST(ChecksumTest, OfTheExampleInRfc1071) {
  const Bytes example = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(OnesSum(example, 0, example.size()), 0xddf2);
  EXPECT_EQ(OnesSum({0x12}, 0, 1), 0x1200) << "an odd byte is the upper half of a word";
  EXPECT_EQ(OnesSum({0xff, 0xff, 0x00, 0x01}, 0, 4), 0x0001) << "the carry comes round";
}

TEST(ChecksumTest, OfAHeaderFromAnotherSource) {
  // The IPv4 header that Wikipedia works through: checksum b861.
  const Bytes header = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                        0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
  EXPECT_EQ(OnesSum(header, 0, header.size()), 0xffff);
}

TEST(ChecksumTest, BuiltFramesAreRight) {
  EXPECT_EQ(ChecksumErrors(SomeTcp().Build()), "");
  EXPECT_EQ(ChecksumErrors(SomeTcp().Payload("odd").Build()), "");
  EXPECT_EQ(ChecksumErrors(Packet::Udp("10.0.0.1:1", "10.0.0.2:2").PayloadOf(301).Build()), "");
  EXPECT_EQ(ChecksumErrors(Packet::Udp("10.0.0.1:1", "10.0.0.2:2").NoUdpChecksum().Build()), "");
  EXPECT_EQ(ChecksumErrors(SomeTcp().Trailer(6).Build()), "");
  EXPECT_EQ(ChecksumErrors(SomeVxlan()), "");
}

TEST(ChecksumTest, EveryFlippedBitIsSeen) {
  const size_t l4 = kEthernetLength + kIpLength;
  const Bytes frame = SomeTcp().Payload("some payload").Build();
  for (size_t at = kEthernetLength; at < frame.size(); at++) {
    // Version, header length and protocol decide what is summed, total length how much of it.
    if (at == kEthernetLength || at == kEthernetLength + 2 || at == kEthernetLength + 3 || at == l4 - 11) continue;
    for (int bit = 0; bit < 8; bit++) {
      Bytes broken = frame;
      broken[at] = static_cast<uint8_t>(broken[at] ^ 1 << bit);
      EXPECT_NE(ChecksumErrors(broken), "") << "byte " << at << " bit " << bit;
    }
  }
  Bytes inner_broken = SomeVxlan();
  inner_broken.back() ^= 1;
  EXPECT_EQ(ChecksumErrors(inner_broken), "inner UDP checksum is wrong\n");
}

TEST(PacketBuilderTest, WritesWhatIsOnTheWire) {
  const Bytes frame = Packet::Udp("10.0.0.1:68", "10.0.0.2:67").Tos(0xb9).Ttl(3).Id(0xbeef).Payload("hi").Build();
  const Bytes expected = {2,    0,    0, 0,  0,    1,    2,    0,    0,   0,  0,    0x10, 8, 0,  // Ethernet
                          0x45, 0xb9, 0, 30, 0xbe, 0xef, 0,    0,    3,   17, 0xe4, 0x24,        // IPv4
                          10,   0,    0, 1,  10,   0,    0,    2,                                //
                          0,    68,   0, 67, 0,    10,   0x82, 0xe7, 'h', 'i'};                  // UDP
  EXPECT_EQ(Difference(expected, frame), "");
}

TEST(PacketBuilderTest, AComputedZeroChecksumOfUdpIsSentAsOnes) {
  // The payload is chosen so that the sum is 0xffff.
  Packet packet = Packet::Udp("10.0.0.1:1", "10.0.0.2:2").Payload(Bytes{0, 0});
  const uint16_t computed = Get16(packet.Build(), kEthernetLength + kIpLength + 6);
  packet.Payload(Bytes{static_cast<uint8_t>(computed >> 8), static_cast<uint8_t>(computed)});
  EXPECT_EQ(Get16(packet.Build(), kEthernetLength + kIpLength + 6), 0xffff);
  EXPECT_EQ(ChecksumErrors(packet.Build()), "");
}

TEST(PacketTextTest, SaysWhatDiffers) {
  EXPECT_EQ(Difference(SomeTcp().Build(), SomeTcp().Build()), "");
  const std::string text = Difference(SomeTcp().Ttl(63).Build(), SomeTcp().Ttl(64).Build());
  EXPECT_NE(text.find("ip.ttl             expected 63, is 64\n"), std::string::npos) << text;
  EXPECT_NE(text.find(" 3f! "), std::string::npos) << text;
  EXPECT_NE(text.find("IP(src='203.0.113.7',dst='192.0.2.1',ttl=64"), std::string::npos) << text;
  EXPECT_EQ(text.find("tcp."), std::string::npos) << text;
}

TEST(PacketTextTest, SaysWhatIsMissing) {
  const std::string text = Difference(SomeVxlan(), SomeTcp().Build());
  EXPECT_NE(text.find("inner.ip.dst       expected 10.0.0.7, is missing"), std::string::npos) << text;
  EXPECT_NE(text.find("tcp.flags          not expected, is S"), std::string::npos) << text;
  EXPECT_NE(Difference(SomeTcp().Build(), SomeTcp().Trailer(1).Build()), "");
}

TEST(PacketTextTest, ShowsOnlyRowsThatDiffer) {
  Bytes frame = SomeTcp().PayloadOf(1000).Build(), other = frame;
  other[700] ^= 1;
  const std::string text = Difference(frame, other);
  EXPECT_NE(text.find("\n  02b0  "), std::string::npos) << text;
  EXPECT_EQ(text.find("\n  02a0  "), std::string::npos) << text;
  for (uint8_t& byte : other) byte ^= 1;
  EXPECT_NE(Difference(frame, other).find("more rows"), std::string::npos);
}

TEST(PacketTextTest, TakesAnyTruncation) {
  const Bytes frame = SomeVxlan();
  for (size_t length = 0; length <= frame.size(); length++) Dissect(Bytes(frame.begin(), frame.begin() + length));
}

}  // namespace
}  // namespace xlb::test
