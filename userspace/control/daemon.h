// What the API can ask of the daemon. xlbd implements it; tests have a fake.
#ifndef XLB_CONTROL_DAEMON_H_
#define XLB_CONTROL_DAEMON_H_

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/static_config.h"
#include "model/views.h"

namespace xlb {

struct FlowFilter {
  std::string service;  // name or frontend; empty: all
  std::string client;   // address; empty: all
  size_t limit = 1000;
};

// All calls happen on the event loop's thread and return at once.
class DaemonInterface {
 public:
  virtual ~DaemonInterface() = default;

  virtual StatusView Status() = 0;
  virtual std::vector<ServiceView> Services() = 0;
  virtual absl::StatusOr<std::vector<FlowView>> Flows(const FlowFilter& filter) = 0;
  virtual absl::StatusOr<StatsReport> Stats() = 0;
  virtual std::vector<EventView> Events(uint64_t after_sequence) = 0;  // kept: the last 1000

  virtual const StaticConfig& Static() = 0;
  // Tries the whole change on a copy, checks it against the limits and the node, writes the state file, then applies.
  // On an error nothing has changed.
  virtual absl::Status Edit(const std::function<absl::Status(StaticConfig&)>& change) = 0;
  virtual absl::Status Replace(StaticConfig config) = 0;
  // What Replace would say, without doing it: for `apply --dry-run`.
  virtual absl::Status Check(const StaticConfig& config) = 0;

  // Takes the data path away; the daemon stays passive until it is started again. One line for each thing removed.
  virtual absl::StatusOr<std::vector<std::string>> Detach() = 0;
};

}  // namespace xlb

#endif  // XLB_CONTROL_DAEMON_H_
