// What is known of xlb on the other nodes, by their answers to hellos. Pure: told what comes and what time it is.
#ifndef XLB_PEER_PEER_TRACKER_H_
#define XLB_PEER_PEER_TRACKER_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/ip.h"
#include "xlb/abi.h"

namespace xlb {

// How a frame of xlb's own VNI names a backend: the first bytes of its uid.
using UidPrefix = std::array<uint8_t, XLB_UID_PREFIX>;

struct PeerTimes {
  std::chrono::milliseconds round{250};      // between two questions to a peer
  std::chrono::milliseconds hurry{50};       // the same while something new is to be learned
  std::chrono::milliseconds silence{1500};   // without an answer: its node is down
  std::chrono::milliseconds forget{600000};  // silent for so long: a node without xlb, as far as we can tell
  std::chrono::milliseconds grace{2000};     // for a first answer: until then an earlier xlbd's knowledge stands
  int answers_to_return = 3;                 // one after another, from a peer that was silent
};

enum class PeerState {
  kUnknown,  // it may still answer for the first time
  kUp,
  kSilent,  // it answered once, and does not now: the node, its data path or the way to it is down
  kPlain,   // no xlb, or one that speaks another version
};

class PeerTracker {
 public:
  PeerTracker(const Clock* clock, PeerTimes times) : clock_(clock), times_(times) {}

  // Every other node by its data path address, with the backends there. What is known of those that stay is kept.
  void SetPeers(const std::map<Ipv4, std::set<UidPrefix>>& peers);

  struct Question {
    Ipv4 peer;
    uint64_t seq = 0;
    std::vector<UidPrefix> uids;  // XLB_HELLO_UIDS at the most
  };
  // The questions of a round. `seq` must be greater than in any round before, also of an earlier process.
  std::vector<Question> Ask(uint64_t seq);
  // The question did not leave this node for a reason of its own (a rule of its firewall): that says nothing of the
  // peer.
  void NotAsked(Ipv4 peer);
  // What the peer answered last. Hearing the same again says nothing.
  void Note(Ipv4 peer, const xlb_peer_state& answer);

  // True if something that State or Delivers say has changed since the last call.
  bool Judge();

  PeerState State(Ipv4 peer) const;
  // Of a peer that is up; nothing: not known yet.
  std::optional<bool> Delivers(Ipv4 peer, const UidPrefix& uid) const;
  // Is there a backend at a peer that is up which it was not asked about yet?
  bool Hurries() const;
  uint16_t Version(Ipv4 peer) const;
  // Since its last answer; nothing: it gave none.
  std::optional<std::chrono::milliseconds> SinceAnswer(Ipv4 peer) const;
  std::vector<Ipv4> Peers() const;

 private:
  struct Backend {
    std::optional<bool> delivered;
    Clock::Time since{};  // when it was first heard of here
    uint64_t asked = 0;   // seq of the last question about it
  };
  struct Asked {
    uint64_t seq = 0;
    std::vector<UidPrefix> uids;
  };
  struct Peer {
    PeerState state = PeerState::kUnknown;
    Clock::Time since{};  // of the state
    Clock::Time heard{};
    bool answered = false;
    std::optional<Clock::Time> leaving;  // it said farewell, and has not answered since
    uint64_t answered_seq = 0;
    int streak = 0;  // answers one after another
    uint16_t version = 0;
    std::map<UidPrefix, Backend> backends;
    std::deque<Asked> questions;
  };

  void Become(Peer& peer, PeerState state);
  void Learn(Peer& peer, const Asked& question, uint32_t delivers);
  bool IsOpen(const Peer& peer, const Backend& backend) const;
  const Peer* Find(Ipv4 peer) const;

  const Clock* clock_;
  PeerTimes times_;
  std::map<Ipv4, Peer> peers_;
  Clock::Time judged_{};
  bool changed_ = false;
};

}  // namespace xlb

#endif  // XLB_PEER_PEER_TRACKER_H_
