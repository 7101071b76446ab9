#include "xlbd/tunnel_neighbors.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

namespace xlb {
namespace {

xlb_backend Remote(const char* task, uint32_t vni) {
  xlb_backend backend{};
  backend.kind = XLB_KIND_VXLAN;
  backend.state = XLB_BACKEND_ACTIVE;
  backend.addr = inet_addr(task);
  backend.snat_addr = inet_addr("10.0.0.4");
  backend.tunnel_dst = inet_addr("192.0.2.10");
  backend.tunnel_src = inet_addr("192.0.2.12");
  backend.vni = htonl(vni << 8);
  backend.dmac[5] = 7;
  backend.smac[5] = 4;
  return backend;
}

TEST(TunnelNeighborsTest, OneForEachRemoteTask) {
  MapContents maps;
  maps.node.vni = htonl(4096 << 8);
  maps.backends[1] = Remote("10.0.0.7", 4096);
  maps.backends[2] = Remote("10.0.0.7", 4096);  // another of its ports
  maps.backends[2].port = htons(8092);
  maps.backends[3] = Remote("10.0.0.8", 4096);
  maps.backends[3].state = XLB_BACKEND_DRAINING;
  maps.backends[4] = Remote("172.18.0.3", 4096);
  maps.backends[4].kind = XLB_KIND_LOCAL;
  const std::set<TunnelNeighbor> neighbors = TunnelNeighborsOf(maps);
  ASSERT_EQ(neighbors.size(), 2u);
  const TunnelNeighbor& first = *neighbors.begin();
  EXPECT_EQ(first.task.ToString(), "10.0.0.7");
  EXPECT_EQ(first.task_mac.ToString(), "00:00:00:00:00:07");
  EXPECT_EQ(first.own.ToString(), "10.0.0.4");
  EXPECT_EQ(first.own_mac.ToString(), "00:00:00:00:00:04");
  EXPECT_EQ(first.tunnel_dst.ToString(), "192.0.2.10");
  EXPECT_EQ(first.tunnel_src.ToString(), "192.0.2.12");
  EXPECT_EQ(first.vni, 4096u);
}

TEST(TunnelNeighborsTest, NoneOfANetworkThatIsLeftToDocker) {
  MapContents maps;
  maps.node.vni = htonl(4097 << 8);
  maps.backends[1] = Remote("10.0.0.7", 4096);
  EXPECT_TRUE(TunnelNeighborsOf(maps).empty());
  maps.node.vni = 0;
  maps.backends[1].vni = 0;
  EXPECT_TRUE(TunnelNeighborsOf(maps).empty());
}

}  // namespace
}  // namespace xlb
