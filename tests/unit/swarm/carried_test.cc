// The connections are as Debian's 6.1 shows them of a node whose ingress address is 10.0.0.2.
#include "swarm/carried.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace xlb {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Endpoint At(const char* text) { return *Endpoint::Parse(text); }

ConnectionTuple Tuple(const char* source, const char* destination) {
  const Endpoint from = At(source), to = At(destination);
  return {from.address, to.address, from.port, to.port};
}

// "UDP 192.0.2.100:40100 -> 192.0.2.10:8093", for people.
std::string Text(const xlb_flow_key& key) {
  const auto endpoint = [](uint32_t address, uint16_t port) { return Endpoint{Ipv4{address}, ntohs(port)}.ToString(); };
  const char* const zones[] = {"uplink", "tunnel", "task", "host"};
  return std::string(zones[key.zone]) + (key.proto == IPPROTO_UDP ? " udp " : " tcp ") +
         endpoint(key.saddr, key.sport) + " -> " + endpoint(key.daddr, key.dport);
}

class CarriedTest : public testing::Test {
 protected:
  std::vector<std::string> Found() {
    std::vector<std::string> texts;
    for (const xlb_flow_key& key : carried_.keys()) texts.push_back(Text(key));
    return texts;
  }
  const PublishedPorts ports_{{IPPROTO_TCP, 8091}, {IPPROTO_UDP, 8093}};
  CarriedFlows carried_{{At("172.18.0.2:1").address, At("10.0.0.2:1").address, At("10.0.0.5:1").address}, ports_};
};

TEST_F(CarriedTest, ADatagramFlowOfARemoteClient) {
  carried_.AddHosts(
      {IPPROTO_UDP, Tuple("192.0.2.100:40100", "192.0.2.10:8093"), Tuple("172.18.0.2:8093", "192.0.2.100:40100")});
  EXPECT_THAT(Found(), ElementsAre("uplink udp 192.0.2.100:40100 -> 192.0.2.10:8093",
                                   "task udp 192.0.2.100:40100 -> 192.0.2.10:8093",
                                   "host udp 192.0.2.100:40100 -> 172.18.0.2:8093"));
}

TEST_F(CarriedTest, ADatagramFlowOfTheNodeItself) {
  carried_.AddHosts(
      {IPPROTO_UDP, Tuple("127.0.0.1:5000", "127.0.0.1:8093"), Tuple("172.18.0.2:8093", "172.18.0.1:61000")});
  EXPECT_THAT(Found(), testing::Contains("host udp 172.18.0.1:61000 -> 172.18.0.2:8093"));
}

TEST_F(CarriedTest, TcpOfARemoteClient) {
  carried_.AddHosts(
      {IPPROTO_TCP, Tuple("192.0.2.100:40100", "192.0.2.10:8091"), Tuple("172.18.0.2:8091", "192.0.2.100:40100")});
  EXPECT_THAT(Found(), testing::ElementsAre("uplink tcp 192.0.2.100:40100 -> 192.0.2.10:8091"));
}

TEST_F(CarriedTest, WhatDockersMeshDoesNotCarry) {
  // Another port; a port published by a single container; nobody's: the kernel answers, or will.
  carried_.AddHosts(
      {IPPROTO_UDP, Tuple("192.0.2.100:40100", "192.0.2.10:8094"), Tuple("172.18.0.2:8094", "192.0.2.100:40100")});
  carried_.AddHosts(
      {IPPROTO_UDP, Tuple("192.0.2.100:40100", "192.0.2.10:8093"), Tuple("172.17.0.3:5353", "192.0.2.100:40100")});
  carried_.AddHosts(
      {IPPROTO_UDP, Tuple("192.0.2.100:40100", "192.0.2.10:8093"), Tuple("192.0.2.10:8093", "192.0.2.100:40100")});
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(CarriedTest, RepliesOfTasksAsTheyComeBackToTheSandbox) {
  carried_.AddSandboxs(
      {IPPROTO_TCP, Tuple("192.0.2.100:40000", "172.18.0.2:8091"), Tuple("10.0.0.7:8091", "10.0.0.2:40000")});
  carried_.AddSandboxs(
      {IPPROTO_UDP, Tuple("192.0.2.100:40100", "172.18.0.2:8093"), Tuple("10.0.0.7:8093", "10.0.0.2:1037")});
  EXPECT_THAT(Found(),
              ElementsAre("tunnel tcp 10.0.0.7:8091 -> 10.0.0.2:40000", "tunnel udp 10.0.0.7:8093 -> 10.0.0.2:1037"));
}

TEST_F(CarriedTest, WhatTheSandboxSendsNowhere) {
  // Not chosen for yet; a port that is not ours; answered by a task that has the client's address.
  carried_.AddSandboxs(
      {IPPROTO_TCP, Tuple("192.0.2.100:40000", "172.18.0.2:8091"), Tuple("172.18.0.2:8091", "192.0.2.100:40000")});
  carried_.AddSandboxs(
      {IPPROTO_TCP, Tuple("192.0.2.100:40000", "172.18.0.2:8092"), Tuple("10.0.0.7:8092", "10.0.0.2:40000")});
  carried_.AddSandboxs(
      {IPPROTO_TCP, Tuple("192.0.2.100:40000", "172.18.0.2:8091"), Tuple("10.0.0.7:8091", "192.0.2.100:40000")});
  EXPECT_THAT(Found(), IsEmpty());
}

TEST(ReadCarriedFlowsTest, NoneWithoutASandbox) {
  const auto found = ReadCarriedFlows("/nonexistent", {{IPPROTO_TCP, 80}});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(*found, IsEmpty());
}

}  // namespace
}  // namespace xlb
