// Keeps this node in the ARP caches of the tasks that it sends to.
#ifndef XLB_SWARM_NEIGHBOR_KEEPER_H_
#define XLB_SWARM_NEIGHBOR_KEEPER_H_

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>
#include <set>

#include "base/ip.h"

namespace xlb {

// A task on another node, and what it must know of this one to answer.
struct TunnelNeighbor {
  Ipv4 task;  // in the ingress network
  Mac task_mac;
  Ipv4 own;  // this node's in the ingress network
  Mac own_mac;
  Ipv4 tunnel_dst;   // the node that runs the task
  Ipv4 tunnel_src;   // this node's data path address
  uint32_t vni = 0;  // of a network that may be sent into in the clear
  auto operator<=>(const TunnelNeighbor&) const = default;
};

enum class ArpOperation : uint16_t { kRequest = 1, kReply = 2 };

// What a VXLAN packet to `to.tunnel_dst` carries: the VXLAN header and an Ethernet frame from this node to the task
// alone (never a broadcast), with an ARP request for the task's address or a reply that names this node's.
inline constexpr size_t kArpInVxlanSize = 8 + 14 + 28;
std::array<uint8_t, kArpInVxlanSize> ArpInVxlan(const TunnelNeighbor& to, ArpOperation operation);

// When this node's dockerd ends in good order, the other nodes forget where its ingress address is: they answer no ARP
// request for it any more, and their tasks fall silent towards this node as soon as their own entry is used up, while
// the data path here still sends to them. So each task is told by this node itself: a request makes the entry if there
// is none (RFC 826), a reply confirms the one there is before the kernel would have to ask; the task's node learns from
// the frames by which way they came. Every task hears so every ten seconds, a new one at once.
//
// Runs on `executor` alone; sends nothing after Stop() or destruction.
class NeighborKeeper {
 public:
  explicit NeighborKeeper(boost::asio::any_io_executor executor);
  NeighborKeeper(const NeighborKeeper&) = delete;
  NeighborKeeper& operator=(const NeighborKeeper&) = delete;
  ~NeighborKeeper();

  // Those to be kept from now on. vxlan_port: the data path's, host order.
  void Set(const std::set<TunnelNeighbor>& neighbors, uint16_t vxlan_port);
  // All of them again as fast as is decent: Docker on this node has just gone.
  void Hurry();
  void Stop();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace xlb

#endif  // XLB_SWARM_NEIGHBOR_KEEPER_H_
