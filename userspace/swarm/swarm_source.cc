#include "swarm/swarm_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>
#include <vector>

#include "docker/client.h"
#include "docker/readers.h"
#include "swarm/docker_reader.h"
#include "swarm/kernel_reader.h"
#include "swarm/reach.h"

namespace xlb {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using Time = std::chrono::steady_clock::time_point;

// After an event the tasks' states follow within a second or two: polled more often for that long.
constexpr milliseconds kHurryInterval{100};
constexpr std::chrono::seconds kHurryTime{3};
// A large cluster's list of tasks takes dockerd a while: asking takes at most this part of its time.
constexpr int kRestPerPoll = 5;
constexpr milliseconds kLongestInterval{2000};
// Everything is read anew now and then, whatever the events say.
constexpr std::chrono::seconds kResyncInterval{15};
// A task without a leg on docker_gwbridge after so many polls has none.
constexpr int kLegAttempts = 20;

}  // namespace

class SwarmSource::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, SwarmOptions options, OnChange on_change, OnEvent on_event)
      : executor_(executor),
        options_(std::move(options)),
        on_change_(std::move(on_change)),
        on_event_(std::move(on_event)),
        timer_(executor),
        client_(executor, options_.docker_socket, options_.http),
        docker_(client_),
        kernel_(options_.netns_dir) {
    view_.docker = "connecting";
  }

  void Start();
  void Stop();
  void OnLinksChanged();
  const SwarmView& view() const { return view_; }

 private:
  static asio::awaitable<void> Run(std::shared_ptr<Impl> self);
  static asio::awaitable<void> FollowEvents(std::shared_ptr<Impl> self, uint64_t session);

  // From a connection to its end, which is always an error.
  asio::awaitable<absl::Status> Session();
  asio::awaitable<absl::Status> FollowSwarm();
  asio::awaitable<absl::Status> Refresh(uint32_t parts);
  asio::awaitable<void> Sleep(milliseconds time);

  void OnDockerEvent(const DockerEvent& event);
  void Wake(uint32_t parts);
  milliseconds PollInterval(milliseconds last_poll) const;
  void ReadKernel(bool again);
  bool LegsMissing();
  void Lost(const absl::Status& status);
  void Publish();
  void PublishState(std::string docker);
  void Take(SwarmView view);
  void Tell(const char* kind, const std::string& subject, const std::string& text) {
    if (on_event_) on_event_(kind, subject, text);
  }

  asio::any_io_executor executor_;
  SwarmOptions options_;
  OnChange on_change_;
  OnEvent on_event_;
  asio::steady_timer timer_;
  DockerClient client_;
  DockerReader docker_;
  KernelReader kernel_;
  SwarmView view_;

  bool started_ = false;
  bool stopped_ = false;
  bool is_manager_ = false;  // the snapshots are of a manager, and the view is made from them
  bool connected_ = false;
  uint64_t session_ = 0;        // events of an earlier one count no more
  absl::Status events_status_;  // how this session's event stream ended
  uint32_t wanted_ = 0;         // parts to read at the next turn
  Time hurry_until_{};
  std::map<std::string, int> leg_attempts_;  // container -> polls that found it without a leg
};

void SwarmSource::Impl::Start() {
  if (std::exchange(started_, true)) return;
  asio::co_spawn(executor_, Run(shared_from_this()), asio::detached);
}

void SwarmSource::Impl::Stop() {
  stopped_ = true;
  client_.Abort();
  timer_.cancel();
}

asio::awaitable<void> SwarmSource::Impl::Run(std::shared_ptr<Impl> self) {
  milliseconds backoff = self->options_.backoff_min;
  while (!self->stopped_) {
    const absl::Status status = co_await self->Session();
    ++self->session_;
    self->client_.Abort();
    if (self->stopped_) break;
    if (self->connected_) backoff = self->options_.backoff_min;
    self->Lost(status);
    co_await self->Sleep(backoff);
    backoff = std::min(backoff * 2, self->options_.backoff_max);
  }
}

void SwarmSource::Impl::Lost(const absl::Status& status) {
  const std::string reason(status.message());
  const bool was_connected = std::exchange(connected_, false);
  // Any code but this one means that there is, or was, a Docker to talk to.
  PublishState(fmt::format("{}: {}", absl::IsFailedPrecondition(status) ? "absent" : "connecting", reason));
  if (was_connected) Tell("docker-lost", options_.docker_socket, reason);
}

asio::awaitable<absl::Status> SwarmSource::Impl::Session() {
  XLB_CO_ASSIGN_OR_RETURN(const DockerVersion version, co_await client_.Negotiate());
  std::string refusal;  // why the swarm could not be followed a moment ago
  for (;;) {
    XLB_CO_ASSIGN_OR_RETURN(const boost::json::value json, co_await client_.Get("/info"));
    if (stopped_) co_return absl::CancelledError("stopped");
    DockerInfo info = ReadInfo(json);
    if (info.server_version.empty()) info.server_version = version.version;
    if (!std::exchange(connected_, true)) {
      Tell("docker-connected", options_.docker_socket,
           fmt::format("Docker {}, API {}", version.version, client_.api_version()));
    }
    const std::string state = info.swarm_state;
    docker_.SetInfo(std::move(info));
    if (state == "active" && docker_.snapshot().info.control_available) {
      if (!refusal.empty()) {
        PublishState(fmt::format("connected: {}", refusal));
        co_await Sleep(options_.poll_interval);
      }
      const absl::Status ended = co_await FollowSwarm();
      if (stopped_ || !IsRefusal(ended)) co_return ended;
      // A node that was just demoted, or a swarm without a leader: what is it now?
      ++session_;
      client_.Abort();
      refusal = std::string(ended.message());
      continue;
    }
    refusal.clear();
    // An engine that comes up, or whose store is locked, will know again what it knew: the data path goes on.
    if (state == "pending" || state == "error" || state == "locked") {
      const std::string& error = docker_.snapshot().info.swarm_error;
      PublishState(fmt::format("connected: the swarm is {}{}{}", state, error.empty() ? "" : ": ", error));
    } else {
      is_manager_ = false;
      Publish();
    }
    co_await Sleep(options_.role_poll_interval);
    if (stopped_) co_return absl::CancelledError("stopped");
  }
}

asio::awaitable<absl::Status> SwarmSource::Impl::FollowSwarm() {
  // The stream first, so that no change falls between it and the first reading.
  events_status_ = absl::OkStatus();
  asio::co_spawn(executor_, FollowEvents(shared_from_this(), session_), asio::detached);
  wanted_ = kEveryPart;
  Time last_resync{};
  for (;;) {
    const Time start = std::chrono::steady_clock::now();
    if (start - last_resync > kResyncInterval) {
      wanted_ = kEveryPart;
      last_resync = start;
    }
    // This node's place in the ingress network comes with no event.
    if (OwnIngressEndpoint(docker_.snapshot()) == nullptr) wanted_ |= kIngressPart;
    XLB_CO_RETURN_IF_ERROR(co_await Refresh(std::exchange(wanted_, 0) | kTasksPart));
    if (stopped_) co_return absl::CancelledError("stopped");
    XLB_CO_RETURN_IF_ERROR(events_status_);
    const auto took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
    if (wanted_ == 0) {
      co_await Sleep(PollInterval(took));
    }
    if (stopped_) co_return absl::CancelledError("stopped");
    XLB_CO_RETURN_IF_ERROR(events_status_);
  }
}

asio::awaitable<absl::Status> SwarmSource::Impl::Refresh(uint32_t parts) {
  XLB_CO_RETURN_IF_ERROR(co_await docker_.Read(parts));
  if (stopped_) co_return absl::CancelledError("stopped");
  is_manager_ = true;
  docker_.ForgetDead(std::chrono::steady_clock::now());
  ReadKernel((parts & kNamespacesPart) != 0);
  // A task that has just come, on the network that was read before it.
  if (LegsMissing()) {
    XLB_CO_RETURN_IF_ERROR(co_await docker_.Read(kGatewayPart));
    if (stopped_) co_return absl::CancelledError("stopped");
    ReadKernel(false);
  }
  Publish();
  co_return absl::OkStatus();
}

asio::awaitable<void> SwarmSource::Impl::Sleep(milliseconds time) {
  if (stopped_) co_return;
  timer_.expires_after(time);
  const auto [error] = co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  (void)error;
}

asio::awaitable<void> SwarmSource::Impl::FollowEvents(std::shared_ptr<Impl> self, uint64_t session) {
  std::vector<std::string> types = {"container", "network", "service", "node", "daemon"};
  std::function<void()> on_open = [] {};
  std::function<void(const DockerEvent&)> on_event = [self, session](const DockerEvent& event) {
    if (!self->stopped_ && self->session_ == session) self->OnDockerEvent(event);
  };
  const absl::Status status = co_await self->client_.Events(std::move(types), std::move(on_open), std::move(on_event));
  if (self->stopped_ || self->session_ != session) co_return;
  self->events_status_ = status;
  self->Wake(0);
}

void SwarmSource::Impl::OnDockerEvent(const DockerEvent& event) {
  const uint32_t parts = PartsConcernedBy(event);
  if (parts == 0) return;
  if (event.type == "container" && event.action == "die") {
    docker_.ContainerDied(event.actor_id, std::chrono::steady_clock::now());
    if (is_manager_) Publish();
  }
  if (event.type == "container" && event.action == "start") docker_.ContainerStarted(event.actor_id);
  leg_attempts_.clear();
  Wake(parts);
}

void SwarmSource::Impl::Wake(uint32_t parts) {
  wanted_ |= parts;
  hurry_until_ = std::chrono::steady_clock::now() + kHurryTime;
  timer_.cancel();
}

milliseconds SwarmSource::Impl::PollInterval(milliseconds last_poll) const {
  const bool hurry = std::chrono::steady_clock::now() < hurry_until_;
  const milliseconds usual = hurry ? std::min(kHurryInterval, options_.poll_interval) : options_.poll_interval;
  return std::max(usual, std::min(last_poll * kRestPerPoll, kLongestInterval));
}

void SwarmSource::Impl::ReadKernel(bool again) {
  const DockerSnapshot& docker = docker_.snapshot();
  std::map<std::string, Mac> sandboxes;
  if (docker.gateway_network) {
    for (const SwarmTask* task : docker_.LocalTasks()) {
      const auto endpoint = docker.gateway_network->endpoints.find(task->container_id);
      if (endpoint == docker.gateway_network->endpoints.end()) continue;
      if (const std::string sandbox = SandboxOf(endpoint->second); !sandbox.empty()) {
        sandboxes[sandbox] = endpoint->second.mac;
      }
    }
  }
  kernel_.ReadLinks();
  kernel_.ReadOverlay(docker.ingress ? docker.ingress->id : std::string(), docker.nodes);
  kernel_.ReadTasks(sandboxes, again);
}

bool SwarmSource::Impl::LegsMissing() {
  const DockerSnapshot& docker = docker_.snapshot();
  bool missing = false;
  for (const SwarmTask* task : docker_.LocalTasks()) {
    const bool known = docker.gateway_network && docker.gateway_network->endpoints.contains(task->container_id);
    const bool read =
        known && kernel_.snapshot().tasks.contains(SandboxOf(docker.gateway_network->endpoints.at(task->container_id)));
    if (!read && leg_attempts_[task->container_id]++ < kLegAttempts) missing = true;
  }
  return missing;
}

void SwarmSource::Impl::OnLinksChanged() {
  if (stopped_ || !is_manager_) return;
  kernel_.ReadLinks();
  Publish();
}

void SwarmSource::Impl::Publish() {
  SwarmView view;
  if (is_manager_) {
    view = BuildSwarmView(docker_.snapshot(), kernel_.snapshot());
  } else {
    const DockerInfo& info = docker_.snapshot().info;
    view.docker_version = info.server_version;
    view.role = info.swarm_state == "active" ? "worker" : "none";
    view.node_id = info.node_id;
    view.node_name = info.name;
    view.ingress_network = "none";
    if (view.role == "worker") {
      view.ingress_network = "not known on a worker";
      view.warnings = {
          "this node is a worker, and Docker tells workers no published port's protocol: "
          "its ports are left to Docker's mesh"};
    }
  }
  view.docker = connected_ ? "connected" : view_.docker;
  Take(std::move(view));
}

void SwarmSource::Impl::PublishState(std::string docker) {
  SwarmView view = view_;
  view.docker = std::move(docker);
  Take(std::move(view));
}

void SwarmSource::Impl::Take(SwarmView view) {
  if (view == view_) return;
  const SwarmView before = std::exchange(view_, std::move(view));
  if (before.role != view_.role) Tell("swarm-role", view_.node_name, view_.role);
  for (const std::string& warning : view_.warnings) {
    const bool known = std::find(before.warnings.begin(), before.warnings.end(), warning) != before.warnings.end();
    if (!known) Tell("swarm-warning", view_.node_name, warning);
  }
  if (before.pending != view_.pending) {
    if (view_.pending.empty()) {
      Tell("swarm-ready", view_.node_name, "nothing is awaited any more");
    } else {
      Tell("swarm-pending", view_.node_name, view_.pending);
    }
  }
  if (on_change_) on_change_(view_);
}

SwarmSource::SwarmSource(asio::any_io_executor executor, SwarmOptions options, OnChange on_change, OnEvent on_event)
    : impl_(
          std::make_shared<Impl>(std::move(executor), std::move(options), std::move(on_change), std::move(on_event))) {}

SwarmSource::~SwarmSource() { impl_->Stop(); }
void SwarmSource::Start() { impl_->Start(); }
void SwarmSource::Stop() { impl_->Stop(); }
const SwarmView& SwarmSource::view() const { return impl_->view(); }
void SwarmSource::OnLinksChanged() { impl_->OnLinksChanged(); }

}  // namespace xlb
