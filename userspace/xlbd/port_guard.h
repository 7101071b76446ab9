// What the guard of the ports has to know of this node, kept up to date.
#ifndef XLB_XLBD_PORT_GUARD_H_
#define XLB_XLBD_PORT_GUARD_H_

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "dataplane/xdp_attach.h"
#include "xlbd/firewall_sources.h"
#include "xlbd/firewall_watch.h"
#include "xlbd/guard.h"
#include "xlbd/host_sockets.h"
#include "xlbd/node_watch.h"

namespace xlb {

class PortGuard {
 public:
  // `on_change`: what Apply would do is not what it did.
  PortGuard(boost::asio::any_io_executor executor, std::function<void()> on_change);
  ~PortGuard();

  // Without Docker nobody's rules are about a port of xlb's.
  void Start(bool with_docker);
  void Stop();

  void Apply(const NodeWatch& node, const std::vector<UplinkDevice>& uplinks, const std::string& gateway_bridge,
             const StaticConfig& config, Assembly& assembly);

 private:
  void Poll();
  FirewallSurroundings Surroundings(const NodeWatch& node, const std::vector<UplinkDevice>& uplinks,
                                    const std::string& gateway_bridge, Ipv4 sandbox) const;

  boost::asio::any_io_executor executor_;
  std::function<void()> on_change_;
  std::unique_ptr<FirewallWatch> firewall_;  // none without Docker
  FirewallSources sources_;
  SteadyClock clock_;
  HostSockets sockets_{&clock_};
  std::set<Port> ports_;  // of the last Apply
  boost::asio::steady_timer timer_;
};

}  // namespace xlb

#endif  // XLB_XLBD_PORT_GUARD_H_
