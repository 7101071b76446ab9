// Reads the rules of a network namespace by iptables-save. Nothing is ever written, and no table is made by looking.
#ifndef XLB_NETFILTER_READ_H_
#define XLB_NETFILTER_READ_H_

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "netfilter/rules.h"

namespace xlb {

// A namespace may have rules of both kinds at once, and a packet must get through both.
struct FirewallTool {
  std::string kind;  // "nft", "legacy"; "iptables" when the program does not say which it is
  std::string path;  // of an iptables-save
  bool operator==(const FirewallTool&) const = default;
};

// Those installed: iptables-nft-save and iptables-legacy-save, or if there is neither, iptables-save. `search` is a
// list of directories as in PATH.
std::vector<FirewallTool> FindFirewallTools(std::string_view search);
// In PATH and where system programs lie; PATH alone may be a user's.
std::vector<FirewallTool> FindFirewallTools();

struct FirewallRules {
  struct Part {
    std::string kind;  // FirewallTool::kind
    std::string text;  // as printed, for comparison
    FirewallDump dump;
  };
  std::vector<Part> parts;

  // All the rules of the chain in all parts, those of one part after the other's.
  std::vector<FirewallRule> ChainRules(const std::string& table, const std::string& chain) const;
};

// What iptables-save prints without its comments and counters: the same text, the same rules.
std::string NormalizedDump(std::string_view printed);

// In the namespace named by a file ("/run/docker/netns/..."), or the process's own for "". Takes tens of milliseconds
// of other processes' time, none of the executor's. NotFound: iptables is not installed. DeadlineExceeded: a program
// did not end within five seconds; it is ended.
boost::asio::awaitable<absl::StatusOr<FirewallRules>> ReadFirewall(std::string netns_path,
                                                                   std::vector<FirewallTool> tools);

// The same, waiting for it.
absl::StatusOr<FirewallRules> ReadFirewallNow(const std::string& netns_path, const std::vector<FirewallTool>& tools);

}  // namespace xlb

#endif  // XLB_NETFILTER_READ_H_
