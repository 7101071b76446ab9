#include "dataplane/hello_socket.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <endian.h>
#include <fmt/core.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "dataplane/batch.h"
#include "dataplane/pins.h"
#include "dataplane/siphash.h"

namespace xlb {
namespace {

constexpr uint32_t kVxlanFlagVni = 0x08000000;  // RFC 7348 5
constexpr int kFarewells = 3;                   // one may get lost

HelloPacket Pack(xlb_hello hello, const std::array<uint64_t, 2>& key) {
  SignHello(hello, key);
  HelloPacket packet{};
  const uint32_t vxlan[2] = {htonl(kVxlanFlagVni), htonl(uint32_t{XLB_PEER_VNI} << 8)};
  std::memcpy(packet.data(), vxlan, sizeof(vxlan));
  ether_header inner{};  // between no devices in particular
  inner.ether_type = htons(XLB_HELLO_ETHERTYPE);
  std::memcpy(packet.data() + sizeof(vxlan), &inner, sizeof(inner));
  std::memcpy(packet.data() + sizeof(vxlan) + sizeof(inner), &hello, sizeof(hello));
  return packet;
}

UniqueFd PinnedMap(const std::string& bpffs_dir, const char* map) {
  return UniqueFd(bpf_obj_get(fmt::format("{}/{}", bpffs_dir, map).c_str()));
}

// By which of this node's addresses each other one knows it, as far as backends there say.
std::map<uint32_t, uint32_t> TunnelSources(const std::string& bpffs_dir) {
  std::map<uint32_t, uint32_t> sources;
  const UniqueFd backends = PinnedMap(bpffs_dir, kBackendMapPin);
  const auto note = [&](uint32_t, const xlb_backend& backend) {
    if (backend.kind == XLB_KIND_VXLAN) sources[backend.tunnel_dst] = backend.tunnel_src;
  };
  if (backends.valid()) (void)ForEachEntry<uint32_t, xlb_backend>(backends.get(), kBackendMapPin, note);
  return sources;
}

}  // namespace

HelloPacket MakeQuestion(Ipv4 asker, uint64_t seq, std::span<const std::array<uint8_t, XLB_UID_PREFIX>> uids,
                         const std::array<uint64_t, 2>& key) {
  xlb_hello hello{};
  hello.version = htons(XLB_HELLO_VERSION);
  hello.kind = XLB_HELLO_ASK;
  hello.asker = asker.be;
  hello.seq = htobe64(seq);
  for (size_t i = 0; i < std::min<size_t>(uids.size(), XLB_HELLO_UIDS); i++) {
    std::copy(uids[i].begin(), uids[i].end(), hello.uids[i].uid);
  }
  return Pack(hello, key);
}

HelloPacket MakeFarewell(Ipv4 asker, const std::array<uint64_t, 2>& key) {
  xlb_hello hello{};
  hello.kind = XLB_HELLO_ANSWER;
  hello.asker = asker.be;
  hello.seq = ~uint64_t{0};
  return Pack(hello, key);
}

absl::StatusOr<HelloSocket> HelloSocket::Open(Ipv4 own_address) {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "cannot open a socket for hellos");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = own_address.be;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, fmt::format("cannot send hellos from {}", own_address.ToString()));
  }
  return HelloSocket(std::move(fd), own_address);
}

absl::Status HelloSocket::Send(const HelloPacket& packet, Ipv4 to, uint16_t vxlan_port) const {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = to.be;
  address.sin_port = htons(vxlan_port);
  const ssize_t sent = sendto(fd_.get(), packet.data(), packet.size(), MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (sent == static_cast<ssize_t>(packet.size())) return absl::OkStatus();
  const int error = errno;
  const std::string what = fmt::format("cannot send a hello to {}", to.ToString());
  // What an earlier hello met on its way (ICMP) is told here, once: that is about the peer.
  const bool is_peers = error == EHOSTUNREACH || error == EHOSTDOWN || error == ECONNREFUSED;
  if (is_peers) return ErrnoStatus(error, what);
  return absl::FailedPreconditionError(fmt::format("{}: {}", what, std::strerror(error)));
}

void SayFarewell(const std::string& bpffs_dir) {
  const UniqueFd peers = PinnedMap(bpffs_dir, kPeerMapPin), nodes = PinnedMap(bpffs_dir, kNodeMapPin);
  const uint32_t zero = 0;
  xlb_node node{};
  if (!peers.valid() || !nodes.valid() || bpf_map_lookup_elem(nodes.get(), &zero, &node) != 0) return;
  if (node.schema != XLB_SCHEMA || node.vxlan_port == 0) return;
  const std::map<uint32_t, uint32_t> sources = TunnelSources(bpffs_dir);
  (void)ForEachEntry<uint32_t, xlb_peer>(peers.get(), kPeerMapPin, [&](uint32_t address, const xlb_peer& peer) {
    const auto source = sources.find(address);
    const auto socket = HelloSocket::Open(source == sources.end() ? Ipv4{} : Ipv4{source->second});
    const HelloPacket farewell = MakeFarewell(Ipv4{address}, {peer.key[0], peer.key[1]});
    for (int i = 0; i < kFarewells && socket.ok(); i++) {
      (void)socket->Send(farewell, Ipv4{address}, ntohs(node.vxlan_port));
    }
  });
}

}  // namespace xlb
