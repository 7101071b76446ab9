#include "model/records.h"

#include <gtest/gtest.h>

#include <functional>

#include "unit/model/make.h"

namespace xlb {
namespace {

using make::At;
using make::Ip;

Backend Everything(BackendKind kind) {
  Backend backend = make::Routed("swarm:abc/tcp:8091");
  backend.reach.kind = kind;
  backend.reach.tunnel_dst = Ip("192.0.2.12");
  backend.reach.tunnel_src = Ip("192.0.2.11");
  backend.reach.vni = 0x001001;
  backend.reach.ifindex = 17;
  backend.reach.dst_mac = *Mac::Parse("02:42:0a:00:00:07");
  backend.reach.src_mac = *Mac::Parse("02:42:0a:00:00:02");
  return backend;
}

xlb_backend Record(const Backend& backend) { return BackendRecord(backend, BackendUid(backend.identity), 3, 9); }

std::vector<uint8_t> Bytes(const void* field, size_t size) {
  const auto* first = static_cast<const uint8_t*>(field);
  return {first, first + size};
}
template <typename Field>
std::vector<uint8_t> Bytes(const Field& field) {
  return Bytes(&field, sizeof(field));
}
using B = std::vector<uint8_t>;

// printf 'swarm:abc/tcp:8091' | sha256sum
TEST(RecordsTest, UidIsTheStartOfTheSha256OfTheIdentity) {
  EXPECT_EQ(BackendUid("swarm:abc/tcp:8091"),
            (Uid{0x93, 0xab, 0xbf, 0xa2, 0x16, 0x89, 0x76, 0x6a, 0x06, 0x50, 0xac, 0x8a, 0x68, 0xd3, 0x56, 0x3a}));
  // The empty message, from FIPS 180-4's examples.
  EXPECT_EQ(BackendUid(""),
            (Uid{0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24}));
}

TEST(RecordsTest, ServiceKeyIsInNetworkOrder) {
  const xlb_service_key key = ServiceKey(At("udp/192.0.2.10:8091"));
  EXPECT_EQ(Bytes(key), (B{192, 0, 2, 10, 0x1f, 0x9b, 17, 0}));
  EXPECT_EQ(Bytes(ServiceKey(At("tcp/*:80"))), (B{0, 0, 0, 0, 0, 80, 6, 0}));
  EXPECT_EQ(FrontendOf(key), At("udp/192.0.2.10:8091"));
}

TEST(RecordsTest, BackendOfEveryKind) {
  for (const BackendKind kind : {BackendKind::kRoute, BackendKind::kVxlan, BackendKind::kLocal}) {
    const xlb_backend record = Record(Everything(kind));
    EXPECT_EQ(UidOf(record), BackendUid("swarm:abc/tcp:8091"));
    EXPECT_EQ(record.generation, 3u);
    EXPECT_EQ(record.service, 9u);
    EXPECT_EQ(record.state, XLB_BACKEND_ACTIVE);
    EXPECT_EQ(Bytes(record.addr), (B{10, 1, 0, 5}));
    EXPECT_EQ(Bytes(record.port), (B{0x1f, 0x90}));
    EXPECT_EQ(Bytes(record.snat_addr), (B{192, 0, 2, 1}));
    const bool vxlan = kind == BackendKind::kVxlan, local = kind == BackendKind::kLocal;
    EXPECT_EQ(Bytes(record.tunnel_dst), (vxlan ? B{192, 0, 2, 12} : B(4)));
    EXPECT_EQ(Bytes(record.tunnel_src), (vxlan ? B{192, 0, 2, 11} : B(4)));
    EXPECT_EQ(Bytes(record.vni), (vxlan ? B{0x00, 0x10, 0x01, 0x00} : B(4))) << "the VXLAN header's last word";
    EXPECT_EQ(record.ifindex, local ? 17u : 0u);
    EXPECT_EQ(Bytes(record.dmac), (vxlan || local ? B{0x02, 0x42, 0x0a, 0, 0, 7} : B(6)));
    EXPECT_EQ(Bytes(record.smac), (vxlan || local ? B{0x02, 0x42, 0x0a, 0, 0, 2} : B(6)));
  }
  EXPECT_EQ(Record(Everything(BackendKind::kRoute)).kind, XLB_KIND_ROUTE);
  EXPECT_EQ(Record(Everything(BackendKind::kVxlan)).kind, XLB_KIND_VXLAN);
  EXPECT_EQ(Record(Everything(BackendKind::kLocal)).kind, XLB_KIND_LOCAL);
}

TEST(RecordsTest, BackendStates) {
  Backend backend = Everything(BackendKind::kRoute);
  backend.state = BackendState::kDraining;
  EXPECT_EQ(Record(backend).state, XLB_BACKEND_DRAINING);
  backend.state = BackendState::kDown;
  EXPECT_EQ(Record(backend).state, XLB_BACKEND_DOWN);
}

TEST(RecordsTest, NodeFacts) {
  NodeFacts facts;
  facts.vni = 4097;
  facts.vxlan_port = 4789;
  facts.tunnel_mtu = 1450;
  facts.new_flow_limit = 1000;
  facts.tick_shift = 8;
  facts.max_frame = 1514;
  facts.bridge_address = *Ipv4::Parse("172.18.0.1");
  facts.sandbox_address = *Ipv4::Parse("172.18.0.2");
  facts.task_networks = {{Ip("10.0.0.0"), 24}, {Ip("10.8.0.0"), 13}};
  const xlb_node record = NodeRecord(facts, 7);
  EXPECT_EQ(record.schema, static_cast<uint32_t>(XLB_SCHEMA));
  EXPECT_EQ(record.epoch, 7u);
  EXPECT_EQ(Bytes(record.vni), (B{0x00, 0x10, 0x01, 0x00}));
  EXPECT_EQ(Bytes(record.vxlan_port), (B{0x12, 0xb5}));
  EXPECT_EQ(record.tunnel_mtu, 1450);
  EXPECT_EQ(record.new_flow_limit, 1000u);
  EXPECT_EQ(record.tick_shift, 8u);
  EXPECT_EQ(record.max_frame, 1514u);
  EXPECT_EQ(Bytes(record.bridge_addr), (B{172, 18, 0, 1}));
  EXPECT_EQ(Bytes(record.sandbox_addr), (B{172, 18, 0, 2}));
  EXPECT_EQ(Bytes(record.task_networks[0].addr), (B{10, 0, 0, 0}));
  EXPECT_EQ(Bytes(record.task_networks[0].mask), (B{255, 255, 255, 0}));
  EXPECT_EQ(Bytes(record.task_networks[1].addr), (B{10, 8, 0, 0}));
  EXPECT_EQ(Bytes(record.task_networks[1].mask), (B{255, 248, 0, 0}));
  EXPECT_EQ(record.task_networks[2].mask, 0u);
  EXPECT_EQ(TaskNetworksOf(record), facts.task_networks);
}

TEST(RecordsTest, FlowsLookAgainWhenABackendIsMovedOrLost) {
  const xlb_backend before = Record(Everything(BackendKind::kVxlan));
  const auto after = [&](const std::function<void(Backend&)>& change) {
    Backend backend = Everything(BackendKind::kVxlan);
    change(backend);
    return Record(backend);
  };
  const xlb_backend draining = after([](Backend& b) { b.state = BackendState::kDraining; });
  const xlb_backend down = after([](Backend& b) { b.state = BackendState::kDown; });
  EXPECT_FALSE(FlowsMustLookAgain(before, before, Protocol::kTcp));
  EXPECT_FALSE(FlowsMustLookAgain(before, draining, Protocol::kTcp));
  EXPECT_FALSE(FlowsMustLookAgain(draining, before, Protocol::kTcp));
  EXPECT_FALSE(FlowsMustLookAgain(down, before, Protocol::kTcp));
  EXPECT_FALSE(FlowsMustLookAgain(down, down, Protocol::kTcp));
  EXPECT_TRUE(FlowsMustLookAgain(before, down, Protocol::kTcp));
  EXPECT_TRUE(FlowsMustLookAgain(before, draining, Protocol::kUdp));
  EXPECT_FALSE(FlowsMustLookAgain(draining, before, Protocol::kUdp));
  EXPECT_FALSE(FlowsMustLookAgain(down, draining, Protocol::kUdp));
  EXPECT_TRUE(FlowsMustLookAgain(draining, down, Protocol::kTcp));
  EXPECT_TRUE(FlowsMustLookAgain(before, GoneRecord(3), Protocol::kTcp));
  EXPECT_TRUE(FlowsMustLookAgain(before, after([](Backend& b) { b.reach.address = Ip("10.1.0.6"); }), Protocol::kTcp));
  EXPECT_TRUE(
      FlowsMustLookAgain(before, after([](Backend& b) { b.reach.tunnel_dst = Ip("192.0.2.13"); }), Protocol::kTcp));
  EXPECT_TRUE(FlowsMustLookAgain(before, after([](Backend& b) { b.reach.dst_mac.bytes[5] = 8; }), Protocol::kTcp));
}

TEST(RecordsTest, CountersSkipZero) {
  EXPECT_EQ(NextNonZero(0), 1u);
  EXPECT_EQ(NextNonZero(UINT32_MAX), 1u);
}

}  // namespace
}  // namespace xlb
