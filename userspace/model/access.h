// Who may reach a service, and at which of the node's addresses, as people say it: by label or by xlbctl.
#ifndef XLB_MODEL_ACCESS_H_
#define XLB_MODEL_ACCESS_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address_map.h"
#include "base/ip.h"
#include "base/status.h"
#include "model/source_list.h"

namespace xlb {

struct Access {
  // The longest prefix that holds the client decides; the same in both: deny. No prefix does: with any in `allow` the
  // client stays out, else it comes in.
  std::vector<Ipv4Prefix> allow, deny;
  // Addresses of this node, or names of its devices, which stand for all of the device's addresses; empty: every one.
  std::vector<std::string> bind;

  bool IsOpen() const { return allow.empty() && deny.empty() && bind.empty(); }
  bool operator==(const Access&) const = default;
};

// What differs from somebody else's Access; absent: nothing does.
struct AccessChange {
  std::optional<std::vector<Ipv4Prefix>> allow, deny;
  std::optional<std::vector<std::string>> bind;

  bool IsNone() const { return !allow && !deny && !bind; }
  void ApplyTo(Access& access) const;
  void ApplyTo(AccessChange& earlier) const;
  bool operator==(const AccessChange&) const = default;
};

// The error names what is wrong.
absl::Status CheckAccess(const Access& access);

// "10.0.0.0/8,192.0.2.7"; "" is no prefix at all. The error names the entry.
absl::StatusOr<std::vector<Ipv4Prefix>> ParsePrefixes(std::string_view text);
// "192.0.2.10,eth1".
absl::StatusOr<std::vector<std::string>> ParseBind(std::string_view text);

// Of the labels xlb.allow, xlb.deny and xlb.bind. The error names the label.
absl::StatusOr<Access> AccessOfLabels(const std::map<std::string, std::string>& labels);

// Each address's verdict by `allow` and `deny`.
AddressMap<SourceVerdicts> VerdictsOf(const Access& access);

}  // namespace xlb

#endif  // XLB_MODEL_ACCESS_H_
