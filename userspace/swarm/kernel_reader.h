// Fills a KernelSnapshot by netlink.
#ifndef XLB_SWARM_KERNEL_READER_H_
#define XLB_SWARM_KERNEL_READER_H_

#include <map>
#include <string>

#include "base/status.h"
#include "swarm/snapshot.h"

namespace xlb {

// Every call is a few netlink dumps, well below a millisecond each. No socket in a foreign namespace outlives a call:
// it would keep the namespace alive, and dockerd could not make its vxlan device anew.
class KernelReader {
 public:
  explicit KernelReader(std::string netns_dir) : netns_dir_(std::move(netns_dir)) {}

  // The host's devices.
  void ReadLinks();
  // The ingress network's namespace, and the host's routes to the nodes. Empty id: no such network.
  void ReadOverlay(const std::string& network_id, const std::vector<SwarmNode>& nodes);
  // The namespaces of this node's tasks, given as sandbox -> address of the leg on docker_gwbridge. New ones are read,
  // and those that were read too early to have the leg; all if `again`; those not listed are forgotten.
  void ReadTasks(const std::map<std::string, Mac>& sandboxes, bool again);

  const KernelSnapshot& snapshot() const { return snapshot_; }

 private:
  absl::StatusOr<std::string> FindOverlayNetns(const std::string& network_id) const;
  void ReadRouteSources(const std::vector<SwarmNode>& nodes);

  std::string netns_dir_;
  KernelSnapshot snapshot_;
};

}  // namespace xlb

#endif  // XLB_SWARM_KERNEL_READER_H_
