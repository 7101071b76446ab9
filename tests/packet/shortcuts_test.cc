// What the programs are spared to look up (the map shortcuts), and that they find the same with it and without.
#include <bpf/bpf.h>
#include <netinet/in.h>

#include <memory>

#include "dataplane/kernel_map_store.h"
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kSnat[] = "192.0.2.1:40000";
constexpr char kBackend[] = "10.1.0.5:8080";

class ShortcutsTest : public UplinkTest {};
XLB_BOTH_UPLINK_PROGRAMS(ShortcutsTest);

TEST_P(ShortcutsTest, WithoutThemAllIsFoundAllTheSame) {
  Use(OneService(Route("10.1.0.5", 8080)).Service("tcp", kNodeIp2, 8093, {Route("10.1.0.5", 8080)}).WithoutShortcuts());
  Sent(ClientTcp("S"), RoutedTo(ClientTcp("S"), kSnat, kBackend), {"flow_new", "forward_route"});
  Sent(ClientTcp("A"), RoutedTo(ClientTcp("A"), kSnat, kBackend), {"forward_route"});
  const Packet bound = ClientTcp("S").To(std::string(kNodeIp2) + ":8093");
  Run(GetParam(), bound.Build(), {"flow_new", "forward_route", "port_changed"});
  Passed(ClientTcp("A").To("192.0.2.1:22"), {"pass_no_service"});
  Passed(FromClient(Packet::Udp(kClient, "192.0.2.1:53").Payload("a question of some length")), {"pass_no_service"});
}

// The last octet chooses where an address is noted: these share a place, so that one of them is looked up.
TEST_P(ShortcutsTest, AddressesThatShareAPlaceAreBothTheNodes) {
  Use(OneService(Route("10.1.0.5", 8080)));
  ASSERT_EQ(XLB_OWN_ADDRESS_SLOT(AddressBe(kNodeIp)), XLB_OWN_ADDRESS_SLOT(AddressBe(kNodeIp2)));
  for (const char* address : {kNodeIp, kNodeIp2}) {
    Packet syn = ClientTcp("S").From(std::string("203.0.113.7:") + (address == kNodeIp ? "40000" : "40001"));
    Run(GetParam(), syn.To(std::string(address) + ":8091").Build(), {"flow_new", "forward_route"});
  }
  Passed(ClientTcp("S").To("203.0.113.1:8091"), {"pass_no_service"});
}

TEST_P(ShortcutsTest, AServiceAtOneAddressGoesBeforeOneOnAll) {
  Use(OneService(Route("10.1.0.5", 8080)).Service("tcp", kNodeIp2, 8091, {Route("10.1.0.6", 8080)}));
  const auto backend_at = [&](std::string_view address) {
    const Packet syn = ClientTcp("S").To(std::string(address) + ":8091");
    Run(GetParam(), syn.Build(), {"flow_new", "forward_route"});
    return FlowOf(syn)->backend;
  };
  EXPECT_EQ(backend_at(kNodeIp2), 3u);
  ClearMaps(Programs().maps());
  Rewrite();
  EXPECT_EQ(backend_at(kNodeIp), 1u);
}

TEST_P(ShortcutsTest, AServiceAtAnAddressAloneKeepsItsPort) {
  Use(Node().Address(kNodeIp).Service("udp", kNodeIp, 8091, {Route("10.1.0.5", 8080)}));
  Sent(ClientUdp(), RoutedTo(ClientUdp(), kSnat, kBackend), {"flow_new", "forward_route"});
  Passed(ClientTcp("A"), {"pass_no_service"});
}

// As xlbd writes its maps: in step at each moment.
TEST_P(ShortcutsTest, TheMapsWriterKeepsThem) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const MapFds& maps = Programs().maps();
  auto store = KernelMapStore::Open(maps, FlowConfigOf(maps));
  ASSERT_TRUE(store.ok()) << store.status();
  const auto contents = (*store)->ReadAll();
  ASSERT_TRUE(contents.ok()) << contents.status();
  const auto& [key, service] = node_.services()[1];
  xlb_service_key other = key;
  other.port = PortBe(8092);
  const Packet there = ClientUdp().To("192.0.2.1:8092");
  Passed(there, {"pass_no_service"});
  ASSERT_TRUE((*store)->WriteService(other, service).ok());
  Run(GetParam(), there.Build(), {"flow_new", "forward_route"});
  EvictFlow(there);
  ASSERT_TRUE((*store)->RemoveService(other).ok());
  Passed(there, {"pass_no_service"});
  other.addr = AddressBe(kNodeIp);
  ASSERT_TRUE((*store)->WriteService(other, service).ok());
  Run(GetParam(), there.Build(), {"flow_new", "forward_route"});

  const Packet elsewhere = ClientUdp().To("198.51.100.77:8091");
  Passed(elsewhere, {"pass_no_service"});
  ASSERT_TRUE((*store)->AddAddress(AddressBe("198.51.100.77")).ok());
  Run(GetParam(), elsewhere.Build(), {"flow_new", "forward_route", "port_changed"});
  EvictFlow(elsewhere);
  ASSERT_TRUE((*store)->RemoveAddress(AddressBe("198.51.100.77")).ok());
  Passed(elsewhere, {"pass_no_service"});
}

// The next xlbd finds two services at this port, takes one away, and the other one stays.
TEST_P(ShortcutsTest, TheNextWriterKnowsWhatTheLastOneWrote) {
  const Node node = Node()
                        .Address(kNodeIp)
                        .Address(kNodeIp2)
                        .Service("udp", kNodeIp, 8091, {Route("10.1.0.5", 8080)})
                        .Service("udp", kNodeIp2, 8091, {Route("10.1.0.5", 8080)});
  Use(node);
  const MapFds& maps = Programs().maps();
  auto store = KernelMapStore::Open(maps, FlowConfigOf(maps));
  ASSERT_TRUE(store.ok()) << store.status();
  const Packet first = ClientUdp(), second = ClientUdp().To(std::string(kNodeIp2) + ":8091");
  ASSERT_TRUE((*store)->RemoveService(node.services()[0].first).ok());  // before it has read anything
  Run(GetParam(), second.Build(), {"flow_new", "forward_route"});
  EvictFlow(second);
  ASSERT_TRUE((*store)->ReadAll().ok());
  ASSERT_TRUE((*store)->WriteService(node.services()[0].first, node.services()[0].second).ok());
  ASSERT_TRUE((*store)->RemoveService(node.services()[0].first).ok());
  Run(GetParam(), second.Build(), {"flow_new", "forward_route"});
  Passed(first, {"pass_no_service"});
}

// What `xlb.bind` closes at one address is closed at once.
TEST_P(ShortcutsTest, AnExceptionBesideAServiceOnAllAddresses) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const MapFds& maps = Programs().maps();
  auto store = KernelMapStore::Open(maps, FlowConfigOf(maps));
  ASSERT_TRUE(store.ok() && (*store)->ReadAll().ok());
  auto [key, service] = node_.services()[0];
  key.addr = AddressBe(kNodeIp);
  service.flags = XLB_SERVICE_CLOSED;
  ASSERT_TRUE((*store)->WriteService(key, service).ok());
  Dropped(ClientTcp("S"), {"drop.not_bound"});
  Run(GetParam(), ClientTcp("S").To(std::string(kNodeIp2) + ":8091").Build(), {"flow_new", "forward_route"});
}

TEST_P(ShortcutsTest, AWriterThatReadsTheMapsSaysWhatIsInThem) {
  Use(Node().Address(kNodeIp).Service("tcp", "*", 8091, {Route("10.1.0.5", 8080)}).WithoutShortcuts());
  const MapFds& maps = Programs().maps();
  auto store = KernelMapStore::Open(maps, FlowConfigOf(maps));
  ASSERT_TRUE(store.ok() && (*store)->ReadAll().ok());
  const auto record = std::make_unique<xlb_shortcuts>();
  const uint32_t zero = 0;
  ASSERT_EQ(bpf_map_lookup_elem(maps.shortcuts, &zero, record.get()), 0);
  const xlb_ports_without& without = record->without[0][8091 / 64];
  EXPECT_EQ(without.any, ~(__u64{1} << (8091 % 64)));
  EXPECT_EQ(without.bound, ~__u64{0});
  const uint32_t address = AddressBe(kNodeIp);
  EXPECT_EQ(record->own[XLB_OWN_ADDRESS_SLOT(address)], address);
}

// Answers of routed backends come to ports that no service has. Of these, more have one home than it has room for.
TEST_P(ShortcutsTest, NoAnswerIsTakenForAStrangersPacket) {
  Use(OneService(Route("10.1.0.5", 8080)));
  const xlb_flow_config config = FlowConfigOf(Programs().maps());
  std::vector<Packet> answers;
  for (uint16_t port = 10000; answers.size() < XLB_FLOW_ANSWERS + 4; port++) {
    ASSERT_LT(port, 60000);
    const xlb_flow_key key{.saddr = AddressBe("10.1.0.5"),
                           .daddr = AddressBe(kNodeIp),
                           .sport = PortBe(8080),
                           .dport = PortBe(port),
                           .proto = IPPROTO_UDP,
                           .zone = XLB_ZONE_UPLINK,
                           .pad = 0};
    if (xlb_hash_bucket(&config, xlb_flow_hash(&config, &key), 0) != 0) continue;
    const Packet question = ClientUdp().From("203.0.113.7:" + std::to_string(port));
    Run(GetParam(), question.Build(), {"flow_new", "forward_route"});
    const std::string source = std::string(kNodeIp) + ":" + std::to_string(port);
    // Shorter ones take the long way: Ethernet has none.
    answers.push_back(FromClient(Packet::Udp(kBackend, source).Payload("an answer of some length")));
  }
  ASSERT_GT(Programs().flows().heads()[0].spilled, 0u);
  for (int i = 0; i < 2; i++) {  // the first one makes the flow an answered one
    for (const Packet& answer : answers) Run(GetParam(), answer.Build(), {"reply_route"});
  }
}

}  // namespace
}  // namespace xlb::test
