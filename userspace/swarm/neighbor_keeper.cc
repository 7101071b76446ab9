#include "swarm/neighbor_keeper.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "base/unique_fd.h"

namespace xlb {
namespace {

using std::chrono::milliseconds;

// A task's entry is good for 15 s at least after a reply (half of Linux's base_reachable_time).
constexpr milliseconds kPace{1000};
constexpr size_t kPacesPerRound = 10;
// A hurry tells thousands of tasks within seconds, and is still nothing to any network.
constexpr milliseconds kHurryPace{20};
constexpr size_t kHurryBatch = 100;

class Writer {
 public:
  explicit Writer(uint8_t* to) : to_(to) {}
  Writer& Bytes(const void* from, size_t size) {
    std::memcpy(to_, from, size);
    to_ += size;
    return *this;
  }
  Writer& Number16(uint16_t number) {
    const uint16_t be = htons(number);
    return Bytes(&be, sizeof(be));
  }
  Writer& Number32(uint32_t number) {
    const uint32_t be = htonl(number);
    return Bytes(&be, sizeof(be));
  }
  Writer& Address(Ipv4 address) { return Bytes(&address.be, sizeof(address.be)); }
  Writer& Address(const Mac& mac) { return Bytes(mac.bytes.data(), mac.bytes.size()); }

 private:
  uint8_t* to_;
};

sockaddr_in SocketAddress(Ipv4 address, uint16_t port) {
  sockaddr_in socket_address{};
  socket_address.sin_family = AF_INET;
  socket_address.sin_addr.s_addr = address.be;
  socket_address.sin_port = htons(port);
  return socket_address;
}

}  // namespace

std::array<uint8_t, kArpInVxlanSize> ArpInVxlan(const TunnelNeighbor& to, ArpOperation operation) {
  std::array<uint8_t, kArpInVxlanSize> bytes{};
  Writer writer(bytes.data());
  // RFC 7348: the flag that the VNI is valid; the VNI in the upper 24 bits.
  writer.Number32(0x08000000).Number32(to.vni << 8);
  writer.Address(to.task_mac).Address(to.own_mac).Number16(0x0806);
  // RFC 826: Ethernet, IPv4, the lengths of their addresses.
  writer.Number16(1).Number16(0x0800).Number16(0x0604).Number16(static_cast<uint16_t>(operation));
  writer.Address(to.own_mac).Address(to.own);
  // A request does not know the address that it asks for.
  writer.Address(operation == ArpOperation::kReply ? to.task_mac : Mac{}).Address(to.task);
  return bytes;
}

class NeighborKeeper::Impl : public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(boost::asio::any_io_executor executor) : timer_(std::move(executor)) {}

  void Set(const std::set<TunnelNeighbor>& neighbors, uint16_t vxlan_port);
  void Hurry();
  void Stop() {
    stopped_ = true;
    timer_.cancel();
  }

 private:
  void Arm();
  void Turn();
  void Tell(const TunnelNeighbor& neighbor);
  int SocketFrom(Ipv4 source);

  boost::asio::steady_timer timer_;
  bool stopped_ = false;
  uint16_t port_ = 0;
  std::vector<TunnelNeighbor> neighbors_;  // sorted
  size_t next_ = 0;                        // whose turn it is in the round
  std::deque<TunnelNeighbor> at_once_;
  std::map<Ipv4, UniqueFd> sockets_;  // by source
};

void NeighborKeeper::Impl::Set(const std::set<TunnelNeighbor>& neighbors, uint16_t vxlan_port) {
  if (stopped_) return;
  port_ = vxlan_port;
  if (std::equal(neighbors.begin(), neighbors.end(), neighbors_.begin(), neighbors_.end())) return;
  std::erase_if(at_once_, [&](const TunnelNeighbor& neighbor) { return !neighbors.contains(neighbor); });
  std::set_difference(neighbors.begin(), neighbors.end(), neighbors_.begin(), neighbors_.end(),
                      std::back_inserter(at_once_));
  neighbors_.assign(neighbors.begin(), neighbors.end());
  next_ = std::min(next_, neighbors_.size());
  std::erase_if(sockets_, [&](const auto& socket) {
    const auto uses = [&](const TunnelNeighbor& neighbor) { return neighbor.tunnel_src == socket.first; };
    return std::none_of(neighbors.begin(), neighbors.end(), uses);
  });
  if (!at_once_.empty()) Turn();
}

void NeighborKeeper::Impl::Hurry() {
  if (stopped_) return;
  at_once_.assign(neighbors_.begin(), neighbors_.end());
  Turn();
}

void NeighborKeeper::Impl::Turn() {
  if (!at_once_.empty()) {
    for (size_t count = std::min(kHurryBatch, at_once_.size()); count > 0; --count) {
      Tell(at_once_.front());
      at_once_.pop_front();
    }
  } else {
    for (size_t count = (neighbors_.size() + kPacesPerRound - 1) / kPacesPerRound; count > 0; --count) {
      if (next_ >= neighbors_.size()) next_ = 0;
      Tell(neighbors_[next_++]);
    }
  }
  Arm();
}

void NeighborKeeper::Impl::Arm() {
  if (neighbors_.empty()) return;
  timer_.expires_after(at_once_.empty() ? kPace : kHurryPace);
  timer_.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
    const auto impl = self.lock();
    if (!error && impl != nullptr && !impl->stopped_) impl->Turn();
  });
}

void NeighborKeeper::Impl::Tell(const TunnelNeighbor& neighbor) {
  const int socket = SocketFrom(neighbor.tunnel_src);
  if (socket < 0) return;
  const sockaddr_in to = SocketAddress(neighbor.tunnel_dst, port_);
  for (const ArpOperation operation : {ArpOperation::kRequest, ArpOperation::kReply}) {
    const auto packet = ArpInVxlan(neighbor, operation);
    // One that does not get away is made up for in the next round.
    (void)sendto(socket, packet.data(), packet.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to),
                 sizeof(to));
  }
}

// -1: the address is not this node's just now.
int NeighborKeeper::Impl::SocketFrom(Ipv4 source) {
  if (const auto known = sockets_.find(source); known != sockets_.end()) return known->second.get();
  UniqueFd made(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in from = SocketAddress(source, 0);
  if (!made.valid() || bind(made.get(), reinterpret_cast<const sockaddr*>(&from), sizeof(from)) != 0) return -1;
  return sockets_.emplace(source, std::move(made)).first->second.get();
}

NeighborKeeper::NeighborKeeper(boost::asio::any_io_executor executor)
    : impl_(std::make_shared<Impl>(std::move(executor))) {}
NeighborKeeper::~NeighborKeeper() { impl_->Stop(); }
void NeighborKeeper::Set(const std::set<TunnelNeighbor>& neighbors, uint16_t vxlan_port) {
  impl_->Set(neighbors, vxlan_port);
}
void NeighborKeeper::Hurry() { impl_->Hurry(); }
void NeighborKeeper::Stop() { impl_->Stop(); }

}  // namespace xlb
