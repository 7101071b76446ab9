// A real swarm of three managers at one moment, seen from n0: the service `web` has task 1 on n1 and task 2 on n0, and
// publishes tcp 8091 -> 80, tcp 8092 -> 7000 and udp 8093 -> 5353. Tests change what they are about.
#ifndef XLB_TESTS_UNIT_SWARM_CLASSIC_H_
#define XLB_TESTS_UNIT_SWARM_CLASSIC_H_

#include <string>

#include "swarm/snapshot.h"
#include "swarm/view.h"

namespace xlb {

inline constexpr char kNode0[] = "x9sipksxwwr1q7xg1g7xle69p";
inline constexpr char kNode1[] = "y5uwdcvv39d47fv6criklosof";
inline constexpr char kNode2[] = "yk59ax55y88qjmeilgz2tqg2y";
inline constexpr char kSandbox[] = "28ceb29e740d";  // of task 2

Ipv4 Ip(const char* text);
Mac MacOf(const char* text);
std::string FixtureText(const std::string& name);

struct Classic {
  Classic();
  SwarmView View() const { return BuildSwarmView(docker, kernel); }
  SwarmTask& remote() { return docker.tasks[0]; }
  SwarmTask& local() { return docker.tasks[1]; }
  SwarmService& web() { return docker.services[0]; }
  TaskNetns& local_netns() { return kernel.tasks[kSandbox]; }
  Link& HostLink(uint32_t ifindex);

  DockerSnapshot docker;
  KernelSnapshot kernel;
};

// The service on this frontend ("tcp/*:8091"); the test fails, and an empty one is returned, when there is none.
Service ServiceAt(const SwarmView& view, const char* frontend);
// "web.1 active vxlan, web.2 draining local"
std::string Backends(const Service& service);

}  // namespace xlb

#endif  // XLB_TESTS_UNIT_SWARM_CLASSIC_H_
