#include "packet/packet_generator.h"

#include <fmt/core.h>

#include "packet/checksum.h"
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr const char* kFlags[] = {"S", "S", "S", "A", "A", "PA", "FA", "R", "RA", "SA", "SEC", "", "FSRPAUEC"};
constexpr const char* kServices[] = {"192.0.2.1:8091",   "192.0.2.1:8092",   "198.51.100.1:8091", "192.0.2.200:80",
                                     "192.0.2.1:8093",   "192.0.2.1:9999",   "192.0.2.77:8091",   "0.0.0.0:8091",
                                     "192.0.2.200:8091", "192.0.2.200:4789", "192.0.2.1:8094",    "192.0.2.1:8095"};
constexpr size_t kTunnelLength = kEthernetLength + kIpLength + kUdpLength + kVxlanLength;

}  // namespace

PacketGenerator::Input PacketGenerator::Next() {
  if (!fragments_.empty() && OneIn(2)) {
    Input later = std::move(fragments_.front());
    fragments_.pop_front();
    return later;
  }
  Input input;
  input.program = OneIn(2) ? Program::kXdp : Program::kUplink;
  const uint32_t kind = Below(12);
  Packet packet = OneIn(8)                     ? FromPeer()
                  : kind < 5 || peers_.empty() ? ClientPacket()
                  : kind < 9                   ? Answer(input.program)
                  : kind < 11                  ? Error(input.program)
                                               : Oddity();
  if (OneIn(10)) packet = FromNode(input.program);
  input.frame = packet.Build();
  if (OneIn(5)) Cut(input);
  if (OneIn(2)) Mutate(input.frame);
  // What the node itself sends is never cut.
  input.marked = input.program != Program::kXdp && input.program != Program::kHost && OneIn(20);
  return input;
}

void PacketGenerator::Decorate(Packet& packet) {
  packet.Id(static_cast<uint16_t>(random_()));
  if (OneIn(3)) packet.Tos(static_cast<uint8_t>(random_()));
  if (OneIn(10)) packet.Ttl(static_cast<uint8_t>(Below(4)));
  if (OneIn(2)) packet.PayloadOf(Below(OneIn(6) ? 2000 : 64));
  if (OneIn(4)) packet.DontFragment();
  if (packet.protocol() == kTcp) {
    packet.Flags(kFlags[Below(std::size(kFlags))]);
    if (OneIn(3)) packet.TcpOptions(Bytes(4 * Below(11), 1));
  } else if (OneIn(4)) {
    packet.NoUdpChecksum();
  }
  if (OneIn(30)) packet.ForceL4Checksum(static_cast<uint16_t>(random_()));
  if (OneIn(8)) packet.Trailer(Below(20));
}

Packet PacketGenerator::ClientPacket() {
  const std::string client =
      fmt::format("{}:{}", OneIn(20) ? kSilentIp : fmt::format("203.0.113.{}", Below(8)), 40000 + Below(12));
  const char* service = kServices[OneIn(2) ? 0 : Below(std::size(kServices))];
  Packet packet = FromClient(OneIn(2) ? Packet::Tcp(client, service) : Packet::Udp(client, service));
  Decorate(packet);
  return packet;
}

Packet PacketGenerator::FromNode(Program& program) {
  program = OneIn(2) ? Program::kHost : Program::kTask;
  const char* of_host[] = {kNodeIp, "127.0.0.1", "203.0.113.9"};
  const char* client = program == Program::kHost ? of_host[Below(3)] : "172.18.0.9";
  Packet packet = ClientPacket().From(fmt::format("{}:{}", client, 40000 + Below(12)));
  if (OneIn(4)) packet.To("127.0.0.1:8091");
  return packet;
}

Packet PacketGenerator::FromPeer() {
  const auto flags = static_cast<uint8_t>(OneIn(10) ? random_() : Below(4));
  if (OneIn(10))
    return PeerFrame(Packet::Ethernet(OneIn(2) ? XLB_HELLO_ETHERTYPE : 0x0806).PayloadOf(Below(160)), flags);
  Packet frame = PeerFrame(ClientPacket(), flags);
  if (OneIn(20)) frame.From("192.0.2.21:51000");
  return frame;
}

Packet PacketGenerator::Answer(Program& program) {
  const Peer& peer = peers_[Below(static_cast<uint32_t>(peers_.size()))];
  Packet packet = Packet::Ip(peer.protocol, peer.source, peer.destination).Macs(kGatewayMac, kUplinkMac);
  Decorate(packet);
  if (peer.local) {
    program = Program::kTask;
    return packet;
  }
  if (!peer.tunnelled) return packet;
  if (peer.by_xlb) return PeerFrame(packet, XLB_TUNNEL_REPLY);
  Packet outer = Wrapped(packet, OneIn(20) ? kVni + 1 : kVni);
  if (OneIn(20)) outer.From("192.0.2.21:51000");
  if (OneIn(2)) outer.Tos(static_cast<uint8_t>(random_()));
  return outer;
}

Packet PacketGenerator::Error(Program& program) {
  constexpr uint8_t kTypes[] = {3, 3, 3, 3, 11, 12, 0, 4, 5, 8};
  const Peer& peer = peers_[Below(static_cast<uint32_t>(peers_.size()))];
  // What the backend got, or, guessed, what a client got.
  const bool of_backend = !OneIn(3);
  Packet quoted = of_backend ? Packet::Ip(peer.protocol, peer.destination, peer.source)
                             : Packet::Ip(OneIn(2) ? kTcp : kUdp, kServices[0],
                                          fmt::format("203.0.113.{}:{}", Below(8), 40000 + Below(12)));
  Decorate(quoted);
  Bytes bytes = quoted.Build();
  bytes.erase(bytes.begin(), bytes.begin() + kEthernetLength);
  if (OneIn(2)) bytes.resize(std::min<size_t>(bytes.size(), Below(64)));
  const std::string sender = OneIn(2) ? IpText(quoted.destination()) : "203.0.113.99";
  Packet error = FromClient(Packet::Icmp(sender, IpText(quoted.source()))).Payload(std::move(bytes));
  error.IcmpType(kTypes[Below(std::size(kTypes))], static_cast<uint8_t>(Below(6)), Below(2000));
  if (of_backend && peer.local) program = Program::kTask;
  return of_backend && peer.tunnelled ? Wrapped(error) : error;
}

void PacketGenerator::Cut(Input& input) {
  const Bytes& frame = input.frame;
  if (frame.size() < kEthernetLength + kIpLength + 8u || Get16(frame, 12) != kEtherIpv4) return;
  if (Get16(frame, kEthernetLength + 2) + kEthernetLength > frame.size()) return;
  const std::vector<Bytes> fragments = FragmentsOf(frame, 28 + 8 * Below(120));
  for (size_t i = 1; i < fragments.size() && i < 6; i++) fragments_.push_back({input.program, fragments[i]});
  input.frame = fragments[0];
}

Packet PacketGenerator::Oddity() {
  switch (Below(6)) {
    case 0:
      return Packet::ArpRequest("192.0.2.10", kNodeIp);
    case 1:
      return Packet::Ethernet(static_cast<uint16_t>(random_())).PayloadOf(Below(100));
    case 2:
      return FromClient(Packet::Icmp("203.0.113.7", kNodeIp)).PayloadOf(Below(100));
    case 3:
      return ClientPacket().Vlan(static_cast<uint16_t>(random_()));
    case 4:
      return ClientPacket().IpOptions(Bytes(4 * Below(11), 1));
    default:
      return ClientPacket().Fragment(static_cast<uint16_t>(8 * Below(100)), OneIn(2));
  }
}

void PacketGenerator::Learn(const Bytes& sent) {
  size_t ip = kEthernetLength;
  Peer peer;
  if (sent.at(ip + 9) == kUdp && IpText(Get32(sent, ip + 16)) == kWorkerIp) {
    peer.tunnelled = true;
    peer.by_xlb = Get32(sent, kEthernetLength + kIpLength + kUdpLength + 4) >> 8 == XLB_PEER_VNI;
    ip = kTunnelLength + kEthernetLength;
  }
  peer.local = IpText(Get32(sent, ip + 16)) == "172.18.0.3";
  peer.protocol = sent.at(ip + 9);
  peer.source = fmt::format("{}:{}", IpText(Get32(sent, ip + 16)), Get16(sent, ip + kIpLength + 2));
  peer.destination = fmt::format("{}:{}", IpText(Get32(sent, ip + 12)), Get16(sent, ip + kIpLength));
  peers_.push_back(std::move(peer));
  if (peers_.size() > 100) peers_.pop_front();
}

// One to three wounds, mostly in the headers; often with the IP checksum right again, so that it does not hide them.
void PacketGenerator::Mutate(Bytes& frame) {
  for (uint32_t wounds = 1 + Below(3); wounds > 0 && !frame.empty(); wounds--) {
    const size_t at = Below(static_cast<uint32_t>(OneIn(4) ? frame.size() : std::min<size_t>(frame.size(), 104)));
    switch (Below(6)) {
      case 0:
        frame[at] = static_cast<uint8_t>(frame[at] ^ 1 << Below(8));
        break;
      case 1:
        frame[at] = static_cast<uint8_t>(random_());
        break;
      case 2:
        frame[at] = OneIn(2) ? 0 : 0xff;
        break;
      case 3:
        frame.resize(at);
        break;
      case 4:
        frame.insert(frame.end(), Below(60), static_cast<uint8_t>(random_()));
        break;
      default:
        frame.erase(frame.begin() + static_cast<long>(at));
        break;
    }
  }
  for (const size_t ip : {kEthernetLength, kTunnelLength + kEthernetLength}) {
    if (frame.size() < ip + kIpLength || OneIn(3)) continue;
    Set16(frame, ip + 10, 0);
    Set16(frame, ip + 10, static_cast<uint16_t>(~OnesSum(frame, ip, kIpLength)));
    if (ip == kEthernetLength && frame[ip + 9] != kUdp) break;
  }
}

}  // namespace xlb::test
