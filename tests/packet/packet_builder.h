// Frames from a few words. `Tcp("203.0.113.7:40000", "192.0.2.1:80").Flags("S").Build()` is right in every length and
// checksum; the setters named Force... make one thing wrong on purpose. A case that expects a rewritten frame copies
// the packet it sent and sets what must differ.
#ifndef XLB_TESTS_PACKET_PACKET_BUILDER_H_
#define XLB_TESTS_PACKET_PACKET_BUILDER_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "packet/bytes.h"

namespace xlb::test {

class Packet {
 public:
  // Addresses are "a.b.c.d:port"; ICMP takes addresses alone.
  static Packet Tcp(std::string_view source, std::string_view destination);
  static Packet Udp(std::string_view source, std::string_view destination);
  static Packet Icmp(std::string_view source, std::string_view destination);
  // IPv4 with any protocol number; the payload follows the IP header at once.
  static Packet Ip(uint8_t protocol, std::string_view source, std::string_view destination);
  // Not IP at all: the payload follows the Ethernet header.
  static Packet Ethernet(uint16_t type);
  static Packet ArpRequest(std::string_view asker, std::string_view asked);

  Packet& Macs(std::string_view source, std::string_view destination);
  Packet& Vlan(uint16_t id, uint16_t type = kEtherVlan);
  Packet& From(std::string_view source);
  Packet& To(std::string_view destination);
  Packet& TurnRound();  // addresses, ports and MAC addresses
  Packet& Tos(uint8_t tos) { return Set(tos_, tos); }
  Packet& Ttl(uint8_t ttl) { return Set(ttl_, ttl); }
  Packet& Id(uint16_t id) { return Set(id_, id); }
  Packet& DontFragment() { return Set(fragment_, static_cast<uint16_t>(0x4000)); }
  Packet& Fragment(uint16_t offset_bytes, bool more);
  Packet& IpOptions(Bytes options);  // a multiple of four bytes
  Packet& Flags(std::string_view flags);
  Packet& Sequence(uint32_t sequence, uint32_t acknowledgement);
  Packet& Window(uint16_t window) { return Set(window_, window); }
  Packet& TcpOptions(Bytes options);  // a multiple of four bytes
  Packet& Payload(std::string_view text) { return Set(payload_, Bytes(text.begin(), text.end())); }
  Packet& Payload(Bytes bytes) { return Set(payload_, std::move(bytes)); }
  Packet& PayloadOf(size_t length);                                 // `length` bytes, each another one
  Packet& IcmpType(uint8_t type, uint8_t code, uint32_t rest = 0);  // `rest`: the second word of the header
  Packet& NoUdpChecksum() { return ForceL4Checksum(0); }
  // The payload of a UDP packet to port 4789: a VXLAN header and the frame. `reserved`: the byte behind the VNI.
  Packet& Vxlan(uint32_t vni, const Bytes& frame, uint8_t flags = 0x08, uint8_t reserved = 0);
  Packet& Trailer(size_t length) { return Set(trailer_, length); }  // Ethernet padding

  Packet& ForceVersion(uint8_t version) { return Set(version_, version); }
  Packet& ForceHeaderWords(uint8_t words) { return Set(header_words_, words); }
  Packet& ForceTotalLength(uint16_t length) { return Set(total_length_, length); }
  Packet& ForceIpChecksum(uint16_t checksum) { return Set(ip_checksum_, checksum); }
  Packet& ForceDataOffset(uint8_t words) { return Set(data_offset_, words); }
  Packet& ForceUdpLength(uint16_t length) { return Set(udp_length_, length); }
  Packet& ForceL4Checksum(uint16_t checksum) { return Set(l4_checksum_, checksum); }

  Bytes Build() const;
  size_t IpLength() const;  // of the whole IP packet

  uint32_t source() const { return source_; }
  uint32_t destination() const { return destination_; }
  uint16_t source_port() const { return source_port_; }
  uint16_t destination_port() const { return destination_port_; }
  uint8_t protocol() const { return protocol_; }
  uint8_t tos() const { return tos_; }
  uint16_t id() const { return id_; }
  const Bytes& payload() const { return payload_; }

 private:
  template <typename T, typename V>
  Packet& Set(T& field, V value) {
    field = std::move(value);
    return *this;
  }
  Bytes BuildIp() const;
  Bytes BuildL4() const;

  Bytes source_mac_{2, 0, 0, 0, 0, 0x10};
  Bytes destination_mac_{2, 0, 0, 0, 0, 1};
  Bytes vlan_;
  uint16_t ether_type_ = kEtherIpv4;
  uint8_t protocol_ = kTcp;
  uint32_t source_ = 0;
  uint32_t destination_ = 0;
  uint16_t source_port_ = 0;
  uint16_t destination_port_ = 0;
  uint8_t tos_ = 0;
  uint8_t ttl_ = 64;
  uint16_t id_ = 0x1234;
  uint16_t fragment_ = 0;
  Bytes ip_options_;
  uint8_t flags_ = 0x10;
  uint32_t sequence_ = 0x01020304;
  uint32_t acknowledgement_ = 0x05060708;
  uint16_t window_ = 0xfaf0;
  uint16_t icmp_type_ = 0x0800;  // echo request
  uint32_t icmp_rest_ = 0x00010001;
  Bytes tcp_options_;
  Bytes payload_;
  size_t trailer_ = 0;
  std::optional<uint8_t> version_, header_words_, data_offset_;
  std::optional<uint16_t> total_length_, ip_checksum_, udp_length_, l4_checksum_;
};

}  // namespace xlb::test

#endif  // XLB_TESTS_PACKET_PACKET_BUILDER_H_
