// A daemon that keeps its static configuration for real and answers everything else from members.
#ifndef XLB_TESTS_UNIT_CONTROL_FAKE_DAEMON_H_
#define XLB_TESTS_UNIT_CONTROL_FAKE_DAEMON_H_

#include <algorithm>
#include <string>
#include <vector>

#include "control/daemon.h"
#include "unit/control/sample_views.h"

namespace xlb {

class FakeDaemon : public DaemonInterface {
 public:
  StatusView Status() override { return status; }
  std::vector<ServiceView> Services() override { return services; }

  absl::StatusOr<std::vector<FlowView>> Flows(const FlowFilter& filter) override {
    last_filter = filter;
    if (!flows_error.ok()) return flows_error;
    std::vector<FlowView> found = flows;
    if (found.size() > filter.limit) found.resize(filter.limit);
    return found;
  }

  absl::StatusOr<StatsReport> Stats() override {
    if (!stats_error.ok()) return stats_error;
    return stats;
  }

  std::vector<EventView> Events(uint64_t after) override {
    std::vector<EventView> found;
    std::copy_if(events.begin(), events.end(), std::back_inserter(found),
                 [&](const EventView& event) { return event.sequence > after; });
    return found;
  }

  const StaticConfig& Static() override { return config; }

  absl::Status Edit(const std::function<absl::Status(StaticConfig&)>& change) override {
    StaticConfig copy = config;
    XLB_RETURN_IF_ERROR(change(copy));
    return Replace(std::move(copy));
  }

  absl::Status Replace(StaticConfig replacement) override {
    XLB_RETURN_IF_ERROR(Check(replacement));
    config = std::move(replacement);
    return absl::OkStatus();
  }

  absl::Status Check(const StaticConfig&) override { return refusal; }

  absl::StatusOr<std::vector<std::string>> Detach() override {
    ++detached;
    return std::vector<std::string>{"XDP program off eth0", "pins under /sys/fs/bpf/xlb"};
  }

  StatusView status = SampleStatus();
  std::vector<ServiceView> services = {SampleService()};
  std::vector<FlowView> flows = {SampleFlow()};
  StatsReport stats = SampleStats();
  std::vector<EventView> events = {SampleEvent(1), SampleEvent(2)};
  StaticConfig config;
  absl::Status refusal;  // what Edit, Replace and Check say
  absl::Status flows_error;
  absl::Status stats_error;
  FlowFilter last_filter;
  int detached = 0;
};

}  // namespace xlb

#endif  // XLB_TESTS_UNIT_CONTROL_FAKE_DAEMON_H_
