#include "netlink/roles.h"

#include <gtest/gtest.h>

namespace xlb {
namespace {

constexpr char kGateway[] = "docker_gwbridge";

Link Device(uint32_t ifindex, const char* name, const char* kind, uint32_t master = 0) {
  Link link;
  link.ifindex = ifindex;
  link.name = name;
  link.kind = kind;
  link.master = master;
  link.up = link.ethernet = true;
  return link;
}

Links Node() {
  Links links;
  const auto add = [&links](Link link) { links.emplace(link.ifindex, std::move(link)); };
  Link lo = Device(1, "lo", "");
  lo.loopback = true;
  lo.ethernet = false;
  add(lo);
  add(Device(2, "eth0", ""));
  add(Device(3, "docker0", "bridge"));
  add(Device(4, "docker_gwbridge", "bridge"));
  add(Device(5, "br-0a1b2c3d4e5f", "bridge"));
  add(Device(6, "virbr0", "bridge"));
  add(Device(11, "vetha", "veth", 3));
  add(Device(12, "vethb", "veth", 4));
  add(Device(13, "vethc", "veth", 5));
  add(Device(14, "vethd", "veth", 6));  // a container of another engine's
  add(Device(15, "vethe", "veth"));
  add(Device(16, "vnet0", "tun", 4));  // somebody put a virtual machine there
  return links;
}

std::set<uint32_t> Clients(const Links& links, const std::vector<uint32_t>& with_address) {
  std::vector<Address> addresses;
  for (const uint32_t ifindex : with_address) {
    addresses.push_back({.ifindex = ifindex, .address = {}, .prefix_length = 24, .global = true});
  }
  return ClientDevices(links, addresses, kGateway);
}

TEST(RolesTest, BridgesOfDocker) {
  for (const char* name : {"docker0", "docker_gwbridge", "br-0123456789ab"}) {
    EXPECT_TRUE(IsDockerBridge(Device(9, name, "bridge"), kGateway)) << name;
  }
  for (const char* name :
       {"br0", "br-lan", "br-0123456789a", "br-0123456789abc", "br-0123456789aX", "virbr0", "docker1"}) {
    EXPECT_FALSE(IsDockerBridge(Device(9, name, "bridge"), kGateway)) << name;
  }
  EXPECT_FALSE(IsDockerBridge(Device(9, "docker0", "dummy"), kGateway));
  EXPECT_TRUE(IsDockerBridge(Device(9, "swarm0", "bridge"), "swarm0")) << "docker_gwbridge by another name";
}

TEST(RolesTest, ContainersAreThePortsOfDockersBridgesAlone) {
  EXPECT_EQ(ContainerVeths(Node(), kGateway), (std::set<uint32_t>{11, 12, 13}));
}

TEST(RolesTest, AVethWhoseBridgeIsNotKnownIsNoContainers) {
  Links links = Node();
  links.erase(3);
  EXPECT_EQ(ContainerVeths(links, kGateway), (std::set<uint32_t>{12, 13}));
}

TEST(RolesTest, TheNodeItselfSendsByLoAndTheGatewayBridge) {
  EXPECT_EQ(HostOutputs(Node(), kGateway), (std::set<uint32_t>{1, 4}));
  EXPECT_EQ(HostOutputs(Node(), "elsewhere"), (std::set<uint32_t>{1}));
}

TEST(RolesTest, ClientsComeByEthernetDevicesWithAddresses) {
  EXPECT_EQ(Clients(Node(), {1, 2, 3, 4, 5, 6, 15}), (std::set<uint32_t>{2, 6, 15}));
  EXPECT_EQ(Clients(Node(), {}), std::set<uint32_t>{});
  EXPECT_EQ(Clients(Node(), {99}), std::set<uint32_t>{}) << "a device that has just gone";
}

TEST(RolesTest, NotByDevicesThatAreDownOrAreNoWayIn) {
  Links links = Node();
  links.at(2).up = false;
  EXPECT_EQ(Clients(links, {2}), std::set<uint32_t>{});
  for (const char* kind : {"vxlan", "geneve", "dummy", "ifb"}) {
    links.at(2) = Device(2, "eth0", kind);
    EXPECT_EQ(Clients(links, {2}), std::set<uint32_t>{}) << kind;
  }
  for (const char* kind : {"", "vlan", "bond", "macvlan", "bridge"}) {
    links.at(2) = Device(2, "eth0", kind);
    EXPECT_EQ(Clients(links, {2}), std::set<uint32_t>{2}) << kind;
  }
  links.at(2).ethernet = false;  // PPP, WireGuard
  EXPECT_EQ(Clients(links, {2}), std::set<uint32_t>{});
}

TEST(RolesTest, AnAddressOfTheLinkAloneMakesNoWayIn) {
  EXPECT_EQ(ClientDevices(Node(), {{.ifindex = 2, .address = {}, .prefix_length = 16, .global = false}}, kGateway),
            std::set<uint32_t>{});
}

}  // namespace
}  // namespace xlb
