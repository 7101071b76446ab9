#include "packet/packet_builder.h"

#include <cstdlib>
#include <tuple>

#include "packet/checksum.h"

namespace xlb::test {
namespace {

constexpr std::string_view kFlagLetters = "FSRPAUEC";  // bit 0 first, as scapy has them

std::pair<uint32_t, uint16_t> ParseEndpoint(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {ParseIp(text), 0};
  return {ParseIp(text.substr(0, colon)),
          static_cast<uint16_t>(std::atoi(std::string(text.substr(colon + 1)).c_str()))};
}

// What is sent for a sum: its complement.
uint16_t Checksum(uint16_t sum) { return static_cast<uint16_t>(~sum); }

}  // namespace

Packet Packet::Ip(uint8_t protocol, std::string_view source, std::string_view destination) {
  Packet packet;
  packet.protocol_ = protocol;
  return packet.From(source).To(destination);
}

Packet Packet::Tcp(std::string_view source, std::string_view destination) { return Ip(kTcp, source, destination); }
Packet Packet::Udp(std::string_view source, std::string_view destination) { return Ip(kUdp, source, destination); }
Packet Packet::Icmp(std::string_view source, std::string_view destination) { return Ip(kIcmp, source, destination); }

Packet Packet::Ethernet(uint16_t type) {
  Packet packet;
  packet.ether_type_ = type;
  return packet;
}

Packet Packet::ArpRequest(std::string_view asker, std::string_view asked) {
  Packet packet = Ethernet(kEtherArp);
  Bytes body;
  Put16(body, 1);  // Ethernet
  Put16(body, kEtherIpv4);
  Put8(body, 6);
  Put8(body, 4);
  Put16(body, 1);  // request
  Append(body, packet.source_mac_);
  Put32(body, ParseIp(asker));
  body.insert(body.end(), 6, 0);
  Put32(body, ParseIp(asked));
  return packet.Payload(std::move(body));
}

Packet& Packet::Macs(std::string_view source, std::string_view destination) {
  source_mac_ = ParseMac(source);
  destination_mac_ = ParseMac(destination);
  return *this;
}

Packet& Packet::Vlan(uint16_t id, uint16_t type) {
  Put16(vlan_, type);
  Put16(vlan_, id);
  return *this;
}

Packet& Packet::From(std::string_view source) {
  std::tie(source_, source_port_) = ParseEndpoint(source);
  return *this;
}

Packet& Packet::To(std::string_view destination) {
  std::tie(destination_, destination_port_) = ParseEndpoint(destination);
  return *this;
}

Packet& Packet::IcmpType(uint8_t type, uint8_t code, uint32_t rest) {
  icmp_type_ = static_cast<uint16_t>(type << 8 | code);
  icmp_rest_ = rest;
  return *this;
}

Packet& Packet::TurnRound() {
  std::swap(source_, destination_);
  std::swap(source_port_, destination_port_);
  std::swap(source_mac_, destination_mac_);
  return *this;
}

Packet& Packet::Fragment(uint16_t offset_bytes, bool more) {
  return Set(fragment_, static_cast<uint16_t>(offset_bytes / 8 | (more ? 0x2000 : 0)));
}

Packet& Packet::IpOptions(Bytes options) { return Set(ip_options_, std::move(options)); }
Packet& Packet::TcpOptions(Bytes options) { return Set(tcp_options_, std::move(options)); }

Packet& Packet::Flags(std::string_view flags) {
  flags_ = 0;
  for (const char letter : flags) flags_ |= static_cast<uint8_t>(1 << kFlagLetters.find(letter));
  return *this;
}

Packet& Packet::Sequence(uint32_t sequence, uint32_t acknowledgement) {
  sequence_ = sequence;
  acknowledgement_ = acknowledgement;
  return *this;
}

Packet& Packet::PayloadOf(size_t length) {
  payload_.clear();
  for (size_t i = 0; i < length; i++) Put8(payload_, static_cast<unsigned>(i * 7 + 3));
  return *this;
}

Packet& Packet::Vxlan(uint32_t vni, const Bytes& frame, uint8_t flags, uint8_t reserved) {
  payload_.clear();
  Put32(payload_, static_cast<uint32_t>(flags) << 24);
  Put32(payload_, vni << 8 | reserved);
  Append(payload_, frame);
  return NoUdpChecksum();
}

Bytes Packet::BuildL4() const {
  Bytes l4;
  if (protocol_ == kTcp) {
    Put16(l4, source_port_);
    Put16(l4, destination_port_);
    Put32(l4, sequence_);
    Put32(l4, acknowledgement_);
    Put8(l4, data_offset_.value_or(static_cast<uint8_t>(5 + tcp_options_.size() / 4)) << 4);
    Put8(l4, flags_);
    Put16(l4, window_);
    Put32(l4, 0);  // checksum, urgent pointer
    Append(l4, tcp_options_);
  } else if (protocol_ == kUdp) {
    Put16(l4, source_port_);
    Put16(l4, destination_port_);
    Put16(l4, udp_length_.value_or(static_cast<uint16_t>(kUdpLength + payload_.size())));
    Put16(l4, 0);
  } else if (protocol_ == kIcmp) {
    Put16(l4, icmp_type_);
    Put16(l4, 0);
    Put32(l4, icmp_rest_);
  }
  Append(l4, payload_);
  return l4;
}

Bytes Packet::BuildIp() const {
  const Bytes l4 = BuildL4();
  const size_t header = kIpLength + ip_options_.size();
  Bytes ip;
  Put8(ip, version_.value_or(4) << 4 | header_words_.value_or(static_cast<uint8_t>(header / 4)));
  Put8(ip, tos_);
  Put16(ip, total_length_.value_or(static_cast<uint16_t>(header + l4.size())));
  Put16(ip, id_);
  Put16(ip, fragment_);
  Put8(ip, ttl_);
  Put8(ip, protocol_);
  Put16(ip, 0);
  Put32(ip, source_);
  Put32(ip, destination_);
  Append(ip, ip_options_);
  Set16(ip, 10, ip_checksum_.value_or(Checksum(OnesSum(ip, 0, header))));
  Append(ip, l4);

  if (protocol_ == kTcp || protocol_ == kUdp) {
    uint16_t checksum = Checksum(OnesSum(ip, header, l4.size(), PseudoHeaderSum(ip, 0, l4.size())));
    if (protocol_ == kUdp && checksum == 0) checksum = 0xffff;
    Set16(ip, header + (protocol_ == kTcp ? 16 : 6), l4_checksum_.value_or(checksum));
  } else if (protocol_ == kIcmp) {
    Set16(ip, header + 2, Checksum(OnesSum(ip, header, l4.size())));
  }
  return ip;
}

Bytes Packet::Build() const {
  Bytes frame = destination_mac_;
  Append(frame, source_mac_);
  Append(frame, vlan_);
  Put16(frame, ether_type_);
  Append(frame, ether_type_ == kEtherIpv4 ? BuildIp() : payload_);
  frame.insert(frame.end(), trailer_, 0);
  return frame;
}

size_t Packet::IpLength() const { return BuildIp().size(); }

}  // namespace xlb::test
