// What two nodes of a swarm share, so that each believes the other's frames: derived from a secret that every member
// of the swarm can have and nobody else. Pure.
#ifndef XLB_PEER_PAIR_KEY_H_
#define XLB_PEER_PAIR_KEY_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "xlb/abi.h"

namespace xlb {

// 32 bytes: SHA-256 over a name of its use, the cluster's id and its join token for workers, which managers know. They
// hand it (not the token) to workers. Empty when either is. It changes when the token is rotated.
std::string TunnelSecret(std::string_view cluster_id, std::string_view worker_join_token);

struct PairKey {
  std::array<uint64_t, 2> key{};               // of SipHash-2-4, as in struct xlb_peer
  std::array<uint8_t, XLB_ETH_ALEN> cookie{};  // never all zero
};

// HMAC-SHA256 by the secret over both addresses, the lower first: the same at both ends.
PairKey MakePairKey(std::string_view secret, Ipv4 one, Ipv4 other);

}  // namespace xlb

#endif  // XLB_PEER_PAIR_KEY_H_
