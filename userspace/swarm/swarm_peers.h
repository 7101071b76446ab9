// This node among the swarm's others: a manager tells their xlbd what it knows, a worker follows a manager's.
#ifndef XLB_SWARM_SWARM_PEERS_H_
#define XLB_SWARM_SWARM_PEERS_H_

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "docker/types.h"
#include "peer/address.h"
#include "peer/credentials.h"
#include "peer/follower.h"
#include "peer/server.h"

namespace xlb {

struct SwarmPeersOptions {
  PeerAddress listen;                           // of this node if it is a manager; port 0: off, in both directions
  std::string certificates;                     // directory
  std::chrono::milliseconds check_every{5000};  // the files, and that the listener is where it should be
  FollowerOptions follower;                     // its port is `listen`'s
};

// Runs on `executor` alone, and so do the callbacks; none comes after Stop() or destruction.
class SwarmPeers {
 public:
  using OnFacts = Follower::OnFacts;
  using OnChange = std::function<void()>;  // of what warning() says
  using OnEvent = std::function<void(const char* kind, const std::string& subject, const std::string& text)>;

  SwarmPeers(boost::asio::any_io_executor executor, SwarmPeersOptions options, OnFacts on_facts, OnChange on_change,
             OnEvent on_event);

  void BeManager(Ipv4 own_address);
  void BeWorker(std::vector<RemoteManager> managers);
  void BeNothing();
  void Stop() { BeNothing(); }

  // On a manager: what is true now, or why that is not known at the moment.
  void Publish(const SwarmFacts& facts, const std::set<std::string>& dead_containers);
  void Withhold(std::string reason);

  // On a worker: does a manager tell at the moment?
  bool IsTold() const { return follower_.state().manager.has_value(); }

  // What stands in the way, in one line: on a manager of telling, on a worker of being told. Empty: nothing.
  const std::string& warning() const { return warning_; }
  // What happens, with times, for `xlbctl status`; empty: nothing does. `name_of` gives a node's host name by its id.
  std::string Describe(const std::function<std::string(const std::string& node_id)>& name_of) const;

 private:
  enum class Role { kNone, kManager, kWorker };

  bool IsOff() const { return options_.listen.port == 0; }
  void Become(Role role);
  void Check();
  absl::Status Serve();
  absl::Status Listen();
  void OnFollowerState();
  void SetWarning(std::string text);

  SwarmPeersOptions options_;
  OnChange on_change_;
  OnEvent on_event_;
  CredentialFiles files_;
  PeerServer server_;
  Follower follower_;
  boost::asio::steady_timer timer_;
  Role role_ = Role::kNone;
  Ipv4 own_address_;
  std::string listening_on_;  // host; empty: nowhere
  std::string followed_;      // host, as last told; empty: none
  std::string warning_;
};

}  // namespace xlb

#endif  // XLB_SWARM_SWARM_PEERS_H_
