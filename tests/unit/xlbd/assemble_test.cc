// Sources put together: who takes precedence, and what a person is told of it.
#include "xlbd/assemble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xlb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class AssembleTest : public testing::Test {
 protected:
  AssembleTest() { node_.addresses = {*Ipv4::Parse("192.0.2.11"), *Ipv4::Parse("192.0.2.12")}; }

  void Publish(std::string_view frontend) {
    Service service;
    service.frontend = *Frontend::Parse(frontend);
    service.name = "web";
    service.source = ServiceSource::kSwarm;
    swarm_.services.push_back(std::move(service));
  }

  void AddStatic(std::string_view frontend, std::string name = "mine") {
    StaticService service;
    service.frontend = *Frontend::Parse(frontend);
    service.name = std::move(name);
    ASSERT_TRUE(config_.AddService(std::move(service)).ok());
  }

  Assembly Assembled() const {
    return Assemble(
        node_, config_, swarm_, [](Ipv4) { return Ipv4{}; }, [](const std::string&) { return Ipv4{}; });
  }

  NodeFacts node_;
  StaticConfig config_;
  SwarmView swarm_;
};

TEST_F(AssembleTest, StaticServiceOnEveryAddressTakesThePublishedPort) {
  Publish("tcp/*:80");
  AddStatic("tcp/*:80");
  const Assembly assembly = Assembled();
  EXPECT_EQ(assembly.state.services.at(*Frontend::Parse("tcp/*:80")).name, "mine");
  EXPECT_THAT(assembly.warnings, ElementsAre(HasSubstr("a static service has it")));
}

TEST_F(AssembleTest, StaticServiceOnAnAddressOfTheNodeIsSaidToHideThePublishedPort) {
  Publish("tcp/*:80");
  AddStatic("tcp/192.0.2.12:80");
  EXPECT_THAT(Assembled().warnings,
              ElementsAre("the static service mine at tcp/192.0.2.12:80 hides the swarm service web on that address"));
}

TEST_F(AssembleTest, OtherAddressPortAndProtocolHideNothing) {
  Publish("tcp/*:80");
  AddStatic("tcp/192.0.2.99:80");
  AddStatic("tcp/192.0.2.12:81", "other-port");
  AddStatic("udp/192.0.2.12:80", "other-protocol");
  EXPECT_THAT(Assembled().warnings, IsEmpty());
}

TEST(FitTunnelTest, TheSmallerMtuCounts) {
  const auto fitted = [](uint16_t tunnel, uint32_t device, uint32_t vni = 4096) {
    Assembly assembly;
    assembly.state.node.vni = vni;
    assembly.state.node.tunnel_mtu = tunnel;
    FitTunnel("eth0", device, assembly);
    EXPECT_EQ(assembly.warnings.size(), assembly.state.node.tunnel_mtu == tunnel ? 0u : 1u);
    return assembly.state.node.tunnel_mtu;
  };
  EXPECT_EQ(fitted(1450, 1500), 1450);
  EXPECT_EQ(fitted(1450, 9000), 1450);
  EXPECT_EQ(fitted(1450, 1460), 1410);
  EXPECT_EQ(fitted(1450, 1400), 1350);
  EXPECT_EQ(fitted(1450, 0), 1450) << "not known";
  EXPECT_EQ(fitted(1450, 1400, 0), 1450) << "no ingress network";
}

TEST(LeaveTunnelTest, StaticServicesStay) {
  Assembly assembly;
  assembly.state.node.vni = 4096;
  for (const ServiceSource source : {ServiceSource::kSwarm, ServiceSource::kStatic}) {
    Service service;
    service.source = source;
    service.frontend.port = source == ServiceSource::kSwarm ? 80 : 81;
    assembly.state.services.emplace(service.frontend, service);
  }
  LeaveTunnel("wg0", assembly);
  EXPECT_EQ(assembly.state.node.vni, 0u);
  ASSERT_EQ(assembly.state.services.size(), 1u);
  EXPECT_EQ(assembly.state.services.begin()->first.port, 81);
  ASSERT_EQ(assembly.warnings.size(), 1u);
  EXPECT_NE(assembly.warnings[0].find("wg0"), std::string::npos);
}

}  // namespace
}  // namespace xlb
