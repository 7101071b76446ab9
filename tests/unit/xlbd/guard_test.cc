// What the guard makes of an assembly: lists, exceptions, ports that are left, and what a person is told of it.
#include "xlbd/guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "netfilter/parse.h"

namespace xlb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr SourceVerdicts kAllow = 0;
const SourceVerdicts kDeny = AllVerdicts(XLB_SOURCE_DENY);

Frontend At(std::string_view text) { return *Frontend::Parse(text); }
Ipv4 Ip(std::string_view text) { return *Ipv4::Parse(text); }

class GuardTest : public testing::Test {
 protected:
  GuardTest() {
    assembly_.state.node.addresses = {Ip("192.0.2.11"), Ip("192.0.2.12"), Ip("172.18.0.1")};
    inputs_.addresses_of_devices = {{"eth0", {Ip("192.0.2.11"), Ip("192.0.2.12")}},
                                    {"docker_gwbridge", {Ip("172.18.0.1")}}};
  }

  Service& Add(std::string_view frontend, ServiceSource source = ServiceSource::kSwarm) {
    Service& service = assembly_.state.services[At(frontend)];
    service.frontend = At(frontend);
    service.name = "web";
    service.source = source;
    return service;
  }
  void Guard() { GuardPorts(config_, inputs_, assembly_); }
  const Service& Of(std::string_view frontend) { return assembly_.state.services.at(At(frontend)); }
  size_t Count() const { return assembly_.state.services.size(); }

  void Firewall(const std::string& docker_user) {
    const std::string text = "*filter\n:FORWARD DROP\n:DOCKER-USER -\n" + docker_user +
                             "\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-INGRESS\nCOMMIT\n";
    rules_.parts = {{"nft", text, ParseIptablesSave(text)}};
    sources_.Update(&rules_, ++version_, "", surroundings_);
    inputs_.firewall = [this](Protocol protocol, uint16_t port) -> const PortFirewall& {
      return sources_.Of(protocol, port);
    };
  }

  Assembly assembly_;
  StaticConfig config_;
  GuardInputs inputs_;
  FirewallRules rules_;
  FirewallSources sources_;
  FirewallSurroundings surroundings_{
      {"eth0"}, {"docker0", "docker_gwbridge"}, {Ip("192.0.2.11")}, {}, "docker_gwbridge"};
  uint64_t version_ = 0;
};

TEST_F(GuardTest, NothingAskedForNothingDone) {
  Add("tcp/*:80");
  Add("udp/192.0.2.11:53", ServiceSource::kStatic);
  Guard();
  EXPECT_EQ(Count(), 2u);
  EXPECT_TRUE(Of("tcp/*:80").sources.empty());
  EXPECT_EQ(Of("tcp/*:80").handling, Handling::kServe);
  EXPECT_THAT(assembly_.warnings, IsEmpty());
}

TEST_F(GuardTest, ListsOfItsOwn) {
  Add("tcp/*:80").access.allow = {*Ipv4Prefix::Parse("10.0.0.0/8")};
  Guard();
  EXPECT_EQ(Of("tcp/*:80").sources.At(Ip("10.1.2.3")), kAllow);
  EXPECT_EQ(Of("tcp/*:80").sources.At(Ip("192.0.2.50")), kDeny);
}

TEST_F(GuardTest, WrongLabelsLetNobodyIn) {
  Add("tcp/*:80").access_problem = "label xlb.allow=oops";
  Guard();
  EXPECT_EQ(Of("tcp/*:80").sources.At(Ip("10.1.2.3")), kDeny);
}

TEST_F(GuardTest, BoundToADevice) {
  Add("tcp/*:80").access.bind = {"docker_gwbridge", "192.0.2.12"};
  Guard();
  EXPECT_EQ(Of("tcp/*:80").handling, Handling::kServe);
  ASSERT_EQ(Count(), 3u);
  EXPECT_EQ(Of("tcp/127.0.0.1:80").handling, Handling::kClose);
  EXPECT_EQ(Of("tcp/192.0.2.11:80").handling, Handling::kClose);
  EXPECT_TRUE(Of("tcp/192.0.2.11:80").is_exception);
}

TEST_F(GuardTest, BoundToWhatIsNotThereServedNowhere) {
  Add("tcp/*:80").access.bind = {"eth9", "198.51.100.1"};
  assembly_.state.node.sandbox_address = Ip("172.18.0.2");
  Guard();
  EXPECT_EQ(Count(), 5u);  // 127.0.0.1 as well, and the sandbox's address not
  EXPECT_THAT(assembly_.warnings, ElementsAre(HasSubstr("eth9"), HasSubstr("198.51.100.1")));
}

TEST_F(GuardTest, AServiceAtOneAddressKeepsIt) {
  Add("tcp/*:80").access.bind = {"192.0.2.12"};
  Add("tcp/192.0.2.11:80", ServiceSource::kStatic).name = "mine";
  Guard();
  EXPECT_EQ(Of("tcp/192.0.2.11:80").name, "mine");
  EXPECT_EQ(Of("tcp/192.0.2.11:80").handling, Handling::kServe);
}

TEST_F(GuardTest, OverridesStandOverLabelsForSwarmAlone) {
  Add("tcp/*:80").access.allow = {*Ipv4Prefix::Parse("10.0.0.0/8")};
  Add("tcp/*:81").access_problem = "label xlb.allow=oops";
  Add("tcp/*:82", ServiceSource::kStatic);
  AccessChange change;
  change.allow = {*Ipv4Prefix::Parse("192.0.2.0/24")};
  for (const char* frontend : {"tcp/*:80", "tcp/*:81", "tcp/*:82"}) {
    ASSERT_TRUE(config_.ChangeOverride(At(frontend), change).ok());
  }
  Guard();
  for (const char* frontend : {"tcp/*:80", "tcp/*:81"}) {
    EXPECT_EQ(Of(frontend).sources.At(Ip("192.0.2.50")), kAllow) << frontend;
    EXPECT_EQ(Of(frontend).sources.At(Ip("10.1.2.3")), kDeny) << frontend;
  }
  EXPECT_TRUE(Of("tcp/*:82").sources.empty());
}

TEST_F(GuardTest, TheFirewallAndTheListMustBothAdmit) {
  Firewall("-A DOCKER-USER -s 10.1.0.0/16 -j DROP");
  Add("tcp/*:80").access.allow = {*Ipv4Prefix::Parse("10.0.0.0/8")};
  Add("tcp/*:81", ServiceSource::kStatic);
  Guard();
  const SourceList& sources = Of("tcp/*:80").sources;
  EXPECT_EQ(sources.At(Ip("10.2.0.1")), kAllow);
  EXPECT_EQ(sources.At(Ip("10.1.0.1")), kDeny);
  EXPECT_EQ(sources.At(Ip("192.0.2.1")), kDeny);
  EXPECT_TRUE(Of("tcp/*:81").sources.empty());  // what Docker publishes is what the rules are about
}

TEST_F(GuardTest, ContainersAndClientsElsewhereAreToldApart) {
  Firewall("-A DOCKER-USER -i eth0 -m conntrack --ctstate NEW -j DROP");
  Add("tcp/*:80");
  Guard();
  EXPECT_EQ(Of("tcp/*:80").sources.At(Ip("192.0.2.1")),
            static_cast<SourceVerdicts>(XLB_SOURCE_DENY << (XLB_SOURCE_REMOTE + XLB_SOURCE_NEW)));
}

TEST_F(GuardTest, ARuleThatIsNotUnderstoodLeavesThePort) {
  Firewall(
      "-A DOCKER-USER -p tcp -m tcp --dport 80 -m set --match-set bad src -j DROP\n-A DOCKER-USER -s 10.0.0.0/8 -j "
      "REJECT");
  Add("tcp/*:80");
  Add("tcp/*:81");
  Guard();
  EXPECT_EQ(Of("tcp/*:80").handling, Handling::kLeave);
  EXPECT_THAT(Of("tcp/*:80").left_because, HasSubstr("--match-set bad src"));
  EXPECT_EQ(Of("tcp/*:81").handling, Handling::kServe);
  EXPECT_THAT(Of("tcp/*:81").left_because, HasSubstr("-j REJECT"));
  EXPECT_THAT(assembly_.warnings,
              ElementsAre(HasSubstr("tcp/80 (web) is left to Docker's mesh"), HasSubstr("some clients")));
}

TEST_F(GuardTest, APortThatIsLeftKeepsItsOwnListsWord) {
  Firewall("-A DOCKER-USER -m set --match-set bad src -j DROP");
  Add("tcp/*:80").access.deny = {*Ipv4Prefix::Parse("10.0.0.0/8")};
  Guard();
  EXPECT_EQ(Of("tcp/*:80").handling, Handling::kServe);
  EXPECT_EQ(Of("tcp/*:80").sources.At(Ip("10.1.2.3")), kDeny);
  EXPECT_EQ(Of("tcp/*:80").sources.At(Ip("192.0.2.1")), AllVerdicts(XLB_SOURCE_LEAVE));
  EXPECT_THAT(assembly_.warnings, ElementsAre(HasSubstr("is left to Docker's mesh")));
}

TEST_F(GuardTest, WhatCannotBeReadLeavesEveryPublishedPortAndCutsNothing) {
  sources_.Update(nullptr, 1, "iptables-nft-save failed", surroundings_);
  inputs_.firewall = [this](Protocol protocol, uint16_t port) -> const PortFirewall& {
    return sources_.Of(protocol, port);
  };
  Add("tcp/*:80");
  Guard();
  EXPECT_EQ(Of("tcp/*:80").handling, Handling::kLeave);
  const SourceVerdicts verdicts = Of("tcp/*:80").sources.At(Ip("192.0.2.1"));
  EXPECT_EQ(verdicts >> XLB_SOURCE_LIVING & XLB_SOURCE_MASK, static_cast<uint32_t>(XLB_SOURCE_ALLOW));
  EXPECT_EQ(verdicts >> XLB_SOURCE_NEW & XLB_SOURCE_MASK, static_cast<uint32_t>(XLB_SOURCE_LEAVE));
}

TEST_F(GuardTest, PortsThatAProcessWaitsOn) {
  inputs_.owners[{Protocol::kTcp, 22}] = {{Ipv4{}, "sshd (pid 812)"}};
  inputs_.owners[{Protocol::kUdp, 53}] = {{Ip("192.0.2.11"), "named (pid 9)"},
                                          {Ip("127.0.0.53"), "resolved (pid 8)"},
                                          {Ip("127.0.0.1"), "dnsmasq (pid 7)"}};
  Add("tcp/*:22");
  Add("udp/*:53");
  Add("tcp/198.51.100.1:22", ServiceSource::kStatic);  // no address of this node
  Add("tcp/192.0.2.12:22", ServiceSource::kStatic);
  Guard();
  EXPECT_EQ(Of("tcp/*:22").handling, Handling::kLeave);
  EXPECT_EQ(Of("tcp/*:22").left_because, "sshd (pid 812) listens on it");
  EXPECT_EQ(Of("udp/*:53").handling, Handling::kServe);
  EXPECT_EQ(Of("udp/192.0.2.11:53").handling, Handling::kLeave);
  EXPECT_EQ(Of("udp/127.0.0.1:53").handling, Handling::kLeave);
  EXPECT_EQ(Count(), 6u);
  EXPECT_EQ(Of("tcp/198.51.100.1:22").handling, Handling::kServe);
  EXPECT_EQ(Of("tcp/192.0.2.12:22").handling, Handling::kLeave);
}

TEST_F(GuardTest, AnAddressThatIsLeftIsNotClosed) {
  inputs_.owners[{Protocol::kTcp, 80}] = {{Ip("192.0.2.11"), "nginx (pid 7)"}};
  Add("tcp/*:80").access.bind = {"192.0.2.12"};
  Guard();
  EXPECT_EQ(Of("tcp/192.0.2.11:80").handling, Handling::kLeave);
  EXPECT_EQ(Of("tcp/172.18.0.1:80").handling, Handling::kClose);
}

TEST(HostSocketsTest, FindsThisProcessAsTheOwner) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  ASSERT_EQ(listen(fd.get(), 1), 0);
  sockaddr_in at{};
  socklen_t size = sizeof(at);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &size);
  const FakeClock clock;
  HostSockets sockets(&clock);
  const Port port{Protocol::kTcp, ntohs(at.sin_port)};
  ASSERT_TRUE(sockets.Refresh({port}).ok());
  ASSERT_TRUE(sockets.owners().contains(port));
  EXPECT_THAT(sockets.owners().at(port)[0].who, HasSubstr("(pid " + std::to_string(getpid()) + ")"));
  ASSERT_TRUE(sockets.Refresh({}).ok());
  EXPECT_TRUE(sockets.owners().empty());
}

// A port that the kernel gave to a client for the moment of a question is nobody's.
TEST(HostSocketsTest, DatagramSocketsOfClientsMustStay) {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof(at)), 0);
  socklen_t size = sizeof(at);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &size);
  FakeClock clock;
  HostSockets sockets(&clock);
  const Port port{Protocol::kUdp, ntohs(at.sin_port)};
  ASSERT_TRUE(sockets.Refresh({port}).ok());
  EXPECT_FALSE(sockets.owners().contains(port));
  clock.Advance(std::chrono::milliseconds(20));
  ASSERT_TRUE(sockets.Refresh({port}).ok());
  EXPECT_FALSE(sockets.owners().contains(port));
  clock.Advance(std::chrono::seconds(2));
  ASSERT_TRUE(sockets.Refresh({port}).ok());
  EXPECT_TRUE(sockets.owners().contains(port));
}

}  // namespace
}  // namespace xlb
