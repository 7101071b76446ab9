#include "xlbd/daemon.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "control/api.h"
#include "control/static_file.h"
#include "model/records.h"
#include "scheduler/ring.h"
#include "xlbd/peer_reach.h"
#include "xlbd/tunnel_neighbors.h"

namespace xlb {
namespace {

constexpr std::chrono::seconds kRetryAfter{1};
constexpr char kApiGroup[] = "docker";   // who may steer Docker may steer its ingress
constexpr uint32_t kFrameOverhead = 18;  // Ethernet header and a VLAN tag

absl::Status PassiveError() {
  return absl::FailedPreconditionError("xlbd is passive since 'xlbctl detach': start it again to change services");
}

}  // namespace

Daemon::Daemon(boost::asio::io_context& io, const Options& options)
    : io_(io),
      options_(options),
      started_(clock_.Now()),
      guard_(io.get_executor(), [this] { Reconcile(); }),
      neighbors_(io.get_executor()),
      tick_shift_(TickClock::ShiftForSeconds()),
      tick_seconds_(TickClock::TickSeconds(tick_shift_)),
      sweep_timer_(io),
      retry_timer_(io) {}

Daemon::~Daemon() = default;

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(boost::asio::io_context& io, const Options& options) {
  std::unique_ptr<Daemon> daemon(new Daemon(io, options));
  XLB_ASSIGN_OR_RETURN(daemon->config_, LoadStaticFile(options.state_dir));
  XLB_RETURN_IF_ERROR(PrepareStateDirectory(options.state_dir));
  const auto api = [d = daemon.get()](const HttpRequest& request) { return HandleApiRequest(request, *d); };
  XLB_ASSIGN_OR_RETURN(daemon->api_, HttpServer::ListenUnix(io, options.api_socket, kApiGroup, api));
  const absl::Status metrics = daemon->OpenMetrics();
  if (absl::IsInvalidArgument(metrics)) return metrics;
  XLB_RETURN_IF_ERROR(daemon->OpenDataPath());
  // Metrics are not worth a node without its load balancer.
  if (!metrics.ok()) daemon->events_.Add("metrics-off", options.metrics_address, std::string(metrics.message()));
  XLB_RETURN_IF_ERROR(daemon->OpenSources());
  return daemon;
}

absl::Status Daemon::OpenMetrics() {
  if (options_.metrics_address.empty()) return absl::OkStatus();
  const auto metrics = [this](const HttpRequest& request) { return HandleMetricsRequest(request, *this); };
  XLB_ASSIGN_OR_RETURN(metrics_, HttpServer::ListenTcp(io_, options_.metrics_address, metrics));
  return absl::OkStatus();
}

absl::Status Daemon::OpenDataPath() {
  XLB_ASSIGN_OR_RETURN(NodeWatch node, NodeWatch::Open());
  node_.emplace(std::move(node));
  XLB_RETURN_IF_ERROR(node_->Refresh());
  if (!options_.uplinks.empty()) XLB_RETURN_IF_ERROR(node_->Named(options_.uplinks).status());

  XLB_ASSIGN_OR_RETURN(data_path_,
                       DataPath::Open({.bpffs_dir = options_.bpffs_dir,
                                       .flow_buckets = static_cast<uint32_t>(XLB_FLOW_BUCKETS(options_.max_flows)),
                                       .xdp = options_.xdp}));
  reconciler_ = std::make_unique<Reconciler>(data_path_->maps(), &clock_, BuildRing);
  XLB_RETURN_IF_ERROR(reconciler_->Load());
  XLB_RETURN_IF_ERROR(OpenSweeper());
  AdoptPinnedServices();
  return absl::OkStatus();
}

// What the maps hold beside the static services came from Swarm. It stays until Docker has spoken, and so do the
// devices that it is served on: which of them is the data path's is for Docker to say.
void Daemon::AdoptPinnedServices() {
  swarm_known_ = options_.docker_socket.empty();
  if (swarm_known_) return;
  for (const auto& [key, service] : reconciler_->contents().services) kept_.insert(FrontendOf(key));
  for (const StaticService& service : config_.services()) kept_.erase(service.frontend);
  const xlb_node& pinned = reconciler_->contents().node;
  if (pinned.vni != 0) kept_uplinks_ = data_path_->AttachedUplinks();
  swarm_view_.vni = ntohl(pinned.vni) >> 8;
  swarm_view_.vxlan_port = ntohs(pinned.vxlan_port);
  swarm_view_.tunnel_mtu = pinned.tunnel_mtu;
  swarm_view_.sandbox_address = Ipv4{pinned.sandbox_addr};
  swarm_view_.task_networks = TaskNetworksOf(pinned);
}

absl::Status Daemon::OpenSources() {
  const auto on_netlink = [this](uint32_t changes) { OnNetlink(changes); };
  XLB_ASSIGN_OR_RETURN(NetlinkMonitor monitor, NetlinkMonitor::Open(io_.get_executor(), on_netlink));
  monitor_.emplace(std::move(monitor));
  XLB_RETURN_IF_ERROR(RefreshNode());
  guard_.Start(/*with_docker=*/!options_.docker_socket.empty());
  XLB_RETURN_IF_ERROR(ApplyNow());
  // What changed while no xlbd watched is unknown: every flow asks for its next hop once.
  XLB_RETURN_IF_ERROR(reconciler_->BumpEpoch());
  if (!options_.docker_socket.empty()) {
    SwarmOptions options;
    options.docker_socket = options_.docker_socket;
    options.netns_dir = options_.netns_dir;
    options.peers.listen = options_.peer;
    options.peers.certificates = options_.swarm_certs;
    const auto on_change = [this](const SwarmView& view) { OnSwarm(view); };
    const auto on_event = [this](std::string kind, std::string subject, std::string text) {
      events_.Add(std::move(kind), std::move(subject), std::move(text));
    };
    const auto on_mesh = [this](const std::string& text) { events_.Add("docker-mesh", "docker", text); };
    docker_mesh_ = std::make_unique<DockerMeshWatch>(io_.get_executor(), options_.netns_dir, on_mesh);
    XLB_RETURN_IF_ERROR(OpenPeers());
    swarm_ = std::make_unique<SwarmSource>(io_.get_executor(), options, on_change, on_event);
    swarm_->Start();
  }
  StartSweeps();
  return absl::OkStatus();
}

void Daemon::OnNetlink(uint32_t changes) {
  if (data_path_ == nullptr) return;
  const std::vector<Link> before = UplinkLinks();
  if (absl::Status status = RefreshNode(); !status.ok()) return RetryLater(status);
  // Containers come and go with devices of their own, which no flow's next hop lies behind.
  if ((changes & (kRoutes | kNeighbors)) || before != UplinkLinks()) {
    if (absl::Status status = reconciler_->BumpEpoch(); !status.ok()) return RetryLater(status);
  }
  if ((changes & kLinks) && swarm_ != nullptr) swarm_->OnLinksChanged();
  if (changes & (kLinks | kAddresses | kRoutes)) Reconcile();
}

NodeFacts Daemon::Facts() const {
  NodeFacts facts;
  facts.addresses = node_->addresses();
  facts.new_flow_limit = options_.new_flow_limit;
  facts.tick_shift = tick_shift_;
  for (const UplinkDevice& device : uplinks_) facts.max_frame = std::max(facts.max_frame, device.mtu + kFrameOverhead);
  facts.bridge_address = node_->GatewayAddress(swarm_view_.gateway_bridge);
  return facts;
}

absl::StatusOr<Ipv4> Daemon::SourceTowards(Ipv4 backend) {
  XLB_ASSIGN_OR_RETURN(const Route route, node_->RouteTo(backend));
  if (route.type == RouteType::kLocal) return absl::FailedPreconditionError("it is an address of this node itself");
  for (const UplinkDevice& device : uplinks_) {
    if (device.ifindex != route.ifindex) continue;
    if (!route.prefsrc.IsUnset()) return route.prefsrc;
    return absl::FailedPreconditionError(fmt::format("{} has no address to send from", device.name));
  }
  return absl::FailedPreconditionError(fmt::format(
      "the route to it leaves by {}, which is not an uplink: name it with --uplink", node_->DeviceName(route.ifindex)));
}

Assembly Daemon::AssembleWith(const StaticConfig& config) {
  const auto former = [this](const std::string& identity) {
    const auto& backends = reconciler_->contents().backends;
    const auto known = backends.find(reconciler_->BackendId(identity));
    return known == backends.end() ? Ipv4{} : Ipv4{known->second.snat_addr};
  };
  const auto was_peer = [this](const std::string& identity) {
    const auto& backends = reconciler_->contents().backends;
    const auto known = backends.find(reconciler_->BackendId(identity));
    return known != backends.end() && (known->second.flags & XLB_BACKEND_PEER) != 0;
  };
  const auto source = [this](Ipv4 backend) { return SourceTowards(backend); };
  Assembly assembly = Assemble(Facts(), config, swarm_view_, source, former);
  FitDataPath(assembly);
  if (peers_ != nullptr) ApplyPeers(peers_->tracker(), was_peer, assembly.state);
  guard_.Apply(*node_, uplinks_, swarm_view_.gateway_bridge, config, assembly);
  assembly.state.kept = kept_;
  return assembly;
}

void Daemon::FitDataPath(Assembly& assembly) const {
  const Link* link = node_->DeviceWith(swarm_view_.data_path_address);
  if (link == nullptr || link->name == "lo") return;  // an address of the node itself: any device may carry its packets
  if (!link->ethernet) return LeaveTunnel(link->name, assembly);
  FitTunnel(link->name, link->mtu, assembly);
}

void Daemon::Reconcile() {
  if (data_path_ == nullptr) return;
  if (absl::Status status = ApplyNow(); !status.ok()) return RetryLater(status);
  last_failure_.clear();
}

absl::Status Daemon::ApplyNow() {
  Assembly assembly = AssembleWith(config_);
  LeaveDockersFlows(assembly.state);
  XLB_ASSIGN_OR_RETURN(const Plan plan, reconciler_->Apply(assembly.state));
  events_.AddChanges(desired_.services, assembly.state.services);
  desired_ = std::move(assembly.state);
  warnings_ = std::move(assembly.warnings);
  if (peers_ != nullptr) {
    peers_->SetBackends(BackendsByNode(desired_));
    XLB_RETURN_IF_ERROR(peers_->SetDeliveries(reconciler_->contents().backends));
  }
  if (EndsBackends(plan)) SweepSoon();
  neighbors_.Set(TunnelNeighborsOf(reconciler_->contents()), ntohs(reconciler_->contents().node.vxlan_port));
  return absl::OkStatus();
}

void Daemon::RetryLater(const absl::Status& why) {
  const std::string text(why.message());
  if (text != last_failure_) events_.Add("apply-failed", "data path", text);
  last_failure_ = text;
  retry_timer_.expires_after(kRetryAfter);
  retry_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) OnNetlink(kAllChanges);
  });
}

absl::Status Daemon::Edit(const std::function<absl::Status(StaticConfig&)>& change) {
  StaticConfig changed = config_;
  XLB_RETURN_IF_ERROR(change(changed));
  return Replace(std::move(changed));
}

absl::Status Daemon::Check(const StaticConfig& config) {
  if (data_path_ == nullptr) return PassiveError();
  for (const StaticService& service : config.services()) {
    const auto present = desired_.services.find(service.frontend);
    const bool is_there = present != desired_.services.end() && !present->second.is_exception;
    if (is_there && present->second.source == ServiceSource::kSwarm) {
      return absl::AlreadyExistsError(
          fmt::format("{} is published by the swarm service {}: choose another address or port",
                      service.frontend.ToString(), present->second.name));
    }
  }
  return reconciler_->MakePlan(AssembleWith(config).state).status();
}

absl::Status Daemon::Replace(StaticConfig config) {
  XLB_RETURN_IF_ERROR(Check(config));
  XLB_RETURN_IF_ERROR(SaveStaticFile(options_.state_dir, config));
  config_ = std::move(config);
  for (const StaticService& service : config_.services()) kept_.erase(service.frontend);
  Reconcile();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Daemon::Detach() {
  if (data_path_ == nullptr) return std::vector<std::string>{};
  XLB_ASSIGN_OR_RETURN(std::vector<std::string> removed, data_path_->Detach());
  peers_.reset();
  if (swarm_ != nullptr) swarm_->Stop();
  neighbors_.Stop();
  if (monitor_) monitor_->Stop();
  guard_.Stop();
  sweep_timer_.cancel();
  retry_timer_.cancel();
  sweeper_.reset();
  loads_.reset();
  reconciler_.reset();
  data_path_.reset();
  desired_ = {};
  sweep_ = {};
  for (const std::string& line : removed) events_.Add("detached", "data path", line);
  return removed;
}

}  // namespace xlb
