// Desired state and peers: which backends on other nodes get clients' packets as they come, and which are down.
#ifndef XLB_XLBD_PEER_REACH_H_
#define XLB_XLBD_PEER_REACH_H_

#include <functional>
#include <map>
#include <set>
#include <string>

#include "model/desired_state.h"
#include "peer/peer_tracker.h"

namespace xlb {

UidPrefix UidPrefixOf(const Backend& backend);

// The backends of the swarm on other nodes, by the node's data path address.
std::map<Ipv4, std::set<UidPrefix>> BackendsByNode(const DesiredState& state);

// Has the data path's record of the backend the flag XLB_BACKEND_PEER so far?
using WasPeer = std::function<bool(const std::string& identity)>;

// Marks the backends whose node's xlb delivers to them, and takes those of silent nodes down. Where an answer is still
// to come, what an earlier xlbd knew stands.
void ApplyPeers(const PeerTracker& tracker, const WasPeer& was_peer, DesiredState& state);

// Why a backend on another node does not see clients' addresses, or is down, in a few words; empty: it does.
std::string WhyNotPeer(const PeerTracker& tracker, const Service& service, const Backend& backend);

}  // namespace xlb

#endif  // XLB_XLBD_PEER_REACH_H_
