#include "packet/packet_test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <cstdlib>

#include "packet/checksum.h"
#include "packet/packet_text.h"

namespace xlb::test {
namespace {

constexpr const char* kHookNames[] = {"xdp", "tc", "task", "host"};
constexpr const char* kCounterNames[] = {
#define X(id, name, sentence) name,
#include "xlb/counters.def"
#undef X
};
constexpr const char* kDropNames[] = {
#define X(id, name, sentence) "drop." name,
#include "xlb/drop_reasons.def"
#undef X
};

void ReadHook(int fd, int hook, const char* const* names, uint32_t count, Counts& counts) {
  std::vector<xlb_traffic> per_cpu(static_cast<size_t>(libbpf_num_possible_cpus()));
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t index = static_cast<uint32_t>(hook) * count + i;
    if (bpf_map_lookup_elem(fd, &index, per_cpu.data()) != 0) std::abort();
    Traffic sum;
    for (const xlb_traffic& traffic : per_cpu) {
      sum.packets += traffic.packets;
      sum.bytes += traffic.bytes;
    }
    if (sum.packets != 0 || sum.bytes != 0) counts[fmt::format("{}.{}", kHookNames[hook], names[i])] = sum;
  }
}

xlb_stats ReadStats(int fd, uint32_t id) {
  std::vector<xlb_stats> per_cpu(static_cast<size_t>(libbpf_num_possible_cpus()));
  if (bpf_map_lookup_elem(fd, &id, per_cpu.data()) != 0) std::abort();
  xlb_stats sum{};
  for (const xlb_stats& stats : per_cpu) {
    sum.flows += stats.flows;
    sum.in.packets += stats.in.packets;
    sum.in.bytes += stats.in.bytes;
    sum.out.packets += stats.out.packets;
    sum.out.bytes += stats.out.bytes;
  }
  return sum;
}

xlb_flow_key KeyOf(const Packet& packet, xlb_zone zone) {
  xlb_flow_key key{};
  key.saddr = htonl(packet.source());
  key.daddr = htonl(packet.destination());
  key.sport = htons(packet.source_port());
  key.dport = htons(packet.destination_port());
  key.proto = packet.protocol();
  key.zone = zone;
  return key;
}

std::string Text(const Counts& counts) {
  std::string text;
  for (const auto& [name, traffic] : counts) text += fmt::format(" {}={}/{}", name, traffic.packets, traffic.bytes);
  return text.empty() ? " nothing" : text;
}

// The frame for the head of a failure; the whole of it is shown where frames differ.
std::string Brief(const Bytes& frame) {
  const std::string text = Scapy(frame);
  return text.size() <= 400 ? text : text.substr(0, 400) + "...";
}

void ExpectVerdict(const Outcome& outcome, Verdict verdict) { EXPECT_EQ(ToString(outcome.verdict), ToString(verdict)); }

void ExpectFrame(const Bytes& expected, const Outcome& outcome) {
  const std::string difference = Difference(expected, outcome.frame);
  if (!difference.empty()) {
    ADD_FAILURE() << difference;
  } else if (outcome.verdict != Verdict::kPass) {
    EXPECT_EQ(ChecksumErrors(outcome.frame), "");
  }
}

int HookOf(Program program) {
  switch (program) {
    case Program::kXdp:
      return XLB_HOOK_XDP;
    case Program::kUplink:
      return XLB_HOOK_TC;
    case Program::kTask:
      return XLB_HOOK_TASK;
    case Program::kHost:
      break;
  }
  return XLB_HOOK_HOST;
}

Counts Expected(Program program, const Names& names, size_t length) {
  Counts counts;
  for (const std::string& name : names) {
    // A changed port is a fact of the flow, not of a packet's bytes.
    const uint64_t bytes = name == "port_changed" ? 0 : length;
    counts[fmt::format("{}.{}", kHookNames[HookOf(program)], name)] = {.packets = 1, .bytes = bytes};
  }
  return counts;
}

}  // namespace

Counts ReadCounts() {
  Counts counts;
  for (int hook = 0; hook < XLB_HOOKS; hook++) {
    ReadHook(Programs().maps().counters, hook, kCounterNames, XLB_COUNTERS, counts);
    ReadHook(Programs().maps().drops, hook, kDropNames, XLB_DROP_REASONS, counts);
  }
  return counts;
}

Counts Difference(const Counts& before, const Counts& after) {
  Counts difference;
  for (const auto& [name, now] : after) {
    const auto it = before.find(name);
    const Traffic then = it == before.end() ? Traffic{} : it->second;
    if (now == then) continue;
    difference[name] = {.packets = now.packets - then.packets, .bytes = now.bytes - then.bytes};
  }
  return difference;
}

std::string ProgramName(const testing::TestParamInfo<Program>& info) {
  switch (info.param) {
    case Program::kXdp:
      return "Xdp";
    case Program::kUplink:
      return "Tc";
    case Program::kTask:
      return "Task";
    case Program::kHost:
      break;
  }
  return "Host";
}

Packet Wrapped(const Packet& inner, uint32_t vni) {
  return Packet::Udp(fmt::format("{}:51000", kWorkerIp), fmt::format("{}:{}", kNodeIp, kVxlanPort))
      .Macs(kWorkerMac, kUplinkMac)
      .Id(0)
      .Vxlan(vni, inner.Build());
}

Packet PeerFrame(const Packet& inner, uint8_t tunnel_flags) {
  return Packet::Udp(fmt::format("{}:51000", kWorkerIp), fmt::format("{}:{}", kNodeIp, kVxlanPort))
      .Macs(kWorkerMac, kUplinkMac)
      .Id(0)
      .Vxlan(XLB_PEER_VNI, Packet(inner).Macs(kCookieMac, kUidMac).Build(), 0x08, tunnel_flags);
}

void PacketTest::Use(Node node) {
  node_ = std::move(node);
  Rewrite();
}

void PacketTest::RaiseEpoch() {
  node_.self.epoch++;
  Rewrite();
}

// A tick is jiffies >> shift: another shift, another tick.
void PacketTest::NextTick() {
  node_.self.tick_shift--;
  Rewrite();
}

Outcome PacketTest::Run(Program program, const Bytes& frame, const Names& counted) {
  const Counts before = ReadCounts();
  const Outcome outcome = Programs().Run(
      program, frame, {.ifindex = ifindex_, .forwarded_from = forwarded_from_, .gso_size = gso_size_, .mark = mark_});
  EXPECT_EQ(outcome.error, 0) << "the kernel did not run the program";
  const Counts moved = Difference(before, ReadCounts()), expected = Expected(program, counted, frame.size());
  if (moved != expected) {
    ADD_FAILURE() << "counters that moved:" << Text(moved) << "\nthat should have:" << Text(expected);
  }
  return outcome;
}

void PacketTest::ExpectPassed(Program program, const Bytes& frame, const Names& counted, const char* file, int line) {
  const testing::ScopedTrace trace(file, line, Brief(frame));
  const Outcome outcome = Run(program, frame, counted);
  ExpectVerdict(outcome, Verdict::kPass);
  ExpectFrame(frame, outcome);
}

void PacketTest::ExpectDropped(Program program, const Bytes& frame, const Names& counted, const char* file, int line) {
  const testing::ScopedTrace trace(file, line, Brief(frame));
  ExpectVerdict(Run(program, frame, counted), Verdict::kDrop);
}

void PacketTest::ExpectSent(Program program, Verdict verdict, const Bytes& frame, const Bytes& expected,
                            const Names& counted, const char* file, int line) {
  const testing::ScopedTrace trace(file, line, Brief(frame));
  const Outcome outcome = Run(program, frame, counted);
  ExpectVerdict(outcome, verdict);
  ExpectFrame(expected, outcome);
}

PacketTest::Chosen PacketTest::ExpectTunnelled(Program program, Verdict verdict, const Bytes& frame, const Bytes& inner,
                                               const Names& counted, const char* file, int line) {
  const testing::ScopedTrace trace(file, line, Brief(frame));
  const Outcome outcome = Run(program, frame, counted);
  ExpectVerdict(outcome, verdict);

  Chosen chosen;
  if (outcome.frame.size() > kEthernetLength + kIpLength + kUdpLength) {
    chosen.id = Get16(outcome.frame, kEthernetLength + 4);
    chosen.port = Get16(outcome.frame, kEthernetLength + kIpLength);
  }
  EXPECT_GE(chosen.port, 49152) << "RFC 7348 5 wants a source port of the dynamic range";
  const Bytes expected = Packet::Udp(fmt::format("{}:{}", kNodeIp, chosen.port), fmt::format("{}:4789", kWorkerIp))
                             .Macs(kUplinkMac, kWorkerMac)
                             .Tos(inner.at(kEthernetLength + 1))
                             .Id(chosen.id)
                             .Vxlan(vni_, inner, 0x08, tunnel_flags_)
                             .Build();
  ExpectFrame(expected, outcome);
  return chosen;
}

std::optional<FlowEntry> PacketTest::FlowOf(const Packet& packet, xlb_zone zone) const {
  return FindFlow(Programs().flows(), KeyOf(packet, zone));
}

void PacketTest::Mark(const Packet& packet, xlb_zone zone) {
  xlb_flow mark{};
  mark.key[0] = KeyOf(packet, zone);
  ASSERT_TRUE(FileFlow(Programs().flows(), mark));
}

void PacketTest::Occupy(const Packet& answer, std::string_view client, xlb_zone zone) {
  xlb_flow flow{};
  flow.key[0] = KeyOf(Packet::Tcp(client, fmt::format("{}:8091", kNodeIp)), XLB_ZONE_UPLINK);
  flow.key[1] = KeyOf(answer, zone);
  flow.kind = XLB_KIND_ROUTE;
  ASSERT_TRUE(FileFlow(Programs().flows(), flow));
}

void PacketTest::EvictFlow(const Packet& packet, xlb_zone zone) {
  ASSERT_TRUE(RemoveFlow(Programs().flows(), KeyOf(packet, zone))) << "there was no such flow";
}

size_t PacketTest::Flows() const { return CountFlows(Programs().flows()); }

void PacketTest::MarkAnswered() const {
  for (xlb_flow& flow : Programs().flows().flows()) {
    if (xlb_life_is_live(flow.life)) xlb_life_note(&flow, flow.life, xlb_life_seen(flow.life), XLB_FLOW_REPLIED, 0);
  }
}

xlb_stats PacketTest::ServiceStats(uint32_t id) const { return ReadStats(Programs().maps().service_stats, id); }
xlb_stats PacketTest::BackendStats(uint32_t id) const { return ReadStats(Programs().maps().backend_stats, id); }

}  // namespace xlb::test
