// The BPF objects, loaded over the pinned maps.
#ifndef XLB_DATAPLANE_PROGRAMS_H_
#define XLB_DATAPLANE_PROGRAMS_H_

#include <memory>
#include <string>

#include "base/status.h"
#include "dataplane/kernel_map_store.h"

struct bpf_object;
struct tc_bpf;
struct xdp_bpf;

namespace xlb {

// libbpf's own messages: the last ones are kept so that an error can quote the line that says why.
void CaptureLibbpfLog();
std::string LastLibbpfError();

// Owns the programs' descriptors, not their effect: closing them detaches nothing that is pinned or in a TC filter.
class Programs {
 public:
  // Loads all programs; maps pinned under `bpffs_dir` are taken over, missing ones made and pinned.
  static absl::StatusOr<Programs> Load(const std::string& bpffs_dir, uint32_t flow_buckets);
  Programs(Programs&&) noexcept;
  Programs& operator=(Programs&&) noexcept;
  ~Programs();

  int xdp_fd() const;
  int uplink_tc_fd() const;
  int task_tc_fd() const;
  int host_tc_fd() const;
  int clock_fd() const;
  int mark_fd() const;
  MapFds maps() const;

  // The XDP program opened but not loaded, for libxdp's dispatcher, which loads it itself. The caller closes it.
  static absl::StatusOr<xdp_bpf*> OpenXdp(const std::string& bpffs_dir, uint32_t flow_buckets);

 private:
  Programs(xdp_bpf* xdp, tc_bpf* tc) : xdp_(xdp), tc_(tc) {}
  xdp_bpf* xdp_ = nullptr;
  tc_bpf* tc_ = nullptr;
};

}  // namespace xlb

#endif  // XLB_DATAPLANE_PROGRAMS_H_
