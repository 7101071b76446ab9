// On a worker: follows one of the swarm's managers, whichever answers.
#ifndef XLB_PEER_FOLLOWER_H_
#define XLB_PEER_FOLLOWER_H_

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "docker/types.h"
#include "peer/client.h"
#include "peer/credentials.h"

namespace xlb {

struct FollowerOptions {
  uint16_t port = 0;  // of every manager's PeerServer
  PeerClientLimits limits;
  std::chrono::milliseconds backoff_min{200};
  std::chrono::milliseconds backoff_max{2000};
};

struct FollowerState {
  std::optional<RemoteManager> manager;  // the one that is followed at the moment
  std::optional<std::chrono::steady_clock::time_point> last_heard;
  // Why the others are not, or none is: manager's host -> reason, since the last time that one of them answered.
  std::map<std::string, std::string> failures;
};

// Runs on `executor` alone, and so do the callbacks; none comes after Stop() or destruction.
class Follower {
 public:
  using OnFacts = std::function<void(const SwarmFacts&)>;
  using OnState = std::function<void()>;  // another manager, none, or other reasons for that
  using GetCredentials = std::function<absl::StatusOr<std::shared_ptr<const Credentials>>()>;

  Follower(boost::asio::any_io_executor executor, FollowerOptions options, GetCredentials credentials, OnFacts on_facts,
           OnState on_state);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  // Those to choose from, in any order. The one that is followed is left if it is not among them.
  void SetManagers(std::vector<RemoteManager> managers);
  void Start();
  // Until the next Start. What was learned is forgotten: the next one tells it again.
  void Stop();
  const FollowerState& state() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace xlb

#endif  // XLB_PEER_FOLLOWER_H_
