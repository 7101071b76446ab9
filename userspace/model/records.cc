#include "model/records.h"

#include <arpa/inet.h>
#include <openssl/sha.h>

#include <algorithm>

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
  if (reach.kind == BackendKind::kVxlan) {
    record.tunnel_dst = reach.tunnel_dst.be;
    record.tunnel_src = reach.tunnel_src.be;
    record.vni = VniRecord(reach.vni);
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
  return record;
}

bool FlowsMustLookAgain(const xlb_backend& before, const xlb_backend& after) {
  if (after.state == XLB_BACKEND_DOWN && before.state != XLB_BACKEND_DOWN) return true;
  xlb_backend with_new_state = before;
  with_new_state.state = after.state;
  // True as well for a slot that is free now: nothing of the backend is left in it.
  return !SameRecord(with_new_state, after);
}

uint32_t NextNonZero(uint32_t value) { return value + 1 == 0 ? 1 : value + 1; }

}  // namespace xlb
