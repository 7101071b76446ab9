#include "xlbd/peer_reach.h"

#include <fmt/core.h>

#include <algorithm>

#include "model/records.h"

namespace xlb {
namespace {

bool IsOnOtherNode(const Backend& backend) { return backend.reach.kind == BackendKind::kVxlan; }

}  // namespace

UidPrefix UidPrefixOf(const Backend& backend) {
  const Uid uid = BackendUid(backend.identity);
  UidPrefix prefix;
  std::copy_n(uid.begin(), prefix.size(), prefix.begin());
  return prefix;
}

std::map<Ipv4, std::set<UidPrefix>> BackendsByNode(const DesiredState& state) {
  std::map<Ipv4, std::set<UidPrefix>> nodes;
  for (const auto& [frontend, service] : state.services) {
    for (const Backend& backend : service.backends) {
      if (IsOnOtherNode(backend)) nodes[backend.reach.tunnel_dst].insert(UidPrefixOf(backend));
    }
  }
  return nodes;
}

namespace {

// What of the backend depends on its node.
struct ByNode {
  BackendState state;
  bool peer;
  bool operator==(const ByNode&) const = default;
};

ByNode WhatPeersSay(const PeerTracker& tracker, const WasPeer& was_peer, const Backend& backend) {
  const Ipv4 node = backend.reach.tunnel_dst;
  switch (tracker.State(node)) {
    case PeerState::kPlain:
      return {backend.state, false};
    case PeerState::kUp:
      return {backend.state, tracker.Delivers(node, UidPrefixOf(backend)).value_or(was_peer(backend.identity))};
    case PeerState::kSilent:
      return {BackendState::kDown, was_peer(backend.identity)};
    case PeerState::kUnknown:
      break;
  }
  return {backend.state, was_peer(backend.identity)};
}

}  // namespace

void ApplyPeers(const PeerTracker& tracker, const WasPeer& was_peer, DesiredState& state) {
  for (auto& [frontend, service] : state.services) {
    const SharedVector<Backend> backends = service.backends;  // shared with others' states where nothing is written
    for (size_t i = 0; i < backends.size(); ++i) {
      const Backend& backend = backends[i];
      if (!IsOnOtherNode(backend)) continue;
      const ByNode said = WhatPeersSay(tracker, was_peer, backend);
      if (said == ByNode{backend.state, backend.reach.peer}) continue;
      service.backends[i].state = said.state;
      service.backends[i].reach.peer = said.peer;
    }
  }
}

std::string WhyNotPeer(const PeerTracker& tracker, const Service& service, const Backend& backend) {
  if (service.snat && backend.state != BackendState::kDown) return "the service asks for it: xlb.source-ip=snat";
  if (!IsOnOtherNode(backend)) return {};
  const Ipv4 address = backend.reach.tunnel_dst;
  const std::string node = backend.node.empty() ? address.ToString() : backend.node;
  switch (tracker.State(address)) {
    case PeerState::kSilent:
      return fmt::format("xlb on {} does not answer", node);
    case PeerState::kUnknown:
      return backend.reach.peer ? "" : fmt::format("xlb on {} has not answered yet", node);
    case PeerState::kPlain:
      if (const uint16_t version = tracker.Version(address); version != 0 && version != XLB_HELLO_VERSION) {
        return fmt::format("xlb on {} speaks version {} between nodes, this one {}", node, version, XLB_HELLO_VERSION);
      }
      return fmt::format("no xlb on {}", node);
    case PeerState::kUp:
      return backend.reach.peer ? "" : fmt::format("xlb on {} has no way to it by docker_gwbridge", node);
  }
  return {};
}

}  // namespace xlb
