// One connection to the Docker of a swarm's member: read, and followed as long as it lasts.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <functional>
#include <utility>
#include <vector>

#include "swarm/reach.h"
#include "swarm/swarm_source_impl.h"

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

}  // namespace

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
    if (!IsManager()) {
      XLB_CO_ASSIGN_OR_RETURN(const bool is_still_worker, co_await IsStillWorker());
      if (!is_still_worker) co_return absl::OkStatus();
      XLB_CO_RETURN_IF_ERROR(co_await LookAround());
    }
    const uint32_t parts = std::exchange(wanted_, 0);
    XLB_CO_RETURN_IF_ERROR(co_await Refresh(IsManager() ? parts | kTasksPart : parts & kWorkerParts));
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
  is_member_ = true;
  docker_.ForgetDead(std::chrono::steady_clock::now());
  ReadKernel((parts & kNamespacesPart) != 0);
  // A task that has just come, on the network that was read before it.
  if (LegsMissing()) {
    XLB_CO_RETURN_IF_ERROR(co_await docker_.Read(kGatewayPart));
    if (stopped_) co_return absl::CancelledError("stopped");
    ReadKernel(false);
  }
  if (IsManager()) {
    facts_known_ = true;
    told_.reset();
    StopLooking();
    peers_.BeManager(docker_.snapshot().info.node_address);
    peers_.Publish(docker_.snapshot(), docker_.snapshot().dead_containers);
  }
  Publish();
  co_return absl::OkStatus();
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
    if (is_member_) Publish();
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

}  // namespace xlb
