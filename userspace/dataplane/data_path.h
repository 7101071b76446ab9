// The data path as a whole: programs, maps, attachments. Owner of everything that is pinned or attached.
#ifndef XLB_DATAPLANE_DATA_PATH_H_
#define XLB_DATAPLANE_DATA_PATH_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"
#include "dataplane/backend_loads.h"
#include "dataplane/counters.h"
#include "dataplane/flow_table.h"
#include "dataplane/host_sysctl.h"
#include "dataplane/kernel_map_store.h"
#include "dataplane/peer_maps.h"
#include "dataplane/programs.h"
#include "dataplane/tc_attach.h"
#include "dataplane/xdp_attach.h"
#include "model/views.h"

namespace xlb {

struct DataPathOptions {
  std::string bpffs_dir = "/sys/fs/bpf/xlb";
  uint32_t flow_buckets = XLB_FLOW_BUCKETS(XLB_DEFAULT_FLOWS);
  XdpMode xdp = XdpMode::kAuto;
};

// Single-threaded. Destroying it leaves programs, maps and links at work; Detach takes them away.
class DataPath {
 public:
  // Locks the pin directory, checks the schema of what is pinned there, loads the programs. Attaches nothing.
  static absl::StatusOr<std::unique_ptr<DataPath>> Open(const DataPathOptions& options);

  // Attaches to every device given and detaches from every other one that has our uplink program. Devices that have the
  // program already keep it, replaced only on the first call, and when VLANs come on it or the last one goes. Errors of
  // single devices go into the views' reasons; the status fails only when nothing could be attached at all.
  absl::Status SetUplinks(const std::vector<UplinkDevice>& devices);

  // The same for the host sides of containers' veths: what tasks answer, and what clients among them send.
  absl::Status SetContainers(const std::set<uint32_t>& ifindexes);

  // The same for the devices by which the node itself sends. Without the settings that it takes for their answers (see
  // host_warning) it attaches all the same.
  absl::Status SetHostOutputs(const std::set<uint32_t>& ifindexes);

  // Devices that have these programs now, also those of an earlier xlbd.
  std::set<uint32_t> AttachedContainers() const;
  std::set<uint32_t> AttachedHostOutputs() const;

  // Devices that have our uplink program now, also one of an earlier xlbd.
  std::set<uint32_t> AttachedUplinks() const;

  absl::StatusOr<std::vector<std::string>> Detach();

  MapStore* maps() { return store_.get(); }
  // Must not outlive the data path.
  absl::StatusOr<BackendLoads> OpenBackendLoads() const { return BackendLoads::Open(programs_.maps()); }
  PeerMaps peer_maps() const { return PeerMaps(programs_.maps()); }
  const Counters& counters() const { return counters_; }
  const FlowTable& flows() const { return flows_; }
  const TickClock& clock() const { return clock_; }
  const std::vector<UplinkView>& uplinks() const { return views_; }
  // Why processes on the node itself may not be served; empty: they are.
  const std::string& host_warning() const { return host_warning_; }

 private:
  // Devices that have one of the TC programs. What an earlier xlbd left is looked for once.
  struct TcDevices {
    std::set<uint32_t> attached;
    bool adopted = false;
  };

  DataPath(DataPathOptions options, UniqueFd lock, Programs programs, std::unique_ptr<KernelMapStore> store,
           FlowMemory flows, HostSysctls sysctls);
  static absl::Status SetDevices(TcProgram program, int program_fd, const std::set<uint32_t>& wanted,
                                 TcDevices& devices);
  absl::StatusOr<UplinkView> AttachUplink(const UplinkDevice& device);
  absl::Status DetachUplink(uint32_t ifindex);

  DataPathOptions options_;
  UniqueFd lock_;
  Programs programs_;
  std::unique_ptr<KernelMapStore> store_;
  Counters counters_;
  FlowTable flows_;
  TickClock clock_;
  std::map<uint32_t, UplinkDevice> uplinks_;  // attached by this process
  std::vector<UplinkView> views_;
  bool adopted_uplinks_ = false;  // what an earlier xlbd left was looked at
  TcDevices containers_, host_outputs_;
  HostSysctls host_sysctls_;
  std::string host_warning_;
};

}  // namespace xlb

#endif  // XLB_DATAPLANE_DATA_PATH_H_
