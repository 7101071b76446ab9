#include "peer/address.h"

#include <gtest/gtest.h>

namespace xlb {
namespace {

TEST(PeerAddressTest, IsAnAddressAndAPort) {
  EXPECT_EQ(ParsePeerAddress("0.0.0.0:9651")->host, "0.0.0.0");
  EXPECT_EQ(ParsePeerAddress("192.0.2.10:1")->port, 1);
  EXPECT_EQ(ParsePeerAddress("[2001:db8::1]:65535")->host, "2001:db8::1");
  for (const char* text : {"", ":", "9651", "0.0.0.0", "0.0.0.0:", "0.0.0.0:0", "0.0.0.0:65536", "0.0.0.0:1x",
                           "n0:9651", "2001:db8::1:9651", "[]:1", "[0.0.0.0]:1"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParsePeerAddress(text).status())) << text;
  }
}

}  // namespace
}  // namespace xlb
