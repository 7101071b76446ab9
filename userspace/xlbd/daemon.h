// xlbd: sources -> desired state -> plan -> maps, on one event loop.
#ifndef XLB_XLBD_DAEMON_H_
#define XLB_XLBD_DAEMON_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "control/daemon.h"
#include "control/http_server.h"
#include "dataplane/client_prober.h"
#include "dataplane/data_path.h"
#include "model/reconciler.h"
#include "netlink/monitor.h"
#include "swarm/docker_mesh_watch.h"
#include "swarm/neighbor_keeper.h"
#include "swarm/swarm_source.h"
#include "xlbd/assemble.h"
#include "xlbd/event_log.h"
#include "xlbd/node_watch.h"
#include "xlbd/options.h"
#include "xlbd/peer_nodes.h"
#include "xlbd/port_guard.h"

namespace xlb {

// Everything happens on the io_context's thread. Destroying it leaves the data path at work.
class Daemon : public DaemonInterface {
 public:
  // Takes the node over: locks, loads, attaches, serves the API. An error means that nothing was changed that an
  // earlier xlbd had not already set up, and is one line for the person who started it.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(boost::asio::io_context& io, const Options& options);
  ~Daemon() override;

  StatusView Status() override;
  std::vector<ServiceView> Services() override;
  absl::StatusOr<std::vector<FlowView>> Flows(const FlowFilter& filter) override;
  absl::StatusOr<StatsReport> Stats() override;
  std::vector<EventView> Events(uint64_t after_sequence) override { return events_.After(after_sequence); }
  const StaticConfig& Static() override { return config_; }
  absl::Status Edit(const std::function<absl::Status(StaticConfig&)>& change) override;
  absl::Status Replace(StaticConfig config) override;
  absl::Status Check(const StaticConfig& config) override;
  absl::StatusOr<std::vector<std::string>> Detach() override;

 private:
  Daemon(boost::asio::io_context& io, const Options& options);

  absl::Status OpenMetrics();
  absl::Status OpenDataPath();
  absl::Status OpenSources();
  void AdoptPinnedServices();

  void OnNetlink(uint32_t changes);
  void OnSwarm(const SwarmView& view);
  absl::Status OpenPeers();
  void TellDockerMesh(const SwarmView& view);
  std::vector<Service> WithoutLostTasks(std::vector<Service> services) const;

  std::vector<Link> UplinkLinks() const;

  std::vector<UplinkDevice> ChooseUplinks() const;
  std::set<uint32_t> UplinksToKeep() const;

  // Reads the node and attaches to its devices: to the uplinks, and to those by which clients on the node send.
  absl::Status RefreshNode();
  absl::Status AttachOnNode();
  NodeFacts Facts() const;
  absl::StatusOr<Ipv4> SourceTowards(Ipv4 backend);
  Assembly AssembleWith(const StaticConfig& config);
  void FitDataPath(Assembly& assembly) const;
  // Brings the maps to what the sources say now; tries again in a second when that fails.
  void Reconcile();
  absl::Status ApplyNow();
  // Connections that Docker's mesh carries to ports which are about to be ours stay with it.
  void LeaveDockersFlows(const DesiredState& state);
  void RetryLater(const absl::Status& why);

  absl::Status OpenSweeper();
  void StartSweeps();
  void SweepSoon();
  void SweepStep();
  void ArmSweep(std::chrono::milliseconds delay);
  void TakeSweep(SweepResult result);
  bool IsOrphan(const xlb_flow& flow) const;

  StatsView StatsOrNothing(const absl::StatusOr<StatsView>& stats) const { return stats.ok() ? *stats : StatsView{}; }
  std::vector<BackendView> BackendsOf(const Service& service) const;

  boost::asio::io_context& io_;
  const Options options_;
  const SteadyClock clock_;
  const Clock::Time started_;
  EventLog events_;
  StaticConfig config_;

  std::unique_ptr<HttpServer> api_, metrics_;
  std::unique_ptr<DataPath> data_path_;  // none after Detach
  std::unique_ptr<Reconciler> reconciler_;
  std::optional<NodeWatch> node_;
  std::optional<NetlinkMonitor> monitor_;
  std::unique_ptr<SwarmSource> swarm_;
  PortGuard guard_;
  NeighborKeeper neighbors_;
  std::unique_ptr<PeerNodes> peers_;              // with swarm_
  std::unique_ptr<DockerMeshWatch> docker_mesh_;  // with swarm_
  SwarmView swarm_view_;                          // what Swarm wants, as far as it could be learned
  bool swarm_known_ = false;                      // Docker spoke in this process's life, or is not to be asked

  std::vector<UplinkDevice> uplinks_;
  DesiredState desired_;  // as last applied
  std::vector<std::string> warnings_;
  std::set<Frontend> kept_;          // services of an earlier xlbd, until their source speaks
  std::set<uint32_t> kept_uplinks_;  // its uplinks likewise: only Docker can say which device is the data path's
  std::string last_failure_;         // of Reconcile, so that the log says it once
  uint32_t tick_shift_;
  double tick_seconds_;
  std::unique_ptr<FlowSweeper> sweeper_;
  std::optional<BackendLoads> loads_;
  std::optional<ClientProber> prober_;                // none: a client that waits for a backend that is gone waits on
  using BackendLife = std::pair<uint32_t, uint32_t>;  // id and generation
  std::map<BackendLife, Clock::Time> lost_;           // backends that are gone and left clients, and since when
  bool sweeps_soon_ = false;
  SweepResult sweep_;
  boost::asio::steady_timer sweep_timer_, retry_timer_;
};

}  // namespace xlb

#endif  // XLB_XLBD_DAEMON_H_
