// The sweep of the flow table, and what it finds: how many flows each backend has, and clients to tell that theirs is
// gone.
#include <spdlog/spdlog.h>

#include <utility>

#include "xlbd/daemon.h"

namespace xlb {
namespace {

constexpr std::chrono::seconds kSweepEvery{5};
constexpr std::chrono::milliseconds kSweepSoon{100};  // when backends went: a few may go one after another
constexpr std::chrono::seconds kProbeFor{60};         // who has not answered by then is away, too
constexpr std::chrono::milliseconds kSweepPause{5};   // between slices, for everybody else on the loop

}  // namespace

absl::Status Daemon::OpenSweeper() {
  const auto is_orphan = [this](const xlb_flow& flow) { return IsOrphan(flow); };
  sweeper_ = std::make_unique<FlowSweeper>(&data_path_->flows(), tick_seconds_, is_orphan);
  XLB_ASSIGN_OR_RETURN(BackendLoads loads, data_path_->OpenBackendLoads());
  loads_.emplace(std::move(loads));
  auto prober = ClientProber::Open();
  if (prober.ok()) {
    prober_.emplace(*std::move(prober));
  } else {  // not worth a node without its load balancer
    events_.Add("probe-failed", "data path", std::string(prober.status().message()));
  }
  return absl::OkStatus();
}

// The same question as flow_takes_backend() asks in bpf/lib/backend.h.
bool Daemon::IsOrphan(const xlb_flow& flow) const {
  const auto& backends = reconciler_->contents().backends;
  const auto backend = backends.find(flow.backend);
  if (backend == backends.end() || backend->second.generation != flow.generation) return true;
  if (backend->second.state != XLB_BACKEND_ACTIVE && backend->second.state != XLB_BACKEND_DRAINING) return true;
  if (flow.kind == XLB_KIND_PEER) return (backend->second.flags & XLB_BACKEND_PEER) == 0;
  return flow.kind != backend->second.kind;
}

void Daemon::StartSweeps() { ArmSweep(kSweepEvery); }

void Daemon::SweepSoon() {
  if (std::exchange(sweeps_soon_, true) || sweeper_ == nullptr) return;
  ArmSweep(kSweepSoon);
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
  std::optional<SweepResult> done = sweeper_->Step(*now);
  if (!done) return ArmSweep(kSweepPause);
  TakeSweep(*std::move(done));
  ArmSweep(kSweepEvery);
}

void Daemon::TakeSweep(SweepResult result) {
  sweep_ = std::move(result);
  sweeps_soon_ = false;
  loads_->SetLive(sweep_.live_by_backend);
  if (!prober_) return;
  std::map<BackendLife, Clock::Time> lost;
  for (const SweepResult::Orphan& orphan : sweep_.orphans) {
    const BackendLife life{orphan.backend, orphan.generation};
    const auto known = lost_.find(life);
    const auto since = lost.emplace(life, known == lost_.end() ? clock_.Now() : known->second).first->second;
    if (clock_.Now() - since < kProbeFor) (void)prober_->Probe(orphan.client);
  }
  lost_ = std::move(lost);
}

}  // namespace xlb
