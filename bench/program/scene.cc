#include "program/scene.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "packet/packet_builder.h"
#include "program/control.h"

namespace xlb::bench {
namespace {

constexpr uint16_t kServicePort = 8091;
constexpr uint16_t kTargetPort = 80;  // of local and routed backends
constexpr size_t kFrameLength = 64;
constexpr uint8_t kVniFlag = 0x08;  // RFC 7348 5

std::string ClientOf(uint32_t flow) {
  return fmt::format("{}:{}", test::IpText(BENCH_CLIENTS + flow), BENCH_PORT + flow / BENCH_BACKENDS % BENCH_PORTS);
}

std::string TaskOf(uint32_t flow) { return test::IpText(BENCH_TASKS + flow % BENCH_BACKENDS); }

std::vector<xlb_backend> Backends(xlb_kind kind) {
  std::vector<xlb_backend> backends;
  for (uint32_t i = 0; i < BENCH_BACKENDS; i++) {
    if (kind == XLB_KIND_VXLAN) backends.push_back(test::Vxlan(TaskOf(i)));
    if (kind == XLB_KIND_PEER) {
      backends.push_back(test::WithUid(test::Vxlan(TaskOf(i)), test::kUidMac));
      backends.back().flags = XLB_BACKEND_PEER;
    }
    if (kind == XLB_KIND_ROUTE) backends.push_back(test::Route(TaskOf(i), kTargetPort));
    if (kind == XLB_KIND_LOCAL) backends.push_back(test::WithUid(test::Local(TaskOf(i), kTargetPort), test::kUidMac));
  }
  return backends;
}

test::Packet PacketOf(std::string_view protocol, std::string_view from, std::string_view to) {
  test::Packet packet = protocol == "tcp" ? test::Packet::Tcp(from, to) : test::Packet::Udp(from, to);
  packet.PayloadOf(kFrameLength - test::kEthernetLength - packet.IpLength());
  return packet;
}

// A frame of the node that runs the tasks, still without what it carries.
test::Packet OfWorker() {
  return test::Packet::Udp(fmt::format("{}:{}", test::kWorkerIp, 50000),
                           fmt::format("{}:{}", test::kNodeIp, test::kVxlanPort))
      .Macs(test::kWorkerMac, test::kUplinkMac)
      .NoUdpChecksum();
}

std::string_view CounterName(size_t index) {
  static constexpr std::string_view kNames[] = {
#define X(id, name, sentence) name,
#include "xlb/counters.def"
#undef X
  };
  static constexpr std::string_view kDrops[] = {
#define X(id, name, sentence) name,
#include "xlb/drop_reasons.def"
#undef X
  };
  constexpr size_t kAll = size_t{XLB_HOOKS} * XLB_COUNTERS;
  return index < kAll ? kNames[index % XLB_COUNTERS] : kDrops[(index - kAll) % XLB_DROP_REASONS];
}

void ReadPackets(int fd, uint32_t elements, std::vector<uint64_t>& sums) {
  std::vector<xlb_traffic> by_cpu(static_cast<size_t>(libbpf_num_possible_cpus()));
  for (uint32_t index = 0; index < elements; index++) {
    uint64_t sum = 0;
    if (bpf_map_lookup_elem(fd, &index, by_cpu.data()) == 0) {
      for (const xlb_traffic& traffic : by_cpu) sum += traffic.packets;
    }
    sums.push_back(sum);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Scene>> Scene::Make(const Setting& setting, const test::TestNetwork& network) {
  std::unique_ptr<Scene> scene(new Scene(setting, network));
  XLB_ASSIGN_OR_RETURN(scene->programs_,
                       test::LoadedPrograms::Load(test::LoadedPrograms::TableFor(setting.table_flows)));
  test::Node node;
  node.Address(test::kNodeIp).Uplink(network.uplink, true).Uplink(network.uplink2, setting.two_uplinks);
  node.self.tick_shift = setting.tick_shift;
  if (setting.kind != XLB_KIND_NONE) node.Service(setting.protocol, "*", kServicePort, Backends(setting.kind));
  if (setting.kind == XLB_KIND_PEER || setting.by_peer) node.Peer(test::kWorkerIp, test::kCookieMac);
  if (setting.by_peer) node.Delivers(1);
  node.Write(scene->programs_->maps());
  return scene;
}

Stream Scene::FromClients(bool syn) const {
  Stream stream{.ifindex = InDevice(), .syn = syn && setting_.protocol == "tcp"};
  stream.frame = FrameOf(stream, 0);
  return stream;
}

Stream Scene::FromPeer(bool syn) const {
  Stream stream{.ifindex = InDevice(), .syn = syn && setting_.protocol == "tcp", .tunnelled = true};
  stream.frame = FrameOf(stream, 0);
  return stream;
}

Stream Scene::FromBackends() const {
  const bool local = setting_.kind == XLB_KIND_LOCAL, peer = setting_.kind == XLB_KIND_PEER;
  Stream stream{.ifindex = local ? network_.task : InDevice(),
                .tunnelled = CrossesTunnel(),
                .reply = true,
                .keeps_client = local || peer,
                .keeps_service = peer};
  stream.frame = FrameOf(stream, 0);
  return stream;
}

Bytes Scene::FrameOf(const Stream& stream, uint32_t flow) const {
  const std::string service = fmt::format("{}:{}", test::kNodeIp, kServicePort);
  if (!stream.reply) {
    test::Packet packet = PacketOf(setting_.protocol, ClientOf(flow), service);
    if (stream.syn) packet.Flags("S");
    if (stream.tunnelled) {
      const Bytes inner = packet.Macs(test::kCookieMac, test::kUidMac).Build();
      return OfWorker().Vxlan(XLB_PEER_VNI, inner, kVniFlag, 0).Build();
    }
    return packet.Macs(test::kGatewayMac, test::kUplinkMac).Build();
  }
  const std::string client = ClientOf(flow);
  const std::string port = client.substr(client.find(':'));
  if (setting_.kind == XLB_KIND_LOCAL) {
    return PacketOf(setting_.protocol, fmt::format("{}:{}", TaskOf(flow), kTargetPort), client)
        .Macs(test::kTaskMac, test::kTaskVethMac)
        .Build();
  }
  if (setting_.kind == XLB_KIND_ROUTE) {
    return PacketOf(setting_.protocol, fmt::format("{}:{}", TaskOf(flow), kTargetPort), test::kNodeIp + port)
        .Macs(test::kGatewayMac, test::kUplinkMac)
        .Build();
  }
  if (setting_.kind == XLB_KIND_PEER) {
    const test::Packet inner = PacketOf(setting_.protocol, service, client).Macs(test::kCookieMac, test::kUidMac);
    return OfWorker().Vxlan(XLB_PEER_VNI, inner.Build(), kVniFlag, XLB_TUNNEL_REPLY).Build();
  }
  const test::Packet inner =
      PacketOf(setting_.protocol, fmt::format("{}:{}", TaskOf(flow), kServicePort), test::kIngressIp + port)
          .Macs(test::kTaskMac, test::kIngressMac);
  return OfWorker().Vxlan(test::kVni, inner.Build()).Build();
}

void Scene::Answer(uint32_t flow) const {
  const uint32_t client = htonl(BENCH_CLIENTS + flow);
  for (xlb_flow& place : programs_->flows().flows()) {
    if (place.key[0].saddr != client || !xlb_life_is_live(place.life)) continue;
    xlb_life_note(&place, place.life, xlb_life_seen(place.life), XLB_FLOW_REPLIED, 0);
  }
}

std::vector<uint64_t> Scene::ReadCounters() const {
  std::vector<uint64_t> sums;
  ReadPackets(programs_->maps().counters, uint32_t{XLB_HOOKS} * XLB_COUNTERS, sums);
  ReadPackets(programs_->maps().drops, uint32_t{XLB_HOOKS} * XLB_DROP_REASONS, sums);
  return sums;
}

absl::Status Scene::CheckCounters(const std::vector<uint64_t>& before, const std::vector<Counted>& counted,
                                  uint64_t packets) const {
  const std::vector<uint64_t> after = ReadCounters();
  for (size_t i = 0; i < after.size(); i++) {
    const bool expected = std::any_of(counted.begin(), counted.end(), [i](const Counted& one) {
      return i == static_cast<size_t>(one.hook) * XLB_COUNTERS + one.counter;
    });
    const uint64_t moved = after[i] - before[i];
    if (moved == (expected ? packets : 0)) continue;
    // A new flow's port may be one that an old flow has, to the same backend.
    if (i == size_t{XLB_HOOK_XDP} * XLB_COUNTERS + XLB_COUNT_PORT_CHANGED && moved < packets / 20) continue;
    return absl::InternalError(
        fmt::format("{}: {} of {} packets were counted as {}: this is not what was to be measured", setting_.name,
                    moved, packets, CounterName(i)));
  }
  return absl::OkStatus();
}

}  // namespace xlb::bench
