// Tells when devices, addresses, routes or next hops of a network namespace change.
#ifndef XLB_NETLINK_MONITOR_H_
#define XLB_NETLINK_MONITOR_H_

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/status.h"

namespace xlb {

// Bits: what has changed since the last report.
enum NetlinkChange : uint32_t {
  kLinks = 1,
  kAddresses = 2,
  kRoutes = 4,     // routes or rules
  kNeighbors = 8,  // the MAC address of a known neighbour changed, or it failed or went; never a mere refresh
};
inline constexpr uint32_t kAllChanges = kLinks | kAddresses | kRoutes | kNeighbors;

// Changes that come within `coalesce` are one report. When the kernel could not deliver every message, everything is
// reported as changed. Callbacks run on the executor; none after Stop() or destruction.
class NetlinkMonitor {
 public:
  using OnChange = std::function<void(uint32_t changes)>;

  // In the calling thread's namespace; reports start at once.
  static absl::StatusOr<NetlinkMonitor> Open(boost::asio::any_io_executor executor, OnChange on_change,
                                             std::chrono::milliseconds coalesce = std::chrono::milliseconds(20));
  NetlinkMonitor(NetlinkMonitor&&) noexcept;
  NetlinkMonitor& operator=(NetlinkMonitor&&) = delete;
  ~NetlinkMonitor();
  void Stop();

 private:
  class Impl;
  explicit NetlinkMonitor(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace xlb

#endif  // XLB_NETLINK_MONITOR_H_
