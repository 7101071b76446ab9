// How packets get to a task, and why they cannot.
#include "swarm/reach.h"

#include <gtest/gtest.h>

#include "unit/swarm/classic.h"

namespace xlb {
namespace {

Service Web(const Classic& swarm) { return ServiceAt(swarm.View(), "tcp/*:8091"); }

Reach RemoteReach(const Classic& swarm) {
  const Service service = Web(swarm);
  if (service.backends.empty() || service.backends[0].reach.kind != BackendKind::kVxlan) {
    ADD_FAILURE() << "web.1 is not reached by vxlan: " << Backends(service);
    return Reach();
  }
  return service.backends[0].reach;
}

// Why task 2 is not reached.
std::string LocalReason(const Classic& swarm) {
  const Service service = Web(swarm);
  EXPECT_EQ(Backends(service), "web.1 active vxlan");
  if (service.unreachable.size() != 1 || service.unreachable[0].first != "web.2") return "";
  return service.unreachable[0].second;
}

TEST(LocalReachTest, GoesByTheLegOnTheGatewayBridge) {
  const Reach reach = Web(Classic()).backends[1].reach;
  EXPECT_EQ(reach.kind, BackendKind::kLocal);
  EXPECT_EQ(reach.address, Ip("172.18.0.3"));
  EXPECT_EQ(reach.port, 80);  // the target port: the task's own port mapping is for the ingress network alone
  EXPECT_TRUE(reach.snat_address.IsUnset());
  EXPECT_EQ(reach.ifindex, 17u);
  EXPECT_EQ(reach.dst_mac, MacOf("02:42:ac:12:00:03"));
  EXPECT_EQ(reach.src_mac, MacOf("02:42:28:b5:da:12"));
}

TEST(LocalReachTest, TheTasksOtherNetworksAreKnown) {
  Classic swarm;
  swarm.local_netns().addresses = {
      {1, Ip("127.0.0.1"), 8}, {14, Ip("10.0.0.7"), 24}, {16, Ip("172.18.0.3"), 16}, {18, Ip("10.0.1.4"), 25}};
  EXPECT_EQ(swarm.View().task_networks, (std::set<Ipv4Prefix>{{Ip("10.0.0.0"), 24}, {Ip("10.0.1.0"), 25}}));
  // Without a way out it is no backend.
  swarm.local_netns().default_routes.clear();
  EXPECT_TRUE(swarm.View().task_networks.empty());
}

TEST(LocalReachTest, NeedsALeg) {
  Classic swarm;
  swarm.docker.gateway_network->endpoints.erase(swarm.local().container_id);
  EXPECT_EQ(LocalReason(swarm), "it has no leg on docker_gwbridge by which packets could reach it");
  EXPECT_EQ(swarm.View().pending, "");  // a task of an internal network never gets one
  swarm.docker.gateway_network.reset();
  EXPECT_EQ(LocalReason(swarm), "this node has no network docker_gwbridge");
}

TEST(LocalReachTest, NeedsTheDefaultRouteOnIt) {
  Classic swarm;
  swarm.local_netns().default_routes[0].ifindex = 18;
  EXPECT_EQ(LocalReason(swarm), "its default route does not lead to docker_gwbridge: replies would get lost");
  // The best route decides.
  swarm.local_netns().default_routes.push_back(Route{RouteType::kUnicast, 16, Ip("172.18.0.1"), Ipv4{}, 100});
  EXPECT_NE(LocalReason(swarm), "");
  swarm.local_netns().default_routes.clear();
  EXPECT_NE(LocalReason(swarm), "");
}

TEST(LocalReachTest, WaitsForANamespace) {
  Classic swarm;
  swarm.kernel.tasks.clear();
  EXPECT_EQ(LocalReason(swarm), "its network namespace 28ceb29e740d cannot be read");
  EXPECT_EQ(swarm.View().pending, "web.2: its network namespace 28ceb29e740d cannot be read");
}

TEST(LocalReachTest, WaitsForADevice) {
  Classic swarm;
  swarm.local_netns().links[1].mac = MacOf("02:42:ac:12:00:09");
  EXPECT_NE(LocalReason(swarm).find("no device of its network namespace has the address 02:42:ac:12:00:03"),
            std::string::npos);
}

TEST(LocalReachTest, AVethThatWentLeavesAtOnce) {
  Classic swarm;
  std::erase_if(swarm.kernel.links, [](const Link& link) { return link.ifindex == 17; });
  EXPECT_EQ(LocalReason(swarm), "the host's end of its leg on docker_gwbridge is gone");
}

TEST(LocalReachTest, AnotherDeviceWithTheSameNumberIsNotIt) {
  Classic swarm;
  swarm.HostLink(17).link_index = 99;
  EXPECT_EQ(LocalReason(swarm), "the host's end of its leg on docker_gwbridge is gone");
  swarm = Classic();
  swarm.HostLink(17).kind = "vlan";
  EXPECT_EQ(LocalReason(swarm), "the host's end of its leg on docker_gwbridge is gone");
}

TEST(LocalReachTest, AVethOffTheBridgeIsNotReached) {
  Classic swarm;
  swarm.HostLink(17).master = 0;
  EXPECT_EQ(LocalReason(swarm), "the host's end of its leg on docker_gwbridge is not on the bridge");
}

TEST(SandboxOfTest, TakesAFileNameAndNothingElse) {
  EXPECT_EQ(SandboxOf({"gateway_28ceb29e740d", {}, {}}), "28ceb29e740d");
  for (const char* name : {"", "web.1", "gateway_", "gateway_../../etc"})
    EXPECT_EQ(SandboxOf({name, {}, {}}), "") << name;
}

TEST(RemoteReachTest, GoesThroughTheIngressNetwork) {
  const Reach reach = RemoteReach(Classic());
  EXPECT_EQ(reach.address, Ip("10.0.0.6"));
  EXPECT_EQ(reach.port, 0);  // the published one
  EXPECT_EQ(reach.snat_address, Ip("10.0.0.2"));
  EXPECT_EQ(reach.src_mac, MacOf("02:42:0a:00:00:02"));
  EXPECT_EQ(reach.dst_mac, MacOf("02:42:0a:00:00:06"));
  EXPECT_EQ(reach.tunnel_dst, Ip("192.0.2.11"));
  EXPECT_EQ(reach.tunnel_src, Ip("192.0.2.10"));
  EXPECT_EQ(reach.vni, 4096u);
}

TEST(RemoteReachTest, TakesTheKernelsMacOrComputesIt) {
  Classic swarm;
  swarm.kernel.overlay->neighbors[Ip("10.0.0.6")] = MacOf("02:00:00:00:00:99");
  EXPECT_EQ(RemoteReach(swarm).dst_mac, MacOf("02:00:00:00:00:99"));
  swarm.kernel.overlay->neighbors.clear();
  swarm.kernel.overlay->fdb.clear();
  EXPECT_EQ(RemoteReach(swarm).dst_mac, MacOf("02:42:0a:00:00:06"));
  EXPECT_EQ(RemoteReach(swarm).tunnel_dst, Ip("192.0.2.11"));  // the node's address
}

// `swarm init --data-path-addr 198.51.100.10`, as a real one showed it: the API tells the advertised addresses alone.
TEST(RemoteReachTest, PrefersTheDataPathAddress) {
  Classic swarm;
  for (auto& [mac, destination] : swarm.kernel.overlay->fdb) destination = Ip("198.51.100.11");
  swarm.kernel.overlay->fdb[MacOf("02:42:0a:00:00:06")] = Ip("198.51.100.11");  // no node's advertised one
  swarm.kernel.route_sources[Ip("198.51.100.11")] = Ip("198.51.100.10");
  EXPECT_EQ(RemoteReach(swarm).tunnel_dst, Ip("198.51.100.11"));
  EXPECT_EQ(RemoteReach(swarm).tunnel_src, Ip("198.51.100.10"));
  EXPECT_EQ(swarm.View().data_path_address, Ip("198.51.100.10"));
}

// An address of the ingress network that has just moved from n2 to n1.
TEST(RemoteReachTest, DistrustsAStaleEntry) {
  Classic swarm;
  swarm.kernel.overlay->fdb[MacOf("02:42:0a:00:00:06")] = Ip("192.0.2.12");
  EXPECT_EQ(RemoteReach(swarm).tunnel_dst, Ip("192.0.2.11"));
}

TEST(RemoteReachTest, TakesTheDevicesOwnAddress) {
  Classic swarm;
  swarm.kernel.overlay->vxlan.local = Ip("192.0.2.20");  // from Docker 25 on
  EXPECT_EQ(RemoteReach(swarm).tunnel_src, Ip("192.0.2.20"));
  EXPECT_EQ(swarm.View().data_path_address, Ip("192.0.2.20"));
  swarm.kernel.overlay->vxlan.local = Ipv4{};
  swarm.kernel.route_sources.clear();
  EXPECT_EQ(RemoteReach(swarm).tunnel_src, Ip("192.0.2.10"));  // the advertised one
}

std::string RemoteReason(const Classic& swarm) {
  const Service service = Web(swarm);
  EXPECT_EQ(Backends(service), "web.2 active local");
  return service.unreachable.size() == 1 ? service.unreachable[0].second : "";
}

TEST(RemoteReachTest, NeedsTheIngressNetwork) {
  Classic swarm;
  swarm.kernel.overlay.reset();
  EXPECT_EQ(RemoteReason(swarm), "the ingress network is not up on this node");
  swarm = Classic();
  swarm.docker.ingress->endpoints.erase("ingress-sbox");
  EXPECT_EQ(RemoteReason(swarm), "the ingress network is not up on this node");
}

TEST(RemoteReachTest, NeedsTheTasksAddress) {
  Classic swarm;
  swarm.remote().networks.erase(swarm.remote().networks.begin());  // only the other overlay is left
  EXPECT_EQ(RemoteReason(swarm), "it has no address in the ingress network");
}

TEST(RemoteReachTest, NeedsTheNodesAddress) {
  Classic swarm;
  swarm.kernel.overlay->fdb.clear();
  swarm.docker.nodes.clear();
  EXPECT_EQ(RemoteReason(swarm), std::string("the address of its node ") + kNode1 + " is not known");
}

}  // namespace
}  // namespace xlb
