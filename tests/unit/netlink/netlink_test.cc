// What any network namespace answers, without rights.
#include "netlink/netlink.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>

#include "netlink/monitor.h"

namespace xlb {
namespace {

TEST(NetlinkTest, KnowsTheLoopbackDevice) {
  auto netlink = Netlink::Open();
  ASSERT_TRUE(netlink.ok()) << netlink.status();
  const auto links = netlink->Links();
  ASSERT_TRUE(links.ok()) << links.status();
  const auto lo = std::find_if(links->begin(), links->end(), [](const Link& link) { return link.name == "lo"; });
  ASSERT_NE(lo, links->end());
  EXPECT_EQ(lo->kind, "");
  EXPECT_GT(lo->mtu, 0u);
  // The table of another device is not mixed in.
  const auto neighbors = netlink->Neighbors(lo->ifindex);
  ASSERT_TRUE(neighbors.ok()) << neighbors.status();
  for (const Neighbor& neighbor : *neighbors) EXPECT_EQ(neighbor.ifindex, lo->ifindex);
  EXPECT_TRUE(netlink->BridgeFdb(lo->ifindex).ok());
  EXPECT_TRUE(netlink->Addresses().ok());
  EXPECT_TRUE(netlink->DefaultRoutes().ok());
}

TEST(NetlinkTest, AnErrorDoesNotSpoilTheNextQuestion) {
  auto netlink = Netlink::Open();
  ASSERT_TRUE(netlink.ok()) << netlink.status();
  constexpr uint32_t kNoSuchDevice = 999999;
  (void)netlink->BridgeFdb(kNoSuchDevice);
  (void)netlink->Neighbors(kNoSuchDevice);
  for (int i = 0; i < 3; ++i) {
    const auto links = netlink->Links();
    ASSERT_TRUE(links.ok()) << links.status();
    EXPECT_FALSE(links->empty());
  }
}

TEST(NetlinkTest, NamesANamespaceThatIsNotThere) {
  const auto netlink = Netlink::OpenIn("/run/netns/no-such-namespace");
  ASSERT_TRUE(absl::IsNotFound(netlink.status())) << netlink.status();
  EXPECT_NE(netlink.status().message().find("/run/netns/no-such-namespace"), std::string::npos);
}

TEST(NetlinkMonitorTest, MayBeStoppedAndDroppedAtAnyTime) {
  boost::asio::io_context loop;
  for (const bool stop_first : {false, true}) {
    auto monitor = NetlinkMonitor::Open(loop.get_executor(), [](uint32_t) {});
    ASSERT_TRUE(monitor.ok()) << monitor.status();
    loop.poll();
    if (stop_first) monitor->Stop();
  }
  loop.restart();
  loop.run();  // ends: nothing of them is left
}

}  // namespace
}  // namespace xlb
