// The packets that most cases begin with: a far client asks this node's port 8091.
#ifndef XLB_TESTS_PACKET_SAMPLES_H_
#define XLB_TESTS_PACKET_SAMPLES_H_

#include <string_view>
#include <vector>

#include "packet/node.h"
#include "packet/packet_builder.h"
#include "packet/test_network.h"

namespace xlb::test {

inline constexpr char kClient[] = "203.0.113.7:40000";
inline constexpr char kService[] = "192.0.2.1:8091";

inline Packet FromClient(Packet packet) { return packet.Macs(kGatewayMac, kUplinkMac); }
inline Packet ClientTcp(std::string_view flags) { return FromClient(Packet::Tcp(kClient, kService).Flags(flags)); }
inline Packet ClientUdp() { return FromClient(Packet::Udp(kClient, kService).Payload("question")); }

// Towards a routed backend, which like the client is behind the gateway: addresses and MACs of what is sent.
inline Packet RoutedTo(Packet packet, std::string_view source, std::string_view destination) {
  return packet.From(source).To(destination).Macs(kUplinkMac, kGatewayMac).Ttl(63);
}
// Towards a task, inside the tunnel or on the bridge.
inline Packet ToTask(Packet packet, std::string_view source, std::string_view destination, const char* source_mac) {
  return packet.From(source).To(destination).Macs(source_mac, kTaskMac).Ttl(63);
}
// The answer that the client gets for a reply of its backend.
inline Packet ToClient(Packet reply) { return RoutedTo(std::move(reply), kService, kClient); }

// What RFC 9293 3.10.7.1 has for a segment without payload, SYN or FIN whose connection does not exist.
inline Packet ResetOf(Packet segment, uint32_t sequence = 0x05060708) {
  return segment.TurnRound().Flags("R").Sequence(sequence, 0).Window(0).Tos(0).Id(0).DontFragment().Ttl(64);
}

// The frame's packet in fragments of no more than `mtu` bytes, as RFC 791 3.2 has it.
std::vector<Bytes> FragmentsOf(const Bytes& frame, size_t mtu);

inline Node OneService(const xlb_backend& backend) {
  return Node()
      .Address(kNodeIp)
      .Address(kNodeIp2)
      .Service("tcp", "*", 8091, {backend})
      .Service("udp", "*", 8091, {backend});
}

}  // namespace xlb::test

#endif  // XLB_TESTS_PACKET_SAMPLES_H_
