#include "model/records.h"

#include <arpa/inet.h>
#include <openssl/sha.h>

#include <algorithm>
#include <bit>

#include "model/cover.h"

namespace xlb {
namespace {

uint8_t KindRecord(BackendKind kind) {
  switch (kind) {
    case BackendKind::kRoute:
      return XLB_KIND_ROUTE;
    case BackendKind::kVxlan:
      return XLB_KIND_VXLAN;
    case BackendKind::kLocal:
      return XLB_KIND_LOCAL;
  }
  return XLB_KIND_NONE;
}

uint8_t StateRecord(BackendState state) {
  switch (state) {
    case BackendState::kActive:
      return XLB_BACKEND_ACTIVE;
    case BackendState::kDraining:
      return XLB_BACKEND_DRAINING;
    case BackendState::kDown:
      return XLB_BACKEND_DOWN;
  }
  return XLB_BACKEND_DOWN;
}

uint32_t VniRecord(uint32_t vni) { return htonl(vni << 8); }

uint32_t MaskOf(const Ipv4Prefix& prefix) { return ~(prefix.Last() - prefix.First()); }

}  // namespace

size_t UidHash::operator()(const Uid& uid) const {
  size_t hash;  // the uid is a hash already
  std::memcpy(&hash, uid.data(), sizeof(hash));
  return hash;
}

Uid BackendUid(const std::string& identity) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(identity.data()), identity.size(), digest);
  Uid uid;
  std::copy_n(digest, uid.size(), uid.begin());
  return uid;
}

Uid UidOf(const xlb_backend& record) {
  Uid uid;
  std::copy_n(record.uid, uid.size(), uid.begin());
  return uid;
}

xlb_flow_key FlowKey(uint8_t protocol, Endpoint source, Endpoint destination, xlb_zone zone) {
  xlb_flow_key key{};
  key.saddr = source.address.be;
  key.daddr = destination.address.be;
  key.sport = htons(source.port);
  key.dport = htons(destination.port);
  key.proto = protocol;
  key.zone = static_cast<uint8_t>(zone);
  return key;
}

xlb_service_key ServiceKey(const Frontend& frontend) {
  xlb_service_key key{};
  key.addr = frontend.address.be;
  key.port = htons(frontend.port);
  key.proto = static_cast<uint8_t>(frontend.protocol);
  return key;
}

Frontend FrontendOf(const xlb_service_key& key) {
  return Frontend{static_cast<Protocol>(key.proto), Ipv4{key.addr}, ntohs(key.port)};
}

// Members that do not count for the kind stay 0, so that a change of them is no change.
xlb_backend BackendRecord(const Backend& backend, const Uid& uid, uint32_t generation, uint32_t service_id) {
  const Reach& reach = backend.reach;
  xlb_backend record{};
  std::copy(uid.begin(), uid.end(), record.uid);
  record.generation = generation;
  record.kind = KindRecord(reach.kind);
  record.state = StateRecord(backend.state);
  record.port = htons(reach.port);
  record.addr = reach.address.be;
  record.snat_addr = reach.snat_address.be;
  record.service = service_id;
  record.weight = static_cast<uint16_t>(std::min(backend.weight, kMaxWeight));
  if (reach.kind == BackendKind::kVxlan) {
    record.tunnel_dst = reach.tunnel_dst.be;
    record.tunnel_src = reach.tunnel_src.be;
    record.vni = VniRecord(reach.vni);
    if (reach.peer) record.flags = reach.direct ? XLB_BACKEND_PEER | XLB_BACKEND_DIRECT : XLB_BACKEND_PEER;
  }
  if (reach.kind == BackendKind::kLocal) record.ifindex = reach.ifindex;
  if (reach.kind != BackendKind::kRoute) {
    std::copy(reach.dst_mac.bytes.begin(), reach.dst_mac.bytes.end(), record.dmac);
    std::copy(reach.src_mac.bytes.begin(), reach.src_mac.bytes.end(), record.smac);
  }
  return record;
}

xlb_backend GoneRecord(uint32_t generation) {
  xlb_backend record{};
  record.state = XLB_BACKEND_GONE;
  record.generation = generation;
  return record;
}

xlb_service ServiceRecord(const Service& service, uint16_t source_list) {
  xlb_service record{};
  record.pick = static_cast<uint8_t>(PickOf(service.scheduler));
  if (service.handling == Handling::kLeave) record.flags = XLB_SERVICE_LEFT;
  if (service.handling == Handling::kClose) record.flags = XLB_SERVICE_CLOSED;
  if (service.snat) record.flags |= XLB_SERVICE_SNAT;
  if (service.prefer_local) record.flags |= XLB_SERVICE_OWN_CHOICE;
  record.affinity = static_cast<uint32_t>(service.affinity.count());  // a tick is about a second
  record.sources = source_list;
  return record;
}

xlb_source_key SourceKey(uint32_t list, const Ipv4Prefix& prefix) {
  xlb_source_key key{};
  key.prefix_length = 32u + prefix.length;
  key.list = list;
  key.addr = prefix.address.be;
  return key;
}

Ipv4Prefix PrefixOf(const xlb_source_key& key) {
  return {Ipv4{key.addr}, static_cast<uint8_t>(key.prefix_length - 32)};
}

std::set<Ipv4Prefix> TaskNetworksOf(const xlb_node& node) {
  std::set<Ipv4Prefix> networks;
  for (const xlb_network& network : node.task_networks) {
    if (network.mask == 0) continue;
    networks.insert(Ipv4Prefix{Ipv4{network.addr}, static_cast<uint8_t>(std::popcount(network.mask))});
  }
  return networks;
}

xlb_node NodeRecord(const NodeFacts& facts, uint32_t epoch) {
  xlb_node record{};
  record.schema = XLB_SCHEMA;
  record.epoch = epoch;
  record.vni = VniRecord(facts.vni);
  record.vxlan_port = htons(facts.vxlan_port);
  record.tunnel_mtu = facts.tunnel_mtu;
  record.new_flow_limit = facts.new_flow_limit;
  record.tick_shift = facts.tick_shift;
  record.max_frame = facts.max_frame;
  record.bridge_addr = facts.bridge_address.be;
  record.sandbox_addr = facts.sandbox_address.be;
  size_t count = 0;
  for (const Ipv4Prefix& network : Cover(facts.task_networks, XLB_TASK_NETWORKS)) {
    record.task_networks[count++] = xlb_network{network.address.be, htonl(MaskOf(network))};
  }
  return record;
}

bool FlowsMustLookAgain(const xlb_backend& before, const xlb_backend& after, Protocol protocol) {
  const bool drains = after.state == XLB_BACKEND_DRAINING && before.state == XLB_BACKEND_ACTIVE;
  if (drains && protocol == Protocol::kUdp) return true;
  if (after.state == XLB_BACKEND_DOWN && before.state != XLB_BACKEND_DOWN) return true;
  xlb_backend with_new_state = before;
  with_new_state.state = after.state;
  with_new_state.weight = after.weight;
  // Flows that go by another source live on when their clients' own may be shown; the other way round, they end.
  if (!(before.flags & XLB_BACKEND_PEER)) with_new_state.flags = after.flags;
  // True as well for a slot that is free now: nothing of the backend is left in it.
  return !SameRecord(with_new_state, after);
}

bool FlowsMustLookAgain(const xlb_service* before, const xlb_service& after) {
  const xlb_service none{};
  if (before == nullptr) before = &none;
  return before->sources != after.sources || (before->flags & XLB_SERVICE_CLOSED) != (after.flags & XLB_SERVICE_CLOSED);
}

uint32_t NextNonZero(uint32_t value) { return value + 1 == 0 ? 1 : value + 1; }

}  // namespace xlb
