#include "packet/node.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "dataplane/shortcuts.h"
#include "packet/loaded_programs.h"
#include "packet/test_network.h"

namespace xlb::test {
namespace {

constexpr uint32_t kMaxIds = 64;  // of services and backends that cases use, so of what there is to clear

template <typename K, typename V>
void Put(int fd, const K& key, const V& value) {
  if (bpf_map_update_elem(fd, &key, &value, BPF_ANY) == 0) return;
  std::perror("cannot write a map");
  std::abort();
}

void CopyMac(uint8_t (&to)[XLB_ETH_ALEN], const char* text) { std::memcpy(to, ParseMac(text).data(), XLB_ETH_ALEN); }

xlb_backend Backend(xlb_kind kind, std::string_view address, uint16_t port) {
  xlb_backend backend{};
  backend.generation = 7;
  backend.kind = kind;
  backend.state = XLB_BACKEND_ACTIVE;
  backend.addr = AddressBe(address);
  backend.port = PortBe(port);
  return backend;
}

template <typename K>
void ClearHash(int fd) {
  K key;
  while (bpf_map_get_next_key(fd, nullptr, &key) == 0) bpf_map_delete_elem(fd, &key);
}

// Zeroes the first elements of an array; a per-CPU one takes and gives a value for each possible CPU.
void ClearArray(int fd, uint32_t elements, size_t value_size) {
  const std::vector<uint8_t> zeros(value_size * static_cast<size_t>(libbpf_num_possible_cpus()));
  for (uint32_t index = 0; index < elements; index++) Put(fd, index, zeros[0]);
}

// Services and addresses in the maps.
MapContents ContentsOf(const MapFds& maps) {
  MapContents contents;
  xlb_service_key key{};
  for (bool first = true; bpf_map_get_next_key(maps.services, first ? nullptr : &key, &key) == 0; first = false) {
    contents.services.emplace(key, xlb_service{});
  }
  uint32_t address = 0;
  for (bool first = true; bpf_map_get_next_key(maps.addrs, first ? nullptr : &address, &address) == 0; first = false) {
    contents.addresses.insert(address);
  }
  return contents;
}

void ClearFlows(const MapFds& maps) {
  const auto memory = FlowMemory::Map(maps.flow_heads, maps.flows, FlowConfigOf(maps));
  if (!memory.ok()) std::abort();
  memory->Clear();
}

}  // namespace

uint32_t AddressBe(std::string_view text) { return htonl(ParseIp(text)); }
uint16_t PortBe(uint16_t port) { return htons(port); }

xlb_backend Route(std::string_view address, uint16_t port) {
  xlb_backend backend = Backend(XLB_KIND_ROUTE, address, port);
  backend.snat_addr = AddressBe(kNodeIp);
  return backend;
}

xlb_backend Vxlan(std::string_view address, uint16_t port) {
  xlb_backend backend = Backend(XLB_KIND_VXLAN, address, port);
  backend.snat_addr = AddressBe(kIngressIp);
  backend.tunnel_src = AddressBe(kNodeIp);
  backend.tunnel_dst = AddressBe(kWorkerIp);
  backend.vni = htonl(kVni << 8);
  CopyMac(backend.dmac, kTaskMac);
  CopyMac(backend.smac, kIngressMac);
  return backend;
}

xlb_backend Local(std::string_view address, uint16_t port) {
  xlb_backend backend = Backend(XLB_KIND_LOCAL, address, port);
  backend.ifindex = if_nametoindex("task0");
  CopyMac(backend.dmac, kTaskMac);
  CopyMac(backend.smac, kBridgeMac);
  return backend;
}

Node::Node() {
  self.schema = XLB_SCHEMA;
  self.epoch = 1;
  self.vni = htonl(kVni << 8);
  self.vxlan_port = htons(kVxlanPort);
  self.tunnel_mtu = 1450;
  self.tick_shift = 31;  // the clock stands still but for PacketTest::NextTick
  self.max_frame = 1514;
}

Node& Node::Address(std::string_view address) {
  addresses_.push_back(AddressBe(address));
  return *this;
}

Node& Node::Uplink(uint32_t ifindex, bool native_xdp) {
  uplinks_.push_back({ifindex, {.native_xdp = native_xdp}});
  return *this;
}

Node& Node::Service(std::string_view protocol, std::string_view address, uint16_t port,
                    const std::vector<xlb_backend>& backends, xlb_pick pick) {
  xlb_service_key key{};
  key.addr = address == "*" ? 0 : AddressBe(address);
  key.port = htons(port);
  key.proto = protocol == "tcp" ? IPPROTO_TCP : IPPROTO_UDP;
  xlb_service service{};
  service.id = static_cast<uint32_t>(services_.size() + 1);
  service.ring_off = static_cast<uint32_t>(ring_.size());
  service.ring_len = static_cast<uint32_t>(backends.size());
  service.pick = pick;
  if (backends_.size() + backends.size() >= kMaxIds || services_.size() >= kMaxIds) std::abort();
  for (xlb_backend backend : backends) {
    backend.service = service.id;
    backends_.push_back(backend);
    ring_.push_back(static_cast<uint32_t>(backends_.size()));
  }
  services_.push_back({key, service});
  return *this;
}

Node& Node::Ring(uint16_t port, uint8_t protocol, std::initializer_list<uint32_t> ids) {
  for (auto& [key, service] : services_) {
    if (key.port != htons(port) || key.proto != protocol) continue;
    service.ring_off = static_cast<uint32_t>(ring_.size());
    service.ring_len = static_cast<uint32_t>(ids.size());
  }
  ring_.insert(ring_.end(), ids);
  return *this;
}

Node& Node::Flags(uint8_t flags) {
  services_.back().second.flags = flags;
  return *this;
}

Node& Node::Source(std::string_view prefix, uint32_t verdicts) {
  xlb_service& service = services_.back().second;
  service.sources = static_cast<uint16_t>(service.id);
  const size_t slash = prefix.find('/');
  const xlb_source_key key{
      .prefix_length = 32u + static_cast<uint32_t>(std::stoi(std::string(prefix.substr(slash + 1)))),
      .list = service.id,
      .addr = AddressBe(prefix.substr(0, slash))};
  sources_.push_back({key, verdicts});
  return *this;
}

Node& Node::Peer(std::string_view address, std::string_view cookie, std::string_view old_cookie) {
  xlb_peer peer{};
  CopyMac(peer.cookie, std::string(cookie).c_str());
  CopyMac(peer.old_cookie, std::string(old_cookie).c_str());
  std::copy(std::begin(kPeerKey), std::end(kPeerKey), peer.key);
  if (old_cookie != "00:00:00:00:00:00") std::copy(std::begin(kOldPeerKey), std::end(kOldPeerKey), peer.old_key);
  peers_.emplace_back(AddressBe(address), peer);
  return *this;
}

Node& Node::WithoutShortcuts() {
  with_shortcuts_ = false;
  return *this;
}

Node& Node::Delivers(uint32_t backend_id) {
  delivered_.push_back(backend_id);
  return *this;
}

xlb_backend WithUid(xlb_backend backend, std::string_view first_bytes) {
  std::memcpy(backend.uid, ParseMac(std::string(first_bytes).c_str()).data(), XLB_UID_PREFIX);
  return backend;
}

void ClearMaps(const MapFds& maps) {
  ClearHash<xlb_source_key>(maps.sources);
  ClearHash<uint32_t>(maps.addrs);
  ClearHash<uint32_t>(maps.uplinks);
  ClearHash<xlb_service_key>(maps.services);
  ClearFlows(maps);
  ClearHash<xlb_fragment_key>(maps.fragments);
  ClearHash<xlb_affinity_key>(maps.affinity);
  ClearHash<uint32_t>(maps.peers);
  ClearHash<uint32_t>(maps.peer_states);
  ClearHash<xlb_delivery_key>(maps.deliveries);
  ClearArray(maps.node, 1, sizeof(xlb_node));
  ClearArray(maps.shortcuts, 1, sizeof(xlb_shortcuts));
  ClearArray(maps.new_flows, 1, sizeof(xlb_new_flows));
  ClearArray(maps.next_hops, XLB_NEXT_HOPS, sizeof(xlb_next_hop));
  ClearArray(maps.ring, kMaxIds, sizeof(xlb_ring_pair));
  ClearArray(maps.backends, kMaxIds, sizeof(xlb_backend));
  ClearArray(maps.backend_load, kMaxIds, sizeof(xlb_backend_load));
  ClearArray(maps.service_state, kMaxIds, sizeof(xlb_service_state));
  ClearArray(maps.service_stats, kMaxIds, sizeof(xlb_stats));
  ClearArray(maps.backend_stats, kMaxIds, sizeof(xlb_stats));
}

// They speak of all that is in the maps, be it of this node or not.
void Node::WriteShortcuts(const MapFds& maps) const {
  auto shortcuts = std::make_unique<xlb_shortcuts>();
  if (with_shortcuts_) Shortcuts(shortcuts.get()).Reset(ContentsOf(maps));
  Put(maps.shortcuts, uint32_t{0}, *shortcuts);
}

void Node::Write(const MapFds& maps) const {
  for (size_t i = 0; i < backends_.size(); i++) Put(maps.backends, static_cast<uint32_t>(i + 1), backends_[i]);
  for (size_t i = 0; i < ring_.size(); i += 2) {
    const xlb_ring_pair pair{{ring_[i], i + 1 < ring_.size() ? ring_[i + 1] : 0}};
    Put(maps.ring, static_cast<uint32_t>(i / 2), pair);
  }
  for (const auto& [key, verdicts] : sources_) Put(maps.sources, key, verdicts);
  for (const auto& [key, service] : services_) Put(maps.services, key, service);
  for (const auto& [address, peer] : peers_) Put(maps.peers, address, peer);
  for (const uint32_t id : delivered_) {
    xlb_delivery_key key{};
    std::memcpy(key.uid, backends_.at(id - 1).uid, XLB_UID_PREFIX);
    Put(maps.deliveries, key, id);
  }
  for (const uint32_t address : addresses_) Put(maps.addrs, address, uint8_t{1});
  WriteShortcuts(maps);
  for (const auto& [ifindex, uplink] : uplinks_) Put(maps.uplinks, ifindex, uplink);
  xlb_node record = self;
  record.flow_table = FlowConfigOf(maps);
  Put(maps.node, uint32_t{0}, record);
}

}  // namespace xlb::test
