// The inside of SwarmSource, for its own files: swarm_source.cc (one connection to Docker after the other),
// swarm_follow.cc (what it tells while it lasts), swarm_worker.cc (what it does not tell a worker), swarm_local.cc
// (this node's kernel) and swarm_publish.cc (the view).
#ifndef XLB_SWARM_SWARM_SOURCE_IMPL_H_
#define XLB_SWARM_SWARM_SOURCE_IMPL_H_

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "docker/client.h"
#include "swarm/docker_reader.h"
#include "swarm/kernel_reader.h"
#include "swarm/local_facts.h"
#include "swarm/swarm_peers.h"
#include "swarm/swarm_source.h"

namespace xlb {

class SwarmSource::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, SwarmOptions options, OnChange on_change, OnEvent on_event)
      : executor_(executor),
        options_(std::move(options)),
        on_change_(std::move(on_change)),
        on_event_(std::move(on_event)),
        timer_(executor),
        client_(executor, options_.docker_socket, options_.http),
        docker_(client_),
        kernel_(options_.netns_dir),
        peers_(
            executor, options_.peers, [this](const SwarmFacts& facts) { OnFacts(facts); }, [this] { Wake(0); },
            [this](const char* kind, const std::string& subject, const std::string& text) {
              Tell(kind, subject, text);
            }) {
    view_.docker = "connecting";
  }

  void Start();
  void Stop();
  void OnLinksChanged();
  const SwarmView& view() const { return view_; }
  std::string DescribePeers() const;

 private:
  static boost::asio::awaitable<void> Run(std::shared_ptr<Impl> self);
  static boost::asio::awaitable<void> FollowEvents(std::shared_ptr<Impl> self, uint64_t session);

  // From a connection to its end, which is always an error.
  boost::asio::awaitable<absl::Status> Session();
  boost::asio::awaitable<absl::Status> FollowSwarm();
  boost::asio::awaitable<absl::Status> Refresh(uint32_t parts);
  boost::asio::awaitable<void> Sleep(std::chrono::milliseconds time);

  // A worker's turn: has it still to be one? Then who its managers are.
  boost::asio::awaitable<absl::StatusOr<bool>> IsStillWorker();
  // While no manager's xlbd tells: what can be known without.
  boost::asio::awaitable<absl::Status> LookAround();
  boost::asio::awaitable<absl::StatusOr<LocalKnowledge>> ReadLocalKnowledge();
  boost::asio::awaitable<void> ReadRules(LocalKnowledge& local);
  void StopLooking();
  // By a manager's xlbd, for a worker.
  void OnFacts(const SwarmFacts& facts);
  bool IsManager() const { return docker_.snapshot().info.control_available; }

  void OnDockerEvent(const DockerEvent& event);
  void Wake(uint32_t parts);
  std::chrono::milliseconds PollInterval(std::chrono::milliseconds last_poll) const;
  void ReadKernel(bool again);
  bool LegsMissing();
  void Lost(const absl::Status& status);
  void Publish();
  void AddPeers(SwarmView& view) const;
  void PublishState(std::string docker);
  void Take(SwarmView view);
  void Tell(const char* kind, const std::string& subject, const std::string& text) {
    if (on_event_) on_event_(kind, subject, text);
  }

  boost::asio::any_io_executor executor_;
  SwarmOptions options_;
  OnChange on_change_;
  OnEvent on_event_;
  boost::asio::steady_timer timer_;
  DockerClient client_;
  DockerReader docker_;
  KernelReader kernel_;
  SwarmPeers peers_;
  SwarmView view_;

  bool started_ = false;
  bool stopped_ = false;
  bool is_member_ = false;    // the snapshots are of a member of a swarm, and the view is made from them
  bool facts_known_ = false;  // what Docker tells managers alone is among them, however old
  bool connected_ = false;
  uint64_t session_ = 0;        // events of an earlier one count no more
  absl::Status events_status_;  // how this session's event stream ended
  uint32_t wanted_ = 0;         // parts to read at the next turn
  std::chrono::steady_clock::time_point hurry_until_{};
  std::chrono::steady_clock::time_point role_checked_{};
  std::optional<SwarmFacts> told_;  // on a worker: by a manager, or known since it was one itself
  bool looked_ = false;             // the facts are what could be known without a manager
  std::chrono::steady_clock::time_point untold_since_{}, last_look_{};
  LocalKnowledge last_seen_;
  std::vector<std::pair<std::string, uint16_t>> unknown_ports_;  // LocalFacts::unknown
  std::map<std::string, int> leg_attempts_;                      // container -> polls that found it without a leg
};

}  // namespace xlb

#endif  // XLB_SWARM_SWARM_SOURCE_IMPL_H_
