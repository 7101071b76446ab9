#include "peer/peer_tracker.h"

#include <algorithm>
#include <utility>

namespace xlb {
namespace {

constexpr size_t kQuestionsKept = 64;  // a few seconds of rounds, also in a hurry
// The peer's xlbd may hear of a new task a little later than this one.
constexpr std::chrono::seconds kNewFor{5};

}  // namespace

void PeerTracker::SetPeers(const std::map<Ipv4, std::set<UidPrefix>>& peers) {
  const Clock::Time now = clock_->Now();
  changed_ |= std::erase_if(peers_, [&](const auto& entry) { return !peers.contains(entry.first); }) != 0;
  for (const auto& [address, uids] : peers) {
    const auto [found, is_new] = peers_.try_emplace(address);
    Peer& peer = found->second;
    if (is_new) peer.since = peer.heard = now;
    std::erase_if(peer.backends, [&](const auto& entry) { return !uids.contains(entry.first); });
    for (const UidPrefix& uid : uids) {
      const auto [backend, added] = peer.backends.try_emplace(uid);
      if (added) backend->second.since = now;
    }
  }
}

// What is not known or may soon be otherwise comes first, then what was asked longest ago.
std::vector<PeerTracker::Question> PeerTracker::Ask(uint64_t seq) {
  std::vector<Question> questions;
  for (auto& [address, peer] : peers_) {
    std::vector<std::pair<bool, std::pair<uint64_t, UidPrefix>>> order;
    for (const auto& [uid, backend] : peer.backends) order.push_back({!IsOpen(peer, backend), {backend.asked, uid}});
    std::sort(order.begin(), order.end());
    if (order.size() > XLB_HELLO_UIDS) order.resize(XLB_HELLO_UIDS);
    Question question{address, seq, {}};
    for (const auto& [is_known, asked] : order) {
      question.uids.push_back(asked.second);
      peer.backends[asked.second].asked = seq;
    }
    peer.questions.push_back({seq, question.uids});
    if (peer.questions.size() > kQuestionsKept) peer.questions.pop_front();
    questions.push_back(std::move(question));
  }
  return questions;
}

void PeerTracker::NotAsked(Ipv4 address) {
  const auto found = peers_.find(address);
  if (found == peers_.end()) return;
  found->second.heard = clock_->Now();
  if (!found->second.questions.empty()) found->second.questions.pop_back();
}

void PeerTracker::Note(Ipv4 address, const xlb_peer_state& answer) {
  const auto found = peers_.find(address);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  // It takes its leave, if it does not answer what it is asked from now on: else the farewell is one that somebody has
  // recorded. Answers that are still on their way were given before.
  if (answer.version == 0) {
    if (!peer.questions.empty()) peer.answered_seq = peer.questions.back().seq;
    if (!peer.leaving) peer.leaving = clock_->Now();
    return;
  }
  if (answer.seq <= peer.answered_seq) return;
  const auto question = std::find_if(peer.questions.begin(), peer.questions.end(),
                                     [&](const Asked& asked) { return asked.seq == answer.seq; });
  if (question == peer.questions.end()) return;  // an earlier xlbd's
  const Clock::Time now = clock_->Now();
  if (now - peer.heard > 3 * times_.round) peer.streak = 0;
  peer.streak++;
  peer.heard = now;
  peer.answered = true;
  peer.leaving.reset();
  peer.answered_seq = answer.seq;
  peer.version = answer.version;
  if (answer.version != XLB_HELLO_VERSION) return Become(peer, PeerState::kPlain);
  Learn(peer, *question, answer.delivers);
  if (peer.state != PeerState::kSilent || peer.streak >= times_.answers_to_return) Become(peer, PeerState::kUp);
}

void PeerTracker::Learn(Peer& peer, const Asked& question, uint32_t delivers) {
  for (size_t i = 0; i < question.uids.size(); i++) {
    const auto backend = peer.backends.find(question.uids[i]);
    if (backend == peer.backends.end()) continue;
    const bool delivered = (delivers >> i & 1) != 0;
    if (backend->second.delivered == delivered) continue;
    backend->second.delivered = delivered;
    changed_ = true;
  }
}

bool PeerTracker::Judge() {
  const Clock::Time now = clock_->Now();
  // This process did not run for a while, and so neither asked nor looked: nobody is to blame for that time.
  const Clock::Duration gap = judged_ == Clock::Time{} ? Clock::Duration{} : now - judged_;
  const bool slept = gap > std::max<Clock::Duration>(times_.silence / 2, 3 * times_.round);
  for (auto& [address, peer] : peers_) {
    if (slept) {
      peer.heard = std::min(now, peer.heard + gap);
      peer.since = std::min(now, peer.since + gap);
      peer.leaving.reset();
    }
    if (peer.leaving && now - *peer.leaving > 2 * times_.round) {
      peer.leaving.reset();
      Become(peer, PeerState::kPlain);
    }
    if (peer.state == PeerState::kUp && now - peer.heard > times_.silence) Become(peer, PeerState::kSilent);
    if (peer.state == PeerState::kSilent && now - peer.since > times_.forget) Become(peer, PeerState::kPlain);
    if (peer.state == PeerState::kUnknown && now - peer.since > times_.grace) Become(peer, PeerState::kPlain);
  }
  judged_ = now;
  return std::exchange(changed_, false);
}

void PeerTracker::Become(Peer& peer, PeerState state) {
  if (peer.state == state) return;
  if (state == PeerState::kSilent) peer.streak = 0;
  // What it delivered to before it went is no longer known.
  if (state == PeerState::kPlain) {
    for (auto& [uid, backend] : peer.backends) backend.delivered.reset();
  }
  peer.state = state;
  peer.since = clock_->Now();
  changed_ = true;
}

bool PeerTracker::IsOpen(const Peer& peer, const Backend& backend) const {
  if (peer.state != PeerState::kUp) return false;
  if (!backend.delivered.has_value()) return true;
  return !*backend.delivered && clock_->Now() - backend.since < kNewFor;
}

bool PeerTracker::Hurries() const {
  return std::any_of(peers_.begin(), peers_.end(), [this](const auto& entry) {
    const Peer& peer = entry.second;
    return std::any_of(peer.backends.begin(), peer.backends.end(),
                       [&](const auto& backend) { return IsOpen(peer, backend.second); });
  });
}

const PeerTracker::Peer* PeerTracker::Find(Ipv4 peer) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() ? nullptr : &found->second;
}

PeerState PeerTracker::State(Ipv4 address) const {
  const Peer* peer = Find(address);
  return peer == nullptr ? PeerState::kUnknown : peer->state;
}

std::optional<bool> PeerTracker::Delivers(Ipv4 address, const UidPrefix& uid) const {
  const Peer* peer = Find(address);
  if (peer == nullptr || peer->state != PeerState::kUp) return std::nullopt;
  const auto backend = peer->backends.find(uid);
  return backend == peer->backends.end() ? std::nullopt : backend->second.delivered;
}

uint16_t PeerTracker::Version(Ipv4 address) const {
  const Peer* peer = Find(address);
  return peer == nullptr ? uint16_t{0} : peer->version;
}

std::optional<std::chrono::milliseconds> PeerTracker::SinceAnswer(Ipv4 address) const {
  const Peer* peer = Find(address);
  if (peer == nullptr || !peer->answered) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock_->Now() - peer->heard);
}

std::vector<Ipv4> PeerTracker::Peers() const {
  std::vector<Ipv4> addresses;
  for (const auto& [address, peer] : peers_) addresses.push_back(address);
  return addresses;
}

}  // namespace xlb
