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
#include "dataplane/counters.h"
#include "dataplane/flow_table.h"
#include "dataplane/kernel_map_store.h"
#include "dataplane/programs.h"
#include "dataplane/xdp_attach.h"
#include "model/views.h"

namespace xlb {

struct DataPathOptions {
  std::string bpffs_dir = "/sys/fs/bpf/xlb";
  uint32_t flow_entries = XLB_DEFAULT_FLOW_ENTRIES;
  XdpMode xdp = XdpMode::kAuto;
};

// Single-threaded. Destroying it leaves programs, maps and links at work; Detach takes them away.
class DataPath {
 public:
  // Locks the pin directory, checks the schema of what is pinned there, loads the programs. Attaches nothing.
  static absl::StatusOr<std::unique_ptr<DataPath>> Open(const DataPathOptions& options);

  // Attaches to every device given and detaches from every other one that has our uplink program. Devices that have the
  // program already keep it, replaced only on the first call. Errors of single devices go into the views' reasons; the
  // status fails only when nothing could be attached at all.
  absl::Status SetUplinks(const std::vector<UplinkDevice>& devices);

  // The same for the host-side veths of local tasks.
  absl::Status SetTasks(const std::set<uint32_t>& ifindexes);

  // Devices that have our uplink program now, also one of an earlier xlbd.
  std::set<uint32_t> AttachedUplinks() const;

  absl::StatusOr<std::vector<std::string>> Detach();

  MapStore* maps() { return store_.get(); }
  const Counters& counters() const { return counters_; }
  const FlowTable& flows() const { return flows_; }
  const TickClock& clock() const { return clock_; }
  const std::vector<UplinkView>& uplinks() const { return views_; }
  // A pinned flow table of another size was taken over: what it holds; else 0.
  uint32_t flow_entries() const { return flows_.capacity(); }

 private:
  DataPath(DataPathOptions options, UniqueFd lock, Programs programs, std::unique_ptr<KernelMapStore> store);
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
  std::set<uint32_t> tasks_;
  bool adopted_uplinks_ = false;  // what an earlier xlbd left was looked at
  bool adopted_tasks_ = false;
};

}  // namespace xlb

#endif  // XLB_DATAPLANE_DATA_PATH_H_
