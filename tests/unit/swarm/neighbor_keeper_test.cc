#include "swarm/neighbor_keeper.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace xlb {
namespace {

using std::chrono::milliseconds;

TunnelNeighbor Task(uint8_t number) {
  TunnelNeighbor task;
  task.task = Ipv4{htonl(0x0a000000u + number)};
  task.task_mac = Mac::FromOverlayAddress(task.task);
  task.own = *Ipv4::Parse("10.0.0.4");
  task.own_mac = Mac::FromOverlayAddress(task.own);
  task.tunnel_dst = task.tunnel_src = *Ipv4::Parse("127.0.0.1");
  task.vni = 0x123456;
  return task;
}

std::string Text(const std::array<uint8_t, kArpInVxlanSize>& packet) {
  return std::string(reinterpret_cast<const char*>(packet.data()), packet.size());
}

// sizeof counts the final zero.
template <size_t size>
std::string Bytes(const char (&literal)[size]) {
  return std::string(literal, size - 1);
}

TEST(ArpInVxlanTest, RequestAsksTheTaskAloneForItsAddress) {
  EXPECT_EQ(Text(ArpInVxlan(Task(7), ArpOperation::kRequest)),
            Bytes("\x08\0\0\0\x12\x34\x56\0"                          // VXLAN
                  "\x02\x42\x0a\0\0\x07\x02\x42\x0a\0\0\x04\x08\x06"  // Ethernet
                  "\0\x01\x08\0\x06\x04\0\x01"                        // ARP: Ethernet, IPv4, request
                  "\x02\x42\x0a\0\0\x04\x0a\0\0\x04\0\0\0\0\0\0\x0a\0\0\x07"));
}

TEST(ArpInVxlanTest, ReplySaysWhereThisNodeIs) {
  const std::string reply = Text(ArpInVxlan(Task(7), ArpOperation::kReply));
  EXPECT_EQ(reply.substr(22), Bytes("\0\x01\x08\0\x06\x04\0\x02"
                                    "\x02\x42\x0a\0\0\x04\x0a\0\0\x04\x02\x42\x0a\0\0\x07\x0a\0\0\x07"));
}

class NeighborKeeperTest : public testing::Test {
 protected:
  NeighborKeeperTest() : receiver_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(receiver_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(receiver_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }

  void Run(milliseconds time) {
    io_.restart();
    io_.run_for(time);
  }

  // The tasks that were told since the last call, by the last byte of their addresses.
  std::set<uint8_t> Told() {
    std::set<uint8_t> tasks;
    std::array<char, 256> packet;
    for (;;) {
      const ssize_t size = recv(receiver_.get(), packet.data(), packet.size(), 0);
      if (size < 0) return tasks;
      EXPECT_EQ(size, static_cast<ssize_t>(kArpInVxlanSize));
      tasks.insert(static_cast<uint8_t>(packet[kArpInVxlanSize - 1]));
    }
  }

  uint16_t port_ = 0;
  UniqueFd receiver_;
  boost::asio::io_context io_;
  NeighborKeeper keeper_{io_.get_executor()};
};

TEST_F(NeighborKeeperTest, TellsNewOnesAtOnce) {
  keeper_.Set({Task(1), Task(2)}, port_);
  EXPECT_EQ(Told(), (std::set<uint8_t>{1, 2}));
  keeper_.Set({Task(2), Task(3)}, port_);
  EXPECT_EQ(Told(), (std::set<uint8_t>{3}));
  keeper_.Set({Task(2), Task(3)}, port_);
  EXPECT_EQ(Told(), std::set<uint8_t>{});
}

TEST_F(NeighborKeeperTest, TellsEachOneAgainInItsTurn) {
  std::set<TunnelNeighbor> tasks;
  for (uint8_t number = 1; number <= 20; ++number) tasks.insert(Task(number));
  keeper_.Set(tasks, port_);
  EXPECT_EQ(Told().size(), 20u);
  Run(milliseconds(1100));
  EXPECT_EQ(Told(), (std::set<uint8_t>{1, 2}));  // a tenth a second
  Run(milliseconds(1000));
  EXPECT_EQ(Told(), (std::set<uint8_t>{3, 4}));
}

TEST_F(NeighborKeeperTest, HurryTellsAllOfThem) {
  std::set<TunnelNeighbor> tasks;
  for (uint8_t number = 1; number <= 120; ++number) tasks.insert(Task(number));
  keeper_.Set(tasks, port_);
  EXPECT_EQ(Told().size(), 100u);  // not all in one burst
  Run(milliseconds(500));
  EXPECT_EQ(Told().size(), 20u);
  keeper_.Hurry();
  Run(milliseconds(500));
  EXPECT_EQ(Told().size(), 120u);
}

TEST_F(NeighborKeeperTest, ForgottenOnesAreToldNoMore) {
  std::set<TunnelNeighbor> tasks;
  for (uint8_t number = 1; number <= 120; ++number) tasks.insert(Task(number));
  keeper_.Set(tasks, port_);
  Told();
  keeper_.Set({Task(1)}, port_);
  Run(milliseconds(1200));
  EXPECT_EQ(Told(), std::set<uint8_t>{1});
  keeper_.Set({}, port_);
  Run(milliseconds(1200));
  EXPECT_EQ(Told(), std::set<uint8_t>{});
}

TEST_F(NeighborKeeperTest, SaysNothingAfterStop) {
  keeper_.Set({Task(1)}, port_);
  Told();
  keeper_.Stop();
  keeper_.Hurry();
  keeper_.Set({Task(2)}, port_);
  Run(milliseconds(1200));
  EXPECT_EQ(Told(), std::set<uint8_t>{});
}

TEST_F(NeighborKeeperTest, AForeignSourceAddressIsTriedAgainLater) {
  TunnelNeighbor task = Task(1);
  task.tunnel_src = *Ipv4::Parse("192.0.2.77");
  keeper_.Set({task}, port_);
  Run(milliseconds(1200));
  EXPECT_EQ(Told(), std::set<uint8_t>{});
}

}  // namespace
}  // namespace xlb
