// Against sockets that the test opens: of what this machine has besides, nothing is said.
#include "netlink/sockets.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/unique_fd.h"

namespace xlb {
namespace {

struct Opened {
  UniqueFd fd;
  uint16_t port = 0;
  uint64_t inode = 0;
};

Opened Open(int family, int type, const char* address, bool v6only = false) {
  Opened opened{UniqueFd(socket(family, type, 0)), 0, 0};
  const int only = v6only;
  if (family == AF_INET6) setsockopt(opened.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
  sockaddr_storage at{};
  at.ss_family = static_cast<sa_family_t>(family);
  auto* v4 = reinterpret_cast<sockaddr_in*>(&at);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&at);
  inet_pton(family, address,
            family == AF_INET ? static_cast<void*>(&v4->sin_addr) : static_cast<void*>(&v6->sin6_addr));
  EXPECT_EQ(bind(opened.fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof(at)), 0) << address;
  socklen_t size = sizeof(at);
  getsockname(opened.fd.get(), reinterpret_cast<sockaddr*>(&at), &size);
  opened.port = ntohs(v4->sin_port);
  struct stat info {};
  fstat(opened.fd.get(), &info);
  opened.inode = info.st_ino;
  return opened;
}

const WaitingSocket* Find(const std::vector<WaitingSocket>& sockets, const Opened& opened) {
  const auto found = std::find_if(sockets.begin(), sockets.end(),
                                  [&](const WaitingSocket& socket) { return socket.inode == opened.inode; });
  return found == sockets.end() ? nullptr : &*found;
}

std::vector<WaitingSocket> Read() {
  auto read = ReadWaitingSockets();
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? *read : std::vector<WaitingSocket>{};
}

TEST(WaitingSocketsTest, TcpListenersAndNothingElse) {
  const Opened any = Open(AF_INET, SOCK_STREAM, "0.0.0.0");
  const Opened one = Open(AF_INET, SOCK_STREAM, "127.0.0.1");
  EXPECT_EQ(Find(Read(), any), nullptr);  // bound, and does not listen
  listen(any.fd.get(), 1);
  listen(one.fd.get(), 1);
  const auto sockets = Read();
  const WaitingSocket* found = Find(sockets, any);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(*found, (WaitingSocket{IPPROTO_TCP, {}, any.port, any.inode}));
  ASSERT_NE(Find(sockets, one), nullptr);
  EXPECT_EQ(Find(sockets, one)->address.ToString(), "127.0.0.1");
}

TEST(WaitingSocketsTest, UdpUntilItIsConnected) {
  const Opened bound = Open(AF_INET, SOCK_DGRAM, "127.0.0.1");
  ASSERT_NE(Find(Read(), bound), nullptr);
  EXPECT_EQ(Find(Read(), bound)->protocol, IPPROTO_UDP);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(bound.fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  EXPECT_EQ(Find(Read(), bound), nullptr);
}

TEST(WaitingSocketsTest, Ipv6AsFarAsItTakesIpv4) {
  const UniqueFd probe(socket(AF_INET6, SOCK_STREAM, 0));
  if (!probe.valid()) GTEST_SKIP() << "no IPv6 here";
  const Opened both = Open(AF_INET6, SOCK_STREAM, "::");
  const Opened only = Open(AF_INET6, SOCK_STREAM, "::", true);
  const Opened mapped = Open(AF_INET6, SOCK_DGRAM, "::ffff:127.0.0.1");
  listen(both.fd.get(), 1);
  listen(only.fd.get(), 1);
  const auto sockets = Read();
  ASSERT_NE(Find(sockets, both), nullptr);
  EXPECT_TRUE(Find(sockets, both)->address.IsUnset());
  EXPECT_EQ(Find(sockets, only), nullptr);
  ASSERT_NE(Find(sockets, mapped), nullptr);
  EXPECT_EQ(Find(sockets, mapped)->address.ToString(), "127.0.0.1");
}

}  // namespace
}  // namespace xlb
