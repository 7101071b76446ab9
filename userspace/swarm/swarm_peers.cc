#include "swarm/swarm_peers.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <utility>

namespace xlb {
namespace {

constexpr char kEverywhere[] = "0.0.0.0";

std::string ReasonsOf(const FollowerState& state) {
  std::vector<std::string> reasons;
  for (const auto& [host, reason] : state.failures) reasons.push_back(fmt::format("{} {}", host, reason));
  return fmt::format("{}", fmt::join(reasons, "; "));
}

}  // namespace

SwarmPeers::SwarmPeers(boost::asio::any_io_executor executor, SwarmPeersOptions options, OnFacts on_facts,
                       OnChange on_change, OnEvent on_event)
    : options_([&options] {
        options.follower.port = options.listen.port;
        return std::move(options);
      }()),
      on_change_(std::move(on_change)),
      on_event_(std::move(on_event)),
      files_(options_.certificates),
      server_(executor, {},
              [this](const std::string& host, const std::string& reason) { on_event_("peer-refused", host, reason); }),
      follower_(
          executor, options_.follower, [this] { return files_.Get(); }, std::move(on_facts),
          [this] { OnFollowerState(); }),
      timer_(executor) {}

void SwarmPeers::Become(Role role) {
  if (std::exchange(role_, role) == role) return;
  timer_.cancel();
  server_.Close();
  listening_on_.clear();
  if (role != Role::kWorker) follower_.Stop();
  followed_.clear();
  warning_.clear();
}

void SwarmPeers::BeNothing() { Become(Role::kNone); }

void SwarmPeers::BeManager(Ipv4 own_address) {
  if (IsOff()) return;
  const bool is_new = role_ != Role::kManager || own_address_ != own_address;
  own_address_ = own_address;
  Become(Role::kManager);
  if (is_new) Check();
}

void SwarmPeers::BeWorker(std::vector<RemoteManager> managers) {
  if (IsOff()) return;
  Become(Role::kWorker);
  const bool knows_none = managers.empty();
  follower_.SetManagers(std::move(managers));
  follower_.Start();
  if (knows_none) SetWarning("this node's Docker knows no manager of the swarm");
}

void SwarmPeers::Check() {
  const absl::Status status = Serve();
  SetWarning(status.ok() ? "" : fmt::format("no worker can follow this manager: {}", std::string(status.message())));
  timer_.expires_after(options_.check_every);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && role_ == Role::kManager) Check();
  });
}

absl::Status SwarmPeers::Serve() {
  auto credentials = files_.Get();
  if (!credentials.ok()) {
    server_.Use(nullptr);
    server_.Close();
    listening_on_.clear();
    return credentials.status();
  }
  server_.Use(*std::move(credentials));
  return Listen();
}

absl::Status SwarmPeers::Listen() {
  const bool anywhere = options_.listen.host == kEverywhere;
  const std::string wanted = anywhere && !own_address_.IsUnset() ? own_address_.ToString() : options_.listen.host;
  // An advertised address that is not one of this node's own, as behind NAT, leaves it everywhere for good.
  if (listening_on_ == wanted || (anywhere && listening_on_ == kEverywhere)) return absl::OkStatus();
  listening_on_.clear();
  std::string host = wanted;
  absl::Status status = server_.Listen(host, options_.listen.port);
  if (!status.ok() && anywhere && host != kEverywhere) {
    host = kEverywhere;
    status = server_.Listen(host, options_.listen.port);
  }
  if (!status.ok()) return status;
  listening_on_ = host;
  on_event_("peer-serving", fmt::format("{}:{}", host, options_.listen.port), "the swarm's nodes may follow this one");
  return absl::OkStatus();
}

void SwarmPeers::Publish(const SwarmFacts& facts, const std::set<std::string>& dead_containers) {
  if (role_ == Role::kManager) server_.Publish(facts, dead_containers);
}

void SwarmPeers::Withhold(std::string reason) {
  if (role_ == Role::kManager) server_.Withhold(std::move(reason));
}

void SwarmPeers::OnFollowerState() {
  const FollowerState& state = follower_.state();
  const std::string before = std::exchange(followed_, state.manager ? state.manager->host : "");
  const std::string reasons = ReasonsOf(state);
  if (state.manager && before != followed_) on_event_("peer-following", followed_, "this manager's xlbd is followed");
  if (!state.manager && !before.empty()) on_event_("peer-lost", before, reasons);
  SetWarning(state.manager ? "" : fmt::format("no manager's xlbd can be followed: {}", reasons));
}

void SwarmPeers::SetWarning(std::string text) {
  if (std::exchange(warning_, std::move(text)) != warning_) on_change_();
}

std::string SwarmPeers::Describe(const std::function<std::string(const std::string& node_id)>& name_of) const {
  if (IsOff()) return "off";
  if (role_ == Role::kNone) return "";
  if (role_ == Role::kManager) {
    if (!server_.listening()) return "serves no other node";
    return fmt::format("serves the swarm's nodes at {}:{}, {} connected", listening_on_, server_.port(),
                       server_.followers());
  }
  const FollowerState& state = follower_.state();
  std::string heard = "never heard of one";
  if (state.last_heard) {
    const auto age = std::chrono::steady_clock::now() - *state.last_heard;
    heard = fmt::format("last heard {} s ago", std::chrono::duration_cast<std::chrono::seconds>(age).count());
  }
  if (!state.manager) return fmt::format("follows no manager, {}", heard);
  const std::string name = name_of(state.manager->node_id);
  return fmt::format("follows the manager {} at {}:{}, {}", name.empty() ? state.manager->node_id : name,
                     state.manager->host, options_.listen.port, heard);
}

}  // namespace xlb
