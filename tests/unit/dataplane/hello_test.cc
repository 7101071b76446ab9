#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <numeric>
#include <vector>

#include "dataplane/hello_socket.h"
#include "dataplane/siphash.h"

namespace xlb {
namespace {

// The example of the paper's appendix A: key 00 01 ... 0f, message 00 01 ... 0e.
TEST(SipHashTest, ThePapersExample) {
  std::vector<uint8_t> message(15);
  std::iota(message.begin(), message.end(), uint8_t{0});
  EXPECT_EQ(SipHash24(message, {0x0706050403020100, 0x0f0e0d0c0b0a0908}), 0xa129ca6149be45e5u);
}

TEST(HelloTest, IsSignedOverAllThatItSays) {
  const std::array<uint64_t, 2> key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  const std::vector<std::array<uint8_t, XLB_UID_PREFIX>> uids{{1, 2, 3, 4, 5, 6}};
  const HelloPacket packet = MakeQuestion(*Ipv4::Parse("192.0.2.11"), 7, uids, key);
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
