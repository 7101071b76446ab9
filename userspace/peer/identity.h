// Who a node of the swarm is, by the certificate that Swarm gave it, and whom to believe.
#ifndef XLB_PEER_IDENTITY_H_
#define XLB_PEER_IDENTITY_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "docker/types.h"

struct ssl_st;
struct x509_st;

namespace xlb {

struct PeerIdentity {
  std::string swarm;    // O: the id of the swarm
  std::string role;     // OU: "swarm-manager", "swarm-worker"
  std::string node_id;  // CN
  bool operator==(const PeerIdentity&) const = default;
};

// DataLoss unless the subject has each of the three exactly once.
absl::StatusOr<PeerIdentity> IdentityOf(const x509_st* certificate);
// Of the other end, whose certificate OpenSSL has verified.
absl::StatusOr<PeerIdentity> IdentityOfPeer(const ssl_st* session);

// May `peer` learn what managers know? Any node of the same swarm may.
absl::Status CheckClient(const PeerIdentity& own, const PeerIdentity& peer);
// Is `peer` a manager of the same swarm, and one of those that this node's own Docker names?
absl::Status CheckManager(const PeerIdentity& own, const PeerIdentity& peer,
                          const std::vector<RemoteManager>& managers);

}  // namespace xlb

#endif  // XLB_PEER_IDENTITY_H_
