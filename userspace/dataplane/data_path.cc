#include "dataplane/data_path.h"

#include <fmt/core.h>

#include <bpf/bpf.h>

#include <cerrno>

#include "dataplane/detach.h"
#include "dataplane/pins.h"
#include "dataplane/tc_attach.h"

namespace xlb {

namespace {

// The seed by which the pinned table's flows were filed; a new one for a new table.
absl::StatusOr<xlb_flow_config> FlowConfigOf(const MapFds& maps, uint32_t buckets) {
  const uint32_t zero = 0;
  xlb_node pinned{};
  if (bpf_map_lookup_elem(maps.node, &zero, &pinned) != 0) return ErrnoStatus(errno, "cannot read the map this_node");
  if (pinned.schema == XLB_SCHEMA && pinned.flow_table.buckets == buckets) return pinned.flow_table;
  XLB_ASSIGN_OR_RETURN(const xlb_flow_config config, NewFlowConfig(buckets));
  // Flows that were filed by another seed would never be found again.
  XLB_ASSIGN_OR_RETURN(const FlowMemory memory, FlowMemory::Map(maps.flow_heads, maps.flows, config));
  memory.Clear();
  return config;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataPath>> DataPath::Open(const DataPathOptions& options) {
  XLB_ASSIGN_OR_RETURN(UniqueFd lock, LockPinDirectory(options.bpffs_dir));
  XLB_RETURN_IF_ERROR(CheckPinnedSchema(options.bpffs_dir));
  DataPathOptions used = options;
  if (const uint32_t pinned = PinnedMapEntries(options.bpffs_dir, kFlowHeadMapPin); pinned != 0)
    used.flow_buckets = pinned;
  const bool was_empty = !HasPins(options.bpffs_dir);
  auto loaded = Programs::Load(used.bpffs_dir, used.flow_buckets);
  if (!loaded.ok() && was_empty) (void)RemovePins(options.bpffs_dir);  // as if nobody had tried
  XLB_ASSIGN_OR_RETURN(Programs programs, std::move(loaded));
  XLB_ASSIGN_OR_RETURN(const xlb_flow_config flow_table, FlowConfigOf(programs.maps(), used.flow_buckets));
  XLB_ASSIGN_OR_RETURN(auto store, KernelMapStore::Open(programs.maps(), flow_table));
  XLB_ASSIGN_OR_RETURN(FlowMemory flows,
                       FlowMemory::Map(programs.maps().flow_heads, programs.maps().flows, flow_table));
  XLB_ASSIGN_OR_RETURN(HostSysctls sysctls, HostSysctls::Open(used.bpffs_dir));
  return std::unique_ptr<DataPath>(
      new DataPath(used, std::move(lock), std::move(programs), std::move(store), std::move(flows), std::move(sysctls)));
}

DataPath::DataPath(DataPathOptions options, UniqueFd lock, Programs programs, std::unique_ptr<KernelMapStore> store,
                   FlowMemory flows, HostSysctls sysctls)
    : options_(std::move(options)),
      lock_(std::move(lock)),
      programs_(std::move(programs)),
      store_(std::move(store)),
      counters_(programs_.maps()),
      flows_(std::move(flows), programs_.mark_fd()),
      clock_(programs_.clock_fd()),
      host_sysctls_(std::move(sysctls)) {}

absl::StatusOr<UplinkView> DataPath::AttachUplink(const UplinkDevice& device) {
  // TC first: XDP leaves packets to it from its first frame on.
  XLB_RETURN_IF_ERROR(AttachTc(device.ifindex, TcProgram::kUplink, programs_.uplink_tc_fd()));
  const XdpAttachment xdp = AttachXdp(programs_, options_.bpffs_dir, options_.flow_buckets, device, options_.xdp);
  const xlb_uplink value{.native_xdp = xdp.mode == "native" ? 1u : 0u};
  if (bpf_map_update_elem(programs_.maps().uplinks, &device.ifindex, &value, BPF_ANY) != 0) {
    return ErrnoStatus(errno, "cannot write the map uplinks");
  }
  return UplinkView{
      .name = device.name, .ifindex = device.ifindex, .xdp = xdp.mode, .attach = xdp.attach, .reason = xdp.reason};
}

absl::Status DataPath::DetachUplink(uint32_t ifindex) {
  bpf_map_delete_elem(programs_.maps().uplinks, &ifindex);
  XLB_RETURN_IF_ERROR(DetachXdp(options_.bpffs_dir, ifindex).status());
  return DetachTc(ifindex, TcProgram::kUplink).status();
}

std::set<uint32_t> DataPath::AttachedUplinks() const {
  std::set<uint32_t> attached = DevicesWithTc(TcProgram::kUplink);
  for (const uint32_t ifindex : PinnedXdpLinks(options_.bpffs_dir)) attached.insert(ifindex);
  return attached;
}

absl::Status DataPath::SetUplinks(const std::vector<UplinkDevice>& devices) {
  std::set<uint32_t> stale;
  if (!adopted_uplinks_) stale = AttachedUplinks();
  for (const auto& [ifindex, device] : uplinks_) stale.insert(ifindex);

  absl::Status failure;
  std::map<uint32_t, UplinkDevice> attached;
  std::vector<UplinkView> views;
  for (const UplinkDevice& device : devices) {
    stale.erase(device.ifindex);
    const auto known = uplinks_.find(device.ifindex);
    if (known != uplinks_.end() && known->second.has_vlans == device.has_vlans) {
      for (const UplinkView& view : views_) {
        if (view.ifindex == device.ifindex) views.push_back(view);
      }
      attached.emplace(device.ifindex, device);
      continue;
    }
    auto view = AttachUplink(device);
    if (view.ok()) {
      attached.emplace(device.ifindex, device);
      views.push_back(*std::move(view));
    } else {
      failure = view.status();
      views.push_back({.name = device.name,
                       .ifindex = device.ifindex,
                       .xdp = "off",
                       .attach = "none",
                       .reason = std::string(view.status().message())});
    }
  }
  for (const uint32_t ifindex : stale) {
    // Failing to clean a device that is not an uplink any more must not keep the others from working.
    if (absl::Status status = DetachUplink(ifindex); !status.ok() && failure.ok() && attached.empty()) failure = status;
  }
  adopted_uplinks_ = true;
  uplinks_ = std::move(attached);
  views_ = std::move(views);
  return uplinks_.empty() ? failure : absl::OkStatus();
}

absl::Status DataPath::SetDevices(TcProgram program, int program_fd, const std::set<uint32_t>& wanted,
                                  TcDevices& devices) {
  if (!devices.adopted) devices.attached = DevicesWithTc(program);
  absl::Status failure;
  std::set<uint32_t> attached;
  for (const uint32_t ifindex : wanted) {
    if (devices.adopted && devices.attached.contains(ifindex)) {
      attached.insert(ifindex);
      continue;
    }
    if (absl::Status status = AttachTc(ifindex, program, program_fd); status.ok()) {
      attached.insert(ifindex);
    } else {
      failure = status;
    }
  }
  for (const uint32_t ifindex : devices.attached) {
    if (!wanted.contains(ifindex)) (void)DetachTc(ifindex, program);  // the device is gone, as a rule
  }
  devices.adopted = true;
  devices.attached = std::move(attached);
  return failure;
}

absl::Status DataPath::SetContainers(const std::set<uint32_t>& ifindexes) {
  return SetDevices(TcProgram::kTask, programs_.task_tc_fd(), ifindexes, containers_);
}

std::set<uint32_t> DataPath::AttachedContainers() const {
  return containers_.adopted ? containers_.attached : DevicesWithTc(TcProgram::kTask);
}

std::set<uint32_t> DataPath::AttachedHostOutputs() const {
  return host_outputs_.adopted ? host_outputs_.attached : DevicesWithTc(TcProgram::kHost);
}

absl::Status DataPath::SetHostOutputs(const std::set<uint32_t>& ifindexes) {
  const absl::Status sysctls = host_sysctls_.Apply();
  host_warning_ = sysctls.ok() ? "" : std::string(sysctls.message());
  return SetDevices(TcProgram::kHost, programs_.host_tc_fd(), ifindexes, host_outputs_);
}

absl::StatusOr<std::vector<std::string>> DataPath::Detach() {
  uplinks_.clear();
  views_.clear();
  containers_ = {};
  host_outputs_ = {};
  return DetachDataPath(options_.bpffs_dir);
}

}  // namespace xlb
