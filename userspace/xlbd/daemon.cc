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

namespace xlb {
namespace {

constexpr std::chrono::seconds kRetryAfter{1};
constexpr std::chrono::seconds kSweepEvery{5};
constexpr std::chrono::milliseconds kSweepPause{5};  // between slices, for everybody else on the loop
constexpr char kApiGroup[] = "docker";               // who may steer Docker may steer its ingress
constexpr uint32_t kFrameOverhead = 18;              // Ethernet header and a VLAN tag

absl::Status PassiveError() {
  return absl::FailedPreconditionError("xlbd is passive since 'xlbctl detach': start it again to change services");
}

}  // namespace

Daemon::Daemon(boost::asio::io_context& io, const Options& options)
    : io_(io),
      options_(options),
      started_(clock_.Now()),
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

  XLB_ASSIGN_OR_RETURN(
      data_path_,
      DataPath::Open({.bpffs_dir = options_.bpffs_dir, .flow_entries = options_.max_flows * 2, .xdp = options_.xdp}));
  reconciler_ = std::make_unique<Reconciler>(data_path_->maps(), &clock_, BuildRing);
  XLB_RETURN_IF_ERROR(reconciler_->Load());
  sweeper_ = std::make_unique<FlowSweeper>(&data_path_->flows(), tick_seconds_);
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
}

absl::Status Daemon::OpenSources() {
  const auto on_netlink = [this](uint32_t changes) { OnNetlink(changes); };
  XLB_ASSIGN_OR_RETURN(NetlinkMonitor monitor, NetlinkMonitor::Open(io_.get_executor(), on_netlink));
  monitor_.emplace(std::move(monitor));
  XLB_RETURN_IF_ERROR(RefreshNode());
  XLB_RETURN_IF_ERROR(ApplyNow());
  // What changed while no xlbd watched is unknown: every flow asks for its next hop once.
  XLB_RETURN_IF_ERROR(reconciler_->BumpEpoch());
  if (!options_.docker_socket.empty()) {
    SwarmOptions options;
    options.docker_socket = options_.docker_socket;
    options.netns_dir = options_.netns_dir;
    const auto on_change = [this](const SwarmView& view) { OnSwarm(view); };
    const auto on_event = [this](std::string kind, std::string subject, std::string text) {
      events_.Add(std::move(kind), std::move(subject), std::move(text));
    };
    swarm_ = std::make_unique<SwarmSource>(io_.get_executor(), options, on_change, on_event);
    swarm_->Start();
  }
  ArmSweep(kSweepEvery);
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

std::vector<Link> Daemon::UplinkLinks() const {
  std::vector<Link> links;
  for (const UplinkDevice& device : uplinks_) {
    if (const Link* link = node_->Device(device.ifindex)) links.push_back(*link);
  }
  return links;
}

void Daemon::OnSwarm(const SwarmView& view) {
  if (data_path_ == nullptr) return;
  const bool connected = view.docker.starts_with("connected");
  if (connected && !view.role.empty() && !AwaitsIngress(view)) {
    swarm_view_ = view;
    swarm_known_ = true;
    kept_.clear();
    kept_uplinks_.clear();
  } else if (swarm_known_) {
    // Docker is away, or has just come back and not yet built its ingress network. The last view stands, and with it
    // the flows to tasks elsewhere; tasks of this node that went with Docker leave it.
    swarm_view_.services = connected ? WithoutLostTasks(std::move(swarm_view_.services)) : view.services;
  } else {
    return;
  }
  if (absl::Status status = RefreshNode(); !status.ok()) return RetryLater(status);
  Reconcile();
}

std::vector<Service> Daemon::WithoutLostTasks(std::vector<Service> services) const {
  for (Service& service : services) {
    std::erase_if(service.backends, [&](const Backend& backend) {
      return backend.reach.kind == BackendKind::kLocal && node_->Device(backend.reach.ifindex) == nullptr;
    });
  }
  return services;
}

// Without a default route, as when the node's networking restarts, the uplinks so far stay: connections outlive that.
std::set<uint32_t> Daemon::UplinksToKeep() const {
  std::set<uint32_t> keep = kept_uplinks_;
  if (node_->HasDefaultRoute()) return keep;
  if (uplinks_.empty()) keep.merge(data_path_->AttachedUplinks());
  for (const UplinkDevice& device : uplinks_) keep.insert(device.ifindex);
  return keep;
}

std::vector<UplinkDevice> Daemon::ChooseUplinks() const {
  if (options_.uplinks.empty()) return node_->Found(swarm_view_.data_path_address, UplinksToKeep());
  std::vector<UplinkDevice> devices;
  for (const std::string& name : options_.uplinks) {
    // One that went away comes back as another device; until then the others serve.
    if (const auto named = node_->Named({name}); named.ok()) devices.push_back(named->front());
  }
  return devices;
}

absl::Status Daemon::RefreshNode() {
  XLB_RETURN_IF_ERROR(node_->Refresh());
  uplinks_ = ChooseUplinks();
  const size_t before = data_path_->uplinks().size();
  XLB_RETURN_IF_ERROR(data_path_->SetUplinks(uplinks_));
  if (data_path_->uplinks().size() != before) {
    for (const UplinkView& uplink : data_path_->uplinks()) {
      events_.Add(
          "uplink", uplink.name,
          fmt::format("XDP {} ({}){}{}", uplink.xdp, uplink.attach, uplink.reason.empty() ? "" : ": ", uplink.reason));
    }
  }
  return absl::OkStatus();
}

NodeFacts Daemon::Facts() const {
  NodeFacts facts;
  facts.addresses = node_->addresses();
  facts.new_flow_limit = options_.new_flow_limit;
  facts.tick_shift = tick_shift_;
  for (const UplinkDevice& device : uplinks_) facts.max_frame = std::max(facts.max_frame, device.mtu + kFrameOverhead);
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
  const auto source = [this](Ipv4 backend) { return SourceTowards(backend); };
  Assembly assembly = Assemble(Facts(), config, swarm_view_, source, former);
  assembly.state.kept = kept_;
  return assembly;
}

void Daemon::Reconcile() {
  if (data_path_ == nullptr) return;
  if (absl::Status status = ApplyNow(); !status.ok()) return RetryLater(status);
  last_failure_.clear();
}

// Programs on the veths of new tasks before the tasks get traffic; off those of old ones after.
absl::Status Daemon::ApplyNow() {
  Assembly assembly = AssembleWith(config_);
  XLB_RETURN_IF_ERROR(SetTasks(assembly.state, /*also_attached=*/true));
  XLB_RETURN_IF_ERROR(reconciler_->Apply(assembly.state).status());
  events_.AddChanges(desired_.services, assembly.state.services);
  desired_ = std::move(assembly.state);
  warnings_ = std::move(assembly.warnings);
  return SetTasks(desired_, /*also_attached=*/false);
}

absl::Status Daemon::SetTasks(const DesiredState& state, bool also_attached) {
  if (!kept_.empty()) return absl::OkStatus();  // the veths of kept services are not known
  std::set<uint32_t> veths;
  for (const auto* services : {&state.services, also_attached ? &desired_.services : &state.services}) {
    for (const auto& [frontend, service] : *services) {
      for (const Backend& backend : service.backends) {
        if (backend.reach.kind == BackendKind::kLocal) veths.insert(backend.reach.ifindex);
      }
    }
  }
  const absl::Status status = data_path_->SetTasks(veths);
  // A veth that goes in this very moment takes its task along; the next view says so.
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
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
    if (present != desired_.services.end() && present->second.source == ServiceSource::kSwarm) {
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
  if (swarm_ != nullptr) swarm_->Stop();
  if (monitor_) monitor_->Stop();
  sweep_timer_.cancel();
  retry_timer_.cancel();
  sweeper_.reset();
  reconciler_.reset();
  data_path_.reset();
  desired_ = {};
  sweep_ = {};
  for (const std::string& line : removed) events_.Add("detached", "data path", line);
  return removed;
}

void Daemon::ArmSweep(std::chrono::milliseconds delay) {
  sweep_timer_.expires_after(delay);
  sweep_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) SweepStep();
  });
}

void Daemon::SweepStep() {
  if (sweeper_ == nullptr) return;
  const absl::StatusOr<uint32_t> now = data_path_->clock().Now();
  if (!now.ok()) {
    spdlog::warn("sweep: {}", std::string(now.status().message()));
    return ArmSweep(kSweepEvery);
  }
  auto done = sweeper_->Step(*now);
  if (!done.ok()) {
    spdlog::warn("sweep: {}", std::string(done.status().message()));
    return ArmSweep(kSweepEvery);
  }
  if (!done->has_value()) return ArmSweep(kSweepPause);
  sweep_ = std::move(**done);
  ArmSweep(kSweepEvery);
}

}  // namespace xlb
