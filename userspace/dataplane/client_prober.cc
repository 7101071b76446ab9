#include "dataplane/client_prober.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <span>

namespace xlb {
namespace {

constexpr uint8_t kTtl = 64;
constexpr uint32_t kHalfTheSequenceSpace = 0x80000000;

// RFC 1071, over an even number of bytes.
uint32_t Sum(std::span<const uint8_t> bytes, uint32_t sum) {
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) sum += uint32_t{bytes[i]} << 8 | bytes[i + 1];
  return sum;
}

uint16_t Checksum(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<uint16_t>(~sum));
}

}  // namespace

std::array<uint8_t, kProbeSize> MakeProbe(const xlb_flow_key& key, uint32_t seq) {
  iphdr ip{};
  ip.version = 4;
  ip.ihl = 5;
  ip.tot_len = htons(kProbeSize);
  ip.frag_off = htons(IP_DF);
  ip.ttl = kTtl;
  ip.protocol = IPPROTO_TCP;
  ip.saddr = key.daddr;
  ip.daddr = key.saddr;
  tcphdr tcp{};
  tcp.source = key.dport;
  tcp.dest = key.sport;
  tcp.seq = htonl(seq);
  tcp.doff = 5;
  tcp.ack = 1;

  std::array<uint8_t, kProbeSize> packet{};
  std::memcpy(packet.data(), &ip, sizeof(ip));
  std::memcpy(packet.data() + sizeof(ip), &tcp, sizeof(tcp));
  const std::span<const uint8_t> bytes(packet);
  const uint32_t pseudo = Sum(bytes.subspan(offsetof(iphdr, saddr), 8), IPPROTO_TCP + sizeof(tcp));
  tcp.check = Checksum(Sum(bytes.subspan(sizeof(ip)), pseudo));
  ip.check = Checksum(Sum(bytes.first(sizeof(ip)), 0));
  std::memcpy(packet.data(), &ip, sizeof(ip));
  std::memcpy(packet.data() + sizeof(ip), &tcp, sizeof(tcp));
  return packet;
}

absl::StatusOr<ClientProber> ClientProber::Open() {
  UniqueFd fd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
  if (fd.get() < 0) return ErrnoStatus(errno, "cannot open a raw socket");
  return ClientProber(std::move(fd));
}

absl::Status ClientProber::Probe(const xlb_flow_key& key) const {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = key.saddr;
  for (const uint32_t seq : {uint32_t{0}, kHalfTheSequenceSpace}) {
    const auto packet = MakeProbe(key, seq);
    if (sendto(fd_.get(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) < 0) {
      return ErrnoStatus(errno, "cannot ask a client for a sign of life");
    }
  }
  return absl::OkStatus();
}

}  // namespace xlb
