// Follows Docker and the kernel and keeps a SwarmView up to date.
#ifndef XLB_SWARM_SWARM_SOURCE_H_
#define XLB_SWARM_SWARM_SOURCE_H_

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "docker/http_client.h"
#include "swarm/swarm_peers.h"
#include "swarm/view.h"

namespace xlb {

struct SwarmOptions {
  std::string docker_socket = "/run/docker.sock";
  std::string netns_dir = "/run/docker/netns";
  std::chrono::milliseconds poll_interval{500};        // tasks have no events
  std::chrono::milliseconds role_poll_interval{2000};  // not a manager: until it is one
  // A worker that nobody tells looks for itself, after a while and so often: Docker logs a line for each time.
  std::chrono::milliseconds look_after{3000};
  std::chrono::milliseconds look_interval{3000};
  std::chrono::milliseconds backoff_min{200};
  std::chrono::milliseconds backoff_max{2000};
  DockerHttpLimits http;
  SwarmPeersOptions peers;
};

// Runs on `executor` alone, and so do the callbacks; none comes after Stop() or destruction. While Docker does not
// answer the last services stay in the view: the data path goes on without it.
class SwarmSource {
 public:
  using OnChange = std::function<void(const SwarmView&)>;
  // kinds: "docker-connected", "docker-lost", "swarm-role", "swarm-pending", "swarm-ready", "swarm-warning",
  // "peer-serving", "peer-following", "peer-lost", "peer-refused".
  using OnEvent = std::function<void(std::string kind, std::string subject, std::string text)>;

  SwarmSource(boost::asio::any_io_executor executor, SwarmOptions options, OnChange on_change, OnEvent on_event);
  SwarmSource(const SwarmSource&) = delete;
  SwarmSource& operator=(const SwarmSource&) = delete;
  ~SwarmSource();

  void Start();
  void Stop();
  const SwarmView& view() const;
  // What passes between this node and the xlbd of others at the moment, in one line; empty: nothing.
  std::string DescribePeers() const;

  // The host's devices changed: a local backend whose veth went leaves the view before this returns.
  void OnLinksChanged();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace xlb

#endif  // XLB_SWARM_SWARM_SOURCE_H_
