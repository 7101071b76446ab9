// What a manager's xlbd tells the others, as JSON:
//   {"version": 1, "hash": "...", "services": [...], "removed_services": [...], "tasks": [...], "nodes": [...]}
// The hash is of the rest; a client says which one it knows and is answered when there is another.
#ifndef XLB_PEER_DOCUMENT_H_
#define XLB_PEER_DOCUMENT_H_

#include <set>
#include <string>
#include <string_view>

#include "base/status.h"
#include "docker/types.h"

namespace xlb {

inline constexpr int kPeerDocumentVersion = 1;

struct PeerDocument {
  std::string hash;
  SwarmFacts facts;
};

// What other nodes' data paths need of `facts`: services with a port on the ingress network, with the labels that are
// meant for xlb, and their tasks that may still run. Everything else is nobody's business on the wire.
SwarmFacts FactsForPeers(const SwarmFacts& facts, const std::set<std::string>& dead_containers);

struct WrittenDocument {
  std::string hash;
  std::string text;
};
WrittenDocument WriteDocument(const SwarmFacts& facts);

// Members that are missing or unknown are no error, another version is one (Unimplemented), and so is what is no JSON
// (DataLoss).
absl::StatusOr<PeerDocument> ReadDocument(std::string_view text);

}  // namespace xlb

#endif  // XLB_PEER_DOCUMENT_H_
