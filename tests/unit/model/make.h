// Short ways to write desired states in tests.
#ifndef XLB_TESTS_UNIT_MODEL_MAKE_H_
#define XLB_TESTS_UNIT_MODEL_MAKE_H_

#include <string>
#include <string_view>
#include <vector>

#include "model/desired_state.h"

namespace xlb::make {

inline Frontend At(std::string_view text) { return *Frontend::Parse(text); }
inline Ipv4 Ip(std::string_view text) { return *Ipv4::Parse(text); }

// A routed backend on 10.1.0.5:8080 with this identity.
inline Backend Routed(std::string identity) {
  Backend backend;
  backend.identity = backend.name = std::move(identity);
  backend.reach.address = Ip("10.1.0.5");
  backend.reach.port = 8080;
  backend.reach.snat_address = Ip("192.0.2.1");
  return backend;
}

inline Service Of(std::string_view frontend, std::vector<std::string> identities) {
  Service service;
  service.frontend = At(frontend);
  service.name = std::string(frontend);
  for (std::string& identity : identities) service.backends.push_back(Routed(std::move(identity)));
  return service;
}

inline DesiredState State(std::vector<Service> services) {
  DesiredState state;
  state.node.addresses = {Ip("192.0.2.1")};
  state.node.vni = 4096;
  state.node.vxlan_port = 4789;
  state.node.tunnel_mtu = 1450;
  for (Service& service : services) {
    const Frontend frontend = service.frontend;
    state.services[frontend] = std::move(service);
  }
  return state;
}

}  // namespace xlb::make

#endif  // XLB_TESTS_UNIT_MODEL_MAKE_H_
