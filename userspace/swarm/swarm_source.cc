#include "swarm/swarm_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "docker/readers.h"
#include "swarm/swarm_source_impl.h"

namespace xlb {

namespace asio = boost::asio;
using std::chrono::milliseconds;

void SwarmSource::Impl::Start() {
  if (std::exchange(started_, true)) return;
  asio::co_spawn(executor_, Run(shared_from_this()), asio::detached);
}

void SwarmSource::Impl::Stop() {
  stopped_ = true;
  client_.Abort();
  peers_.Stop();
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
  peers_.Withhold(fmt::format("this manager's Docker is away: {}", reason));
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
    if (state == "active") {
      if (!refusal.empty()) {
        PublishState(fmt::format("connected: {}", refusal));
        co_await Sleep(options_.poll_interval);
      }
      const absl::Status ended = co_await FollowSwarm();
      if (stopped_ || (!ended.ok() && !IsRefusal(ended))) co_return ended;
      // A node that was just promoted or demoted, or a swarm without a leader: what is it now?
      ++session_;
      client_.Abort();
      refusal = std::string(ended.message());
      if (!refusal.empty()) peers_.Withhold(refusal);
      continue;
    }
    refusal.clear();
    // An engine that comes up, or whose store is locked, will know again what it knew: the data path goes on.
    if (state == "pending" || state == "error" || state == "locked") {
      const std::string& error = docker_.snapshot().info.swarm_error;
      const std::string what = fmt::format("the swarm is {}{}{}", state, error.empty() ? "" : ": ", error);
      peers_.Withhold(what);
      PublishState(fmt::format("connected: {}", what));
    } else {
      is_member_ = facts_known_ = false;
      told_.reset();
      StopLooking();
      peers_.BeNothing();
      docker_.SetFacts({});
      Publish();
    }
    co_await Sleep(options_.role_poll_interval);
    if (stopped_) co_return absl::CancelledError("stopped");
  }
}

asio::awaitable<void> SwarmSource::Impl::Sleep(milliseconds time) {
  if (stopped_) co_return;
  timer_.expires_after(time);
  const auto [error] = co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  (void)error;
}

SwarmSource::SwarmSource(asio::any_io_executor executor, SwarmOptions options, OnChange on_change, OnEvent on_event)
    : impl_(
          std::make_shared<Impl>(std::move(executor), std::move(options), std::move(on_change), std::move(on_event))) {}

SwarmSource::~SwarmSource() { impl_->Stop(); }
void SwarmSource::Start() { impl_->Start(); }
void SwarmSource::Stop() { impl_->Stop(); }
const SwarmView& SwarmSource::view() const { return impl_->view(); }
std::string SwarmSource::DescribePeers() const { return impl_->DescribePeers(); }
void SwarmSource::OnLinksChanged() { impl_->OnLinksChanged(); }

}  // namespace xlb
