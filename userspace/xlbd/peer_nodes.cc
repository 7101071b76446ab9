#include "xlbd/peer_nodes.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace xlb {
namespace {

// Within which every node learns a new secret of the swarm: managers look every 15 s.
constexpr std::chrono::seconds kSecretSpreads{60};

// Grows over restarts of this process and of the node.
uint64_t NextSeq(uint64_t last) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  return std::max(static_cast<uint64_t>(ns), last + 1);
}

std::string_view TextOf(PeerState state) {
  switch (state) {
    case PeerState::kUnknown:
      return "unknown";
    case PeerState::kUp:
      return "up";
    case PeerState::kSilent:
      return "silent";
    case PeerState::kPlain:
      return "no xlb";
  }
  return "";
}

}  // namespace

PeerNodes::PeerNodes(boost::asio::any_io_executor executor, const Clock* clock, PeerTimes times, PeerMaps maps,
                     Callbacks callbacks)
    : clock_(clock),
      times_(times),
      maps_(std::move(maps)),
      callbacks_(std::move(callbacks)),
      tracker_(clock, times),
      timer_(executor) {}

absl::Status PeerNodes::Start() {
  XLB_RETURN_IF_ERROR(maps_.Load());
  pinned_ = maps_.peers();
  // Also where the clock was set back: answers to smaller numbers count as old.
  for (const auto& [address, peer] : pinned_) {
    const auto state = maps_.State(address);
    if (state && state->version != 0) last_seq_ = std::max<uint64_t>(last_seq_, state->seq);
  }
  Arm();
  return absl::OkStatus();
}

void PeerNodes::SetTopology(const PeerTopology& topology) {
  if (topology.own_address.IsUnset() || topology.vxlan_port == 0 || topology.secret.empty()) return;
  if (topology == topology_) return;
  if (topology.secret != topology_.secret) {
    former_secret_ = topology_.secret;
    learned_ = clock_->Now();
  }
  if (topology.own_address != topology_.own_address) socket_.reset();
  topology_ = topology;
  SetBackends(backends_);
  WritePeers();
}

void PeerNodes::SetBackends(const std::map<Ipv4, std::set<UidPrefix>>& backends) {
  backends_ = backends;
  if (topology_.secret.empty()) return;
  auto peers = backends;
  for (const auto& [address, name] : topology_.nodes) peers.try_emplace(address);
  peers.erase(topology_.own_address);
  tracker_.SetPeers(peers);
  const std::vector<Ipv4> known = tracker_.Peers();
  const auto is_written = [this](Ipv4 address) { return maps_.peers().contains(address.be); };
  if (known.size() != maps_.peers().size() || !std::all_of(known.begin(), known.end(), is_written)) WritePeers();
}

PeerNodes::KeyPhase PeerNodes::Phase() const {
  const auto known_for = clock_->Now() - learned_;
  if (known_for < kSecretSpreads) return KeyPhase::kUseFormer;
  return known_for < 2 * kSecretSpreads ? KeyPhase::kTakeFormer : KeyPhase::kNewAlone;
}

std::optional<PairKey> PeerNodes::FormerKey(Ipv4 address) const {
  if (!former_secret_.empty()) return MakePairKey(former_secret_, topology_.own_address, address);
  const auto pinned = pinned_.find(address.be);
  if (pinned == pinned_.end()) return std::nullopt;
  PairKey key;
  std::copy_n(pinned->second.key, key.key.size(), key.key.begin());
  std::copy_n(pinned->second.cookie, key.cookie.size(), key.cookie.begin());
  return key;
}

PairKey PeerNodes::KeyInUse(Ipv4 address) const {
  const std::optional<PairKey> former = FormerKey(address);
  if (former && Phase() == KeyPhase::kUseFormer) return *former;
  return MakePairKey(topology_.secret, topology_.own_address, address);
}

xlb_peer PeerNodes::RecordOf(Ipv4 address) const {
  const PairKey key = KeyInUse(address), newest = MakePairKey(topology_.secret, topology_.own_address, address);
  const std::optional<PairKey> former = FormerKey(address);
  xlb_peer record{};
  std::copy(key.key.begin(), key.key.end(), record.key);
  std::copy(key.cookie.begin(), key.cookie.end(), record.cookie);
  if (!former || former->key == newest.key || Phase() == KeyPhase::kNewAlone) return record;
  const PairKey& other = Phase() == KeyPhase::kUseFormer ? newest : *former;
  std::copy(other.key.begin(), other.key.end(), record.old_key);
  std::copy(other.cookie.begin(), other.cookie.end(), record.old_cookie);
  return record;
}

void PeerNodes::WritePeers() {
  written_ = Phase();
  Peers wanted;
  for (const Ipv4 address : tracker_.Peers()) wanted[address.be] = RecordOf(address);
  const auto changed = maps_.SetPeers(wanted);
  if (!changed.ok()) callbacks_.on_event("peers-failed", "data path", std::string(changed.status().message()));
  if (changed.ok() && *changed) callbacks_.on_keys();
}

void PeerNodes::Arm() {
  timer_.expires_after(tracker_.Hurries() ? times_.hurry : times_.round);
  timer_.async_wait([this, alive = std::weak_ptr<bool>(alive_)](const boost::system::error_code& error) {
    if (error || alive.expired()) return;  // a handler that is queued already runs all the same
    Round();
    Arm();
  });
}

void PeerNodes::Round() {
  if (topology_.secret.empty()) return;
  if (Phase() != written_) WritePeers();
  ReadAnswers();
  Ask();
  if (tracker_.Judge()) {
    TellChanges();
    callbacks_.on_change();
  }
}

void PeerNodes::ReadAnswers() {
  for (const Ipv4 address : tracker_.Peers()) {
    const auto state = maps_.State(address.be);
    if (!state) continue;
    tracker_.Note(address, *state);
    // A farewell is an answer to every question; later ones must count again.
    if (state->version == 0) maps_.ForgetState(address.be);
  }
}

void PeerNodes::Ask() {
  if (!socket_) {
    auto socket = HelloSocket::Open(topology_.own_address);
    const std::string failure(socket.ok() ? "" : socket.status().message());
    if (failure != last_failure_ && !failure.empty()) callbacks_.on_event("peers-failed", "hello", failure);
    last_failure_ = failure;
    if (!socket.ok()) {
      for (const Ipv4 address : tracker_.Peers()) tracker_.NotAsked(address);
      return;
    }
    socket_.emplace(*std::move(socket));
  }
  last_seq_ = NextSeq(last_seq_);
  for (const PeerTracker::Question& question : tracker_.Ask(last_seq_)) {
    const PairKey key = KeyInUse(question.peer);
    const absl::Status sent = socket_->Send(MakeQuestion(topology_.own_address, question.seq, question.uids, key.key),
                                            question.peer, topology_.vxlan_port);
    if (absl::IsFailedPrecondition(sent)) tracker_.NotAsked(question.peer);
  }
}

void PeerNodes::TellChanges() {
  for (const Ipv4 address : tracker_.Peers()) {
    const PeerState state = tracker_.State(address);
    const auto [told, is_first] = told_.try_emplace(address, PeerState::kUnknown);
    if (std::exchange(told->second, state) == state) continue;
    const std::string name = NameOf(address);
    if (state == PeerState::kUp)
      callbacks_.on_event("peer-up", name, "xlb there answers: clients' packets go as they come");
    if (state == PeerState::kSilent)
      callbacks_.on_event("peer-silent", name, "xlb there does not answer: its tasks are down");
    if (state == PeerState::kPlain) callbacks_.on_event("peer-none", name, "no xlb there that this one can speak with");
  }
}

std::string PeerNodes::NameOf(Ipv4 address) const {
  const auto node = topology_.nodes.find(address);
  return node == topology_.nodes.end() || node->second.empty() ? address.ToString() : node->second;
}

std::vector<PeerView> PeerNodes::Describe() const {
  std::vector<PeerView> views;
  for (const Ipv4 address : tracker_.Peers()) {
    PeerView view;
    view.node = NameOf(address);
    view.address = address.ToString();
    view.state = TextOf(tracker_.State(address));
    view.version = tracker_.Version(address);
    const auto since = tracker_.SinceAnswer(address);
    view.answer_seconds = since ? std::chrono::duration<double>(*since).count() : -1;
    views.push_back(std::move(view));
  }
  return views;
}

}  // namespace xlb
