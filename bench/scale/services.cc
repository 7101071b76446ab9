#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "dataplane/kernel_map_store.h"
#include "model/reconciler.h"
#include "packet/loaded_programs.h"
#include "scale/scale.h"
#include "scheduler/ring.h"
#include "support/null_map_store.h"

namespace xlb::bench {
namespace {

// Tasks in an overlay network: 10.0.0.0/8 is theirs, two hundred nodes.
Backend Task(uint32_t number) {
  Backend backend;
  backend.identity = fmt::format("swarm:{:025}/tcp:80", number);
  backend.name = fmt::format("web.{}", number);
  backend.reach.kind = BackendKind::kVxlan;
  backend.reach.address = *Ipv4::Parse(fmt::format("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255));
  backend.reach.snat_address = *Ipv4::Parse("10.0.0.2");
  backend.reach.tunnel_src = *Ipv4::Parse("192.0.2.1");
  backend.reach.tunnel_dst = *Ipv4::Parse(fmt::format("192.0.2.{}", number % 200 + 2));
  backend.reach.vni = 4097;
  return backend;
}

DesiredState Desired(const ServicesSize& size) {
  DesiredState desired;
  desired.node.addresses = {*Ipv4::Parse("192.0.2.1")};
  desired.node.vni = 4097;
  desired.node.vxlan_port = 4789;
  desired.node.tunnel_mtu = 1450;
  uint32_t number = 0;
  for (uint32_t i = 0; i < size.services; i++) {
    const Frontend frontend{Protocol::kTcp, {}, static_cast<uint16_t>(i + 1)};
    Service& service = desired.services[frontend];
    service.frontend = frontend;
    service.name = fmt::format("service{}", i);
    for (uint32_t j = 0; j < size.backends; j++) service.backends.push_back(Task(number++));
  }
  return desired;
}

class Life {
 public:
  Life(std::string subject, MapStore* store, Limits limits, Figures* figures)
      : subject_(std::move(subject)), store_(store), limits_(limits), figures_(figures) {}

  // A process starts: what it takes to know the maps.
  absl::Status Start() {
    reconciler_.emplace(store_, &clock_, BuildRing, limits_);
    return reconciler_->Load();
  }

  absl::Status Apply(const std::string& name, const DesiredState& desired) {
    return Add(name, [&] { return reconciler_->Apply(desired).status(); });
  }

  absl::Status Restart(const DesiredState& desired) {
    return Add("restart: read the maps, apply", [&] {
      XLB_RETURN_IF_ERROR(Start());
      XLB_ASSIGN_OR_RETURN(const Plan plan, reconciler_->Apply(desired));
      return plan.empty() ? absl::OkStatus() : absl::InternalError("a restart wrote to maps that were right");
    });
  }

 private:
  template <typename Work>
  absl::Status Add(const std::string& name, Work work) {
    XLB_ASSIGN_OR_RETURN(const double taken, Milliseconds(work));
    figures_->Add(subject_, name, "ms", taken);
    return absl::OkStatus();
  }

  std::string subject_;
  MapStore* store_;
  Limits limits_;
  Figures* figures_;
  SteadyClock clock_;
  std::optional<Reconciler> reconciler_;
};

absl::Status Live(Life life, DesiredState desired, bool restarts) {
  DesiredState nothing = desired;
  nothing.services.clear();
  XLB_RETURN_IF_ERROR(life.Start());
  XLB_RETURN_IF_ERROR(life.Apply("the node alone", nothing));
  XLB_RETURN_IF_ERROR(life.Apply("apply from nothing", desired));
  XLB_RETURN_IF_ERROR(life.Apply("apply, nothing changed", desired));
  Service& changed = std::next(desired.services.begin(), static_cast<long>(desired.services.size() / 2))->second;
  const Backend backend = changed.backends.back();
  changed.backends.pop_back();
  XLB_RETURN_IF_ERROR(life.Apply("one backend goes", desired));
  changed.backends.push_back(backend);
  XLB_RETURN_IF_ERROR(life.Apply("one backend comes", desired));
  changed.backends.back().state = BackendState::kDraining;
  XLB_RETURN_IF_ERROR(life.Apply("one backend drains", desired));
  if (restarts) XLB_RETURN_IF_ERROR(life.Restart(desired));
  return life.Apply("all services go", nothing);
}

}  // namespace

absl::Status MeasureServices(const ServicesSize& size, Figures& figures) {
  const uint32_t services = std::max<uint32_t>(XLB_MAX_SERVICES, size.services + 1);
  const uint32_t backends = std::max<uint32_t>(XLB_MAX_BACKENDS, size.services * size.backends + 1);
  const Limits limits{.services = services, .backends = backends};
  const std::string subject = fmt::format("{} services x {} backends", size.services, size.backends);
  const DesiredState desired = Desired(size);

  NullMapStore nothing;
  XLB_RETURN_IF_ERROR(Live(Life(subject + ", no maps", &nothing, limits, &figures), desired, false));

  test::LoadedPrograms::MapSizes sizes = test::LoadedPrograms::TableFor(1024);
  for (const char* map : {"services", "service_state", "service_stats"}) sizes[map] = services;
  for (const char* map : {"backends", "backend_stats"}) sizes[map] = backends;
  std::unique_ptr<test::LoadedPrograms> programs;
  XLB_ASSIGN_OR_RETURN(const double loaded, Milliseconds([&]() -> absl::Status {
                         XLB_ASSIGN_OR_RETURN(programs, test::LoadedPrograms::Load(sizes));
                         return absl::OkStatus();
                       }));
  figures.Add(subject + ", kernel", "load the programs", "ms", loaded);
  XLB_ASSIGN_OR_RETURN(const auto store, KernelMapStore::Open(programs->maps(), test::FlowConfigOf(programs->maps())));
  return Live(Life(subject + ", kernel", store.get(), limits, &figures), desired, true);
}

}  // namespace xlb::bench
