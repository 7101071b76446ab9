#include "peer/follower.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <random>
#include <utility>

namespace xlb {

namespace asio = boost::asio;
using std::chrono::milliseconds;

class Follower::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, FollowerOptions options, GetCredentials credentials, OnFacts on_facts,
       OnState on_state)
      : executor_(executor),
        options_(options),
        credentials_(std::move(credentials)),
        on_facts_(std::move(on_facts)),
        on_state_(std::move(on_state)),
        timer_(executor),
        client_(executor, options.limits) {}

  void SetManagers(std::vector<RemoteManager> managers);
  void Start();
  void Stop();
  const FollowerState& state() const { return state_; }

 private:
  static asio::awaitable<void> Run(std::shared_ptr<Impl> self, uint64_t run);

  // Each in turn until one was heard and lost again, or all have failed.
  asio::awaitable<void> TryAll(uint64_t run);
  // From a connection to the end of what it is good for, which is always an error.
  asio::awaitable<absl::Status> Follow(RemoteManager manager, uint64_t run);
  asio::awaitable<void> Sleep(milliseconds time);
  void Heard(const RemoteManager& manager);
  bool IsOver(uint64_t run) const { return run != run_; }
  bool IsKnown(const RemoteManager& manager) const {
    return std::find(managers_.begin(), managers_.end(), manager) != managers_.end();
  }

  asio::any_io_executor executor_;
  FollowerOptions options_;
  GetCredentials credentials_;
  OnFacts on_facts_;
  OnState on_state_;
  asio::steady_timer timer_;
  PeerClient client_;
  // Workers that try the managers in different orders spread over them.
  std::mt19937 random_{std::random_device{}()};

  uint64_t run_ = 0;  // raised by Start and Stop: what an earlier one began ends
  bool running_ = false;
  std::vector<RemoteManager> managers_;
  std::optional<RemoteManager> favourite_;  // the one that answered last
  std::string known_;                       // hash of the document that was told last
  FollowerState state_;
};

void Follower::Impl::Start() {
  if (std::exchange(running_, true)) return;
  ++run_;
  state_ = {};
  known_.clear();
  asio::co_spawn(executor_, Run(shared_from_this(), run_), asio::detached);
}

void Follower::Impl::Stop() {
  if (!std::exchange(running_, false)) return;
  ++run_;
  state_ = {};
  client_.Close();
  timer_.cancel();
}

void Follower::Impl::SetManagers(std::vector<RemoteManager> managers) {
  if (managers == managers_) return;
  managers_ = std::move(managers);
  std::erase_if(state_.failures, [this](const auto& failure) {
    return std::none_of(managers_.begin(), managers_.end(),
                        [&](const RemoteManager& manager) { return manager.host == failure.first; });
  });
  if (state_.manager && !IsKnown(*state_.manager)) client_.Close();
  timer_.cancel();
}

asio::awaitable<void> Follower::Impl::Run(std::shared_ptr<Impl> self, uint64_t run) {
  milliseconds backoff = self->options_.backoff_min;
  while (!self->IsOver(run)) {
    const auto heard_before = self->state_.last_heard;
    co_await self->TryAll(run);
    if (self->IsOver(run)) break;
    if (self->state_.last_heard != heard_before) backoff = self->options_.backoff_min;
    co_await self->Sleep(backoff);
    backoff = std::min(backoff * 2, self->options_.backoff_max);
  }
}

asio::awaitable<void> Follower::Impl::TryAll(uint64_t run) {
  std::vector<RemoteManager> candidates = managers_;
  std::shuffle(candidates.begin(), candidates.end(), random_);
  std::stable_partition(candidates.begin(), candidates.end(),
                        [this](const RemoteManager& manager) { return favourite_ == manager; });
  for (size_t i = 0; i < candidates.size(); ++i) {
    const RemoteManager manager = candidates[i];
    const absl::Status why = co_await Follow(manager, run);
    if (IsOver(run)) co_return;
    if (state_.manager) {
      // One that was followed is lost. The others are tried first, then it again: it may only have other certificates
      // now. That none is followed is the state of things when all have failed.
      state_.manager.reset();
      candidates.push_back(manager);
      co_await Sleep(options_.backoff_min);
      if (IsOver(run)) co_return;
    }
    if (IsKnown(manager)) state_.failures[manager.host] = std::string(why.message());
  }
  if (!candidates.empty() && on_state_) on_state_();
}

asio::awaitable<absl::Status> Follower::Impl::Follow(RemoteManager manager, uint64_t run) {
  for (;;) {
    if (!IsKnown(manager)) co_return absl::CancelledError("is no manager any more");
    auto credentials = credentials_();
    if (!credentials.ok()) co_return credentials.status();
    const absl::Status connected =
        co_await client_.Connect(manager.host, options_.port, *std::move(credentials), managers_);
    if (IsOver(run)) co_return absl::CancelledError("stopped");
    if (!connected.ok()) co_return connected;
    // The first answer comes at once, and says whether this manager is worth waiting for.
    std::chrono::seconds hold{0};
    while (client_.connected()) {
      auto document = co_await client_.Ask(known_, std::exchange(hold, options_.limits.poll));
      if (IsOver(run)) co_return absl::CancelledError("stopped");
      if (!document.ok()) co_return std::move(document).status();
      Heard(manager);
      if (!document->has_value()) continue;
      known_ = (*document)->hash;
      on_facts_((*document)->facts);
      if (IsOver(run)) co_return absl::CancelledError("stopped");
    }
  }
}

void Follower::Impl::Heard(const RemoteManager& manager) {
  state_.last_heard = std::chrono::steady_clock::now();
  favourite_ = manager;
  const bool is_new = state_.manager != manager;
  state_.manager = manager;
  state_.failures.clear();
  if (is_new && on_state_) on_state_();
}

asio::awaitable<void> Follower::Impl::Sleep(milliseconds time) {
  timer_.expires_after(time);
  const auto [error] = co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  (void)error;
}

Follower::Follower(asio::any_io_executor executor, FollowerOptions options, GetCredentials credentials,
                   OnFacts on_facts, OnState on_state)
    : impl_(std::make_shared<Impl>(std::move(executor), options, std::move(credentials), std::move(on_facts),
                                   std::move(on_state))) {}

Follower::~Follower() { impl_->Stop(); }
void Follower::SetManagers(std::vector<RemoteManager> managers) { impl_->SetManagers(std::move(managers)); }
void Follower::Start() { impl_->Start(); }
void Follower::Stop() { impl_->Stop(); }
const FollowerState& Follower::state() const { return impl_->state(); }

}  // namespace xlb
