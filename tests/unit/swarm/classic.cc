#include "unit/swarm/classic.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <linux/neighbour.h>

#include "base/file.h"
#include "docker/readers.h"

namespace xlb {
namespace {

boost::json::value Fixture(const std::string& name) { return ParseJson(FixtureText(name)).value(); }

Link MakeLink(uint32_t ifindex, const char* name, const char* mac, const char* kind, uint32_t peer, uint32_t master) {
  Link link;
  link.ifindex = ifindex;
  link.name = name;
  link.mac = MacOf(mac);
  link.up = true;
  link.kind = kind;
  link.link_index = peer;
  link.master = master;
  return link;
}

}  // namespace

Ipv4 Ip(const char* text) { return Ipv4::Parse(text).value(); }
Mac MacOf(const char* text) { return Mac::Parse(text).value(); }

std::string FixtureText(const std::string& name) {
  return ReadFile(std::string(XLB_FIXTURES) + "/swarm/" + name + ".json").value();
}

Classic::Classic() {
  docker.info = ReadInfo(Fixture("info"));
  docker.ingress = ReadNetwork(Fixture("ingress"));
  docker.gateway_network = ReadNetwork(Fixture("gateway"));
  docker.services = ReadServices(Fixture("services"));
  docker.tasks = ReadTasks(Fixture("tasks"));
  docker.nodes = ReadNodes(Fixture("nodes"));
  // As read by netlink at the same moment.
  kernel.links = {
      MakeLink(2, "eth0", "ea:7c:b9:07:fc:5e", "veth", 5, 0),
      MakeLink(8, "docker_gwbridge", "02:42:28:b5:da:12", "bridge", 0, 0),
      MakeLink(10, "veth0b0b638", "02:46:ba:5e:2c:ce", "veth", 9, 8),
      MakeLink(17, "vethb947480", "86:20:8f:8a:0f:4a", "veth", 16, 8),
  };
  OverlayNetns overlay;
  overlay.mtu = 1450;
  overlay.vxlan = VxlanInfo{4096, 4789, Ipv4{}};
  for (const auto& [number, node] :
       {std::pair(3, "192.0.2.11"), std::pair(4, "192.0.2.12"), std::pair(6, "192.0.2.11")}) {
    const Ipv4 address = Ip(fmt::format("10.0.0.{}", number).c_str());
    overlay.neighbors[address] = Mac::FromOverlayAddress(address);
    overlay.fdb[Mac::FromOverlayAddress(address)] = Ip(node);
  }
  kernel.overlay = overlay;
  kernel.route_sources = {{Ip("192.0.2.11"), Ip("192.0.2.10")}, {Ip("192.0.2.12"), Ip("192.0.2.10")}};
  TaskNetns task;
  task.links = {
      MakeLink(14, "eth0", "02:42:0a:00:00:07", "veth", 15, 0),
      MakeLink(16, "eth2", "02:42:ac:12:00:03", "veth", 17, 0),
      MakeLink(18, "eth1", "02:42:0a:00:01:04", "veth", 19, 0),
  };
  task.default_routes = {Route{RouteType::kUnicast, 16, Ip("172.18.0.1"), Ipv4{}, 0}};
  kernel.tasks[kSandbox] = task;
}

Link& Classic::HostLink(uint32_t ifindex) {
  for (Link& link : kernel.links) {
    if (link.ifindex == ifindex) return link;
  }
  return kernel.links.emplace_back();
}

Service ServiceAt(const SwarmView& view, const char* frontend) {
  for (const Service& service : view.services) {
    if (service.frontend.ToString() == frontend) return service;
  }
  ADD_FAILURE() << "no service at " << frontend;
  return Service();
}

std::string Backends(const Service& service) {
  std::string text;
  for (const Backend& backend : service.backends) {
    text += fmt::format("{}{} {} {}", text.empty() ? "" : ", ", backend.name, ToString(backend.state),
                        ToString(backend.reach.kind));
  }
  return text;
}

}  // namespace xlb
