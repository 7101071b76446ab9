// What the view says of the node, the network and the services.
#include "swarm/view.h"

#include <gtest/gtest.h>

#include "unit/swarm/classic.h"

namespace xlb {
namespace {

using Strings = std::vector<std::string>;

Strings Names(const SwarmView& view) {
  Strings names;
  for (const Service& service : view.services) names.push_back(service.frontend.ToString() + " " + service.name);
  return names;
}

TEST(SwarmViewTest, DescribesTheNodeAndItsIngressNetwork) {
  const SwarmView view = Classic().View();
  EXPECT_EQ(view.role, "manager");
  EXPECT_EQ(view.docker_version, "20.10.24+dfsg1");
  EXPECT_EQ(view.node_id, kNode0);
  EXPECT_EQ(view.node_name, "n0");
  EXPECT_EQ(view.ingress_network, "ingress 10.0.0.0/24, VNI 4096, UDP port 4789, MTU 1450");
  EXPECT_EQ(view.vni, 4096u);
  EXPECT_EQ(view.vxlan_port, 4789);
  EXPECT_EQ(view.tunnel_mtu, 1450);
  EXPECT_EQ(view.data_path_address, Ip("192.0.2.10"));
  EXPECT_EQ(view.ingress_address, Ip("10.0.0.2"));
  EXPECT_EQ(view.sandbox_address, Ip("172.18.0.2"));
  EXPECT_EQ(view.gateway_bridge, "docker_gwbridge");
  EXPECT_EQ(view.warnings, Strings());
  EXPECT_EQ(view.pending, "");
}

TEST(SwarmViewTest, TheGatewayBridgesDeviceMayHaveAnyName) {
  Classic swarm;
  swarm.docker.gateway_network->options["com.docker.network.bridge.name"] = "swarm0";
  EXPECT_EQ(swarm.View().gateway_bridge, "swarm0");
  swarm.docker.gateway_network->options.clear();
  EXPECT_EQ(swarm.View().gateway_bridge, "br-d390428bfb42");
  swarm.docker.gateway_network.reset();
  EXPECT_EQ(swarm.View().gateway_bridge, "docker_gwbridge");
  EXPECT_TRUE(swarm.View().sandbox_address.IsUnset());
}

TEST(SwarmViewTest, AnIngressNetworkMayHaveAnyName) {
  Classic swarm;
  swarm.docker.ingress->name = "front";
  EXPECT_TRUE(swarm.View().ingress_address.IsUnset());  // "ingress-sbox" would be another network's
  auto sandbox = swarm.docker.ingress->endpoints.extract("ingress-sbox");
  sandbox.key() = "front-sbox";
  swarm.docker.ingress->endpoints.insert(std::move(sandbox));
  EXPECT_EQ(swarm.View().ingress_address, Ip("10.0.0.2"));
  EXPECT_EQ(swarm.View().ingress_network, "front 10.0.0.0/24, VNI 4096, UDP port 4789, MTU 1450");
}

TEST(SwarmViewTest, AwaitsEveryPartOfTheIngressNetworkWhileDockerdStarts) {
  EXPECT_FALSE(AwaitsIngress(Classic().View()));
  Classic no_network;
  no_network.kernel.overlay.reset();
  EXPECT_TRUE(AwaitsIngress(no_network.View()));
  // The network comes before this node's address in it.
  Classic no_address;
  no_address.docker.ingress->endpoints.erase("ingress-sbox");
  EXPECT_NE(no_address.View().vni, 0u);
  EXPECT_TRUE(AwaitsIngress(no_address.View()));
  // Without services there is nothing to keep, and a network that is Docker's alone is not awaited.
  no_address.docker.services.clear();
  EXPECT_FALSE(AwaitsIngress(no_address.View()));
  Classic encrypted;
  encrypted.docker.ingress->options["encrypted"] = "";
  EXPECT_FALSE(AwaitsIngress(encrypted.View()));
}

TEST(SwarmViewTest, MakesAServiceOfEachPublishedPort) {
  const SwarmView view = Classic().View();
  EXPECT_EQ(Names(view), (Strings{"tcp/*:8091 web:8091/tcp", "tcp/*:8092 web:8092/tcp", "udp/*:8093 web:8093/udp"}));
  for (const Service& service : view.services) {
    EXPECT_EQ(service.source, ServiceSource::kSwarm);
    EXPECT_EQ(service.scheduler, SchedulerKind::kRoundRobin);
    EXPECT_EQ(Backends(service), "web.1 active vxlan, web.2 active local");
    EXPECT_TRUE(service.unreachable.empty());
  }
  const Service service = ServiceAt(view, "udp/*:8093");
  EXPECT_EQ(service.backends[0].identity, "swarm:0cj9cn1stasnqgbfy3zgmoq4r/udp:8093");
  EXPECT_EQ(service.backends[0].node, "n1");
  EXPECT_EQ(service.backends[1].node, "n0");
  EXPECT_EQ(service.backends[1].weight, 1u);
}

TEST(SwarmViewTest, OnePortNeedsNoSuffix) {
  Classic swarm;
  swarm.web().ports.resize(1);
  EXPECT_EQ(Names(swarm.View()), Strings{"tcp/*:8091 web"});
}

TEST(SwarmViewTest, TheSamePortMayBelongToOneServiceForEachProtocol) {
  Classic swarm;
  swarm.docker.services.push_back(swarm.web());
  swarm.web().ports = {{"tcp", 53, 53, "ingress"}};
  swarm.docker.services[1].id = "other";
  swarm.docker.services[1].name = "dns";
  swarm.docker.services[1].ports = {{"udp", 5353, 53, "ingress"}};
  swarm.remote().service_id = "other";
  const SwarmView view = swarm.View();
  EXPECT_EQ(Names(view), (Strings{"tcp/*:53 web", "udp/*:53 dns"}));
  EXPECT_EQ(Backends(view.services[0]), "web.2 active local");
  EXPECT_EQ(Backends(view.services[1]), "dns.1 active vxlan");
}

TEST(SwarmViewTest, LeavesOtherPortsAlone) {
  Classic swarm;
  swarm.web().ports = {{"tcp", 80, 8091, "host"},
                       {"tcp", 81, 0, "ingress"}};  // published by the host; not allocated yet
  const SwarmView view = swarm.View();
  EXPECT_TRUE(view.services.empty());
  EXPECT_EQ(view.warnings, Strings());
}

TEST(SwarmViewTest, LeavesSctpToDockerAndSaysSo) {
  Classic swarm;
  swarm.web().ports = {{"tcp", 80, 8091, "ingress"}, {"sctp", 9000, 9000, "ingress"}};
  const SwarmView view = swarm.View();
  EXPECT_EQ(Names(view), Strings{"tcp/*:8091 web"});
  EXPECT_EQ(view.warnings, Strings{"web: sctp port 9000 is left to Docker's mesh: xlb serves TCP and UDP"});
}

TEST(SwarmViewTest, NeverServesAnEncryptedNetwork) {
  for (const char* value : {"", "true", "false"}) {  // 20.10 looks at the key alone
    Classic swarm;
    swarm.docker.ingress->options["encrypted"] = value;
    const SwarmView view = swarm.View();
    EXPECT_TRUE(view.services.empty());
    EXPECT_EQ(view.vni, 0u);
    swarm.kernel.overlay.reset();
    EXPECT_EQ(swarm.View().pending, "");  // nothing of it is needed
    ASSERT_EQ(view.warnings.size(), 1u);
    EXPECT_NE(view.warnings[0].find("is encrypted"), std::string::npos);
  }
}

TEST(SwarmViewTest, LeavesDirectServerReturnToDocker) {
  Classic swarm;
  swarm.docker.ingress->options["dsr"] = "";
  EXPECT_TRUE(swarm.View().services.empty());
  EXPECT_EQ(swarm.View().warnings.size(), 1u);
}

TEST(SwarmViewTest, NamesAGlobalServicesTasksByTheirNodes) {
  Classic swarm;
  swarm.web().global = true;
  for (SwarmTask& task : swarm.docker.tasks) task.slot = 0;
  const Service service = ServiceAt(swarm.View(), "tcp/*:8091");
  ASSERT_EQ(service.backends.size(), 2u);
  EXPECT_EQ(service.backends[0].name, std::string("web.") + kNode0);
  EXPECT_EQ(service.backends[1].name, std::string("web.") + kNode1);
}

TEST(SwarmViewTest, SortsTasksBySlotAndNotByText) {
  Classic swarm;
  swarm.local().slot = 10;
  swarm.remote().slot = 2;
  EXPECT_EQ(Backends(ServiceAt(swarm.View(), "tcp/*:8091")), "web.2 active vxlan, web.10 active local");
}

TEST(SwarmViewTest, ALabelChoosesTheScheduler) {
  Classic swarm;
  swarm.web().labels["xlb.scheduler"] = "maglev";
  EXPECT_EQ(ServiceAt(swarm.View(), "tcp/*:8091").scheduler, SchedulerKind::kMaglev);
  EXPECT_EQ(swarm.View().warnings, Strings());
  swarm.web().labels["xlb.scheduler"] = "best";
  swarm.web().ports.resize(1);
  const SwarmView view = swarm.View();
  EXPECT_EQ(view.services[0].scheduler, SchedulerKind::kRoundRobin);
  ASSERT_EQ(view.warnings.size(), 1u);
  EXPECT_EQ(view.warnings[0].find("web: label xlb.scheduler=best: "), 0u) << view.warnings[0];
}

TEST(SwarmViewTest, SaysWhatItWaitsFor) {
  Classic swarm;
  swarm.docker.ingress.reset();
  swarm.kernel.overlay.reset();
  SwarmView view = swarm.View();
  EXPECT_EQ(view.ingress_network, "none");
  EXPECT_EQ(view.pending, "the swarm has no ingress network");
  // What needs no ingress network goes on.
  EXPECT_EQ(Backends(ServiceAt(view, "tcp/*:8091")), "web.2 active local");

  swarm = Classic();
  swarm.kernel.overlay.reset();
  swarm.kernel.overlay_missing = "there is no /run/docker/netns/*-ohyl83iizl";
  view = swarm.View();
  EXPECT_EQ(view.pending, "the ingress network is not up on this node: there is no /run/docker/netns/*-ohyl83iizl");
  EXPECT_EQ(view.vni, 0u);

  swarm = Classic();
  swarm.docker.ingress->endpoints.clear();
  EXPECT_EQ(swarm.View().pending, "this node has no address in the ingress network yet");
}

TEST(SwarmViewTest, AnEmptySwarmIsNoTrouble) {
  const SwarmView view = BuildSwarmView(DockerSnapshot(), KernelSnapshot());
  EXPECT_TRUE(view.services.empty());
  EXPECT_EQ(view.vni, 0u);
}

}  // namespace
}  // namespace xlb
