#include "peer/pair_key.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <vector>

#include "peer/hello_socket.h"
#include "peer/siphash.h"

namespace xlb {
namespace {

const Ipv4 kOne = *Ipv4::Parse("192.0.2.11"), kOther = *Ipv4::Parse("192.0.2.12"), kThird = *Ipv4::Parse("192.0.2.13");

// The example of the paper's appendix A: key 00 01 ... 0f, message 00 01 ... 0e.
TEST(SipHashTest, ThePapersExample) {
  std::vector<uint8_t> message(15);
  std::iota(message.begin(), message.end(), uint8_t{0});
  EXPECT_EQ(SipHash24(message, {0x0706050403020100, 0x0f0e0d0c0b0a0908}), 0xa129ca6149be45e5u);
}

TEST(PairKeyTest, IsTheSameAtBothEnds) {
  const std::string secret = TunnelSecret("cluster", "SWMTKN-1-x");
  EXPECT_EQ(secret.size(), 32u);
  const PairKey here = MakePairKey(secret, kOne, kOther), there = MakePairKey(secret, kOther, kOne);
  EXPECT_EQ(here.key, there.key);
  EXPECT_EQ(here.cookie, there.cookie);
}

TEST(PairKeyTest, IsAnotherForEachPairAndSecret) {
  const std::string secret = TunnelSecret("cluster", "SWMTKN-1-x");
  const PairKey pair = MakePairKey(secret, kOne, kOther);
  EXPECT_NE(pair.key, MakePairKey(secret, kOne, kThird).key);
  EXPECT_NE(pair.cookie, MakePairKey(secret, kOne, kThird).cookie);
  EXPECT_NE(pair.key, MakePairKey(TunnelSecret("cluster", "SWMTKN-1-y"), kOne, kOther).key);
  EXPECT_NE(pair.key, MakePairKey(TunnelSecret("another", "SWMTKN-1-x"), kOne, kOther).key);
}

TEST(PairKeyTest, ThereIsNoneOfHalfASecret) {
  EXPECT_EQ(TunnelSecret("", "SWMTKN-1-x"), "");
  EXPECT_EQ(TunnelSecret("cluster", ""), "");
}

TEST(HelloTest, IsSignedOverAllThatItSays) {
  const auto key = MakePairKey(TunnelSecret("cluster", "SWMTKN-1-x"), kOne, kOther).key;
  const HelloPacket packet = MakeQuestion({kOther, 7, {{1, 2, 3, 4, 5, 6}}}, key);
  xlb_hello hello;
  std::memcpy(&hello, packet.data() + packet.size() - sizeof(hello), sizeof(hello));
  const std::vector<uint8_t> is(hello.tag, hello.tag + sizeof(hello.tag));
  const auto tag_of = [&](const xlb_hello& of) {
    xlb_hello copy = of;
    SignHello(copy, key);
    return std::vector<uint8_t>(copy.tag, copy.tag + sizeof(copy.tag));
  };
  EXPECT_EQ(tag_of(hello), is);
  for (size_t i = 0; i < XLB_HELLO_SIGNED; i++) {
    xlb_hello changed = hello;
    reinterpret_cast<uint8_t*>(&changed)[i] ^= 1;
    EXPECT_NE(tag_of(changed), is) << i;
  }
}

}  // namespace
}  // namespace xlb
