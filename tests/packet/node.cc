#include "packet/node.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

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
                    std::initializer_list<xlb_backend> backends, xlb_pick pick) {
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

void ClearMaps(const MapSet& maps) {
  ClearHash<uint32_t>(maps.addrs);
  ClearHash<uint32_t>(maps.uplinks);
  ClearHash<xlb_service_key>(maps.services);
  ClearHash<xlb_flow_key>(maps.flows);
  ClearArray(maps.node, 1, sizeof(xlb_node));
  ClearArray(maps.new_flows, 1, sizeof(xlb_new_flows));
  ClearArray(maps.ring, kMaxIds, sizeof(xlb_ring_pair));
  ClearArray(maps.backends, kMaxIds, sizeof(xlb_backend));
  ClearArray(maps.service_state, kMaxIds, sizeof(xlb_service_state));
  ClearArray(maps.service_stats, kMaxIds, sizeof(xlb_stats));
  ClearArray(maps.backend_stats, kMaxIds, sizeof(xlb_stats));
}

void Node::Write(const MapSet& maps) const {
  for (size_t i = 0; i < backends_.size(); i++) Put(maps.backends, static_cast<uint32_t>(i + 1), backends_[i]);
  for (size_t i = 0; i < ring_.size(); i += 2) {
    const xlb_ring_pair pair{{ring_[i], i + 1 < ring_.size() ? ring_[i + 1] : 0}};
    Put(maps.ring, static_cast<uint32_t>(i / 2), pair);
  }
  for (const auto& [key, service] : services_) Put(maps.services, key, service);
  for (const uint32_t address : addresses_) Put(maps.addrs, address, uint8_t{1});
  for (const auto& [ifindex, uplink] : uplinks_) Put(maps.uplinks, ifindex, uplink);
  Put(maps.node, uint32_t{0}, self);
}

}  // namespace xlb::test
