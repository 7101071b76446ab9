// Sends hellos (struct xlb_hello) to xlb on other nodes. Answers do not come back to it: the programs take them.
#ifndef XLB_DATAPLANE_HELLO_SOCKET_H_
#define XLB_DATAPLANE_HELLO_SOCKET_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "base/ip.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "xlb/abi.h"

namespace xlb {

// What a VXLAN packet with a hello carries: the VXLAN header, an Ethernet header and the hello.
inline constexpr size_t kHelloInVxlanSize = 8 + 14 + sizeof(xlb_hello);
using HelloPacket = std::array<uint8_t, kHelloInVxlanSize>;

// A question of `asker`, this node's data path address, signed by the pair's key (the words of xlb_peer.key): about
// XLB_HELLO_UIDS backends at the most.
HelloPacket MakeQuestion(Ipv4 asker, uint64_t seq, std::span<const std::array<uint8_t, XLB_UID_PREFIX>> uids,
                         const std::array<uint64_t, 2>& key);
// "No xlb here any more": what a node that is being detached says. It is an answer to every question.
HelloPacket MakeFarewell(Ipv4 asker, const std::array<uint64_t, 2>& key);

class HelloSocket {
 public:
  // From this node's data path address; unset: the kernel chooses.
  static absl::StatusOr<HelloSocket> Open(Ipv4 own_address);
  // Does not wait. FailedPrecondition: it did not leave this node, for a reason of its own (its firewall, no route, no
  // address).
  absl::Status Send(const HelloPacket& packet, Ipv4 to, uint16_t vxlan_port) const;
  Ipv4 own_address() const { return own_address_; }

 private:
  HelloSocket(UniqueFd fd, Ipv4 own_address) : fd_(std::move(fd)), own_address_(own_address) {}
  UniqueFd fd_;
  Ipv4 own_address_;
};

// Says to every node that the pinned maps know that there is no xlb here any more: for whoever has taken the programs
// away and not yet the maps. Without an answer: a node that does not hear it finds out by itself.
void SayFarewell(const std::string& bpffs_dir);

}  // namespace xlb

#endif  // XLB_DATAPLANE_HELLO_SOCKET_H_
