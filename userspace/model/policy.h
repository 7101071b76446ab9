// How a service's clients are shared among its backends, as people say it by label.
#ifndef XLB_MODEL_POLICY_H_
#define XLB_MODEL_POLICY_H_

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/service.h"

namespace xlb {

// What a label was wrong about, and what holds in its place, for people.
using PolicyProblems = std::vector<std::string>;

// xlb.weight: "3" for every backend, or "node-a=3,node-b=1,*=2" by the names of nodes; who is not named has the weight
// of "*", or 1.
class Weights {
 public:
  static absl::StatusOr<Weights> Parse(std::string_view text);
  uint32_t Of(std::string_view node) const;
  bool operator==(const Weights&) const = default;

 private:
  std::map<std::string, uint32_t, std::less<>> by_node_;
  uint32_t others_ = 1;
};

// "client-ip", "client-ip/600" (seconds), "client-ip/10m"; h, m and s are known. Up to kMaxAffinity.
absl::StatusOr<std::chrono::seconds> ParseAffinity(std::string_view text);

inline constexpr std::chrono::seconds kDefaultAffinity{10800};
inline constexpr std::chrono::seconds kMaxAffinity{86400};

// Sets what the labels xlb.scheduler, xlb.affinity, xlb.weight, xlb.source-ip, xlb.return and xlb.prefer-local say, in
// the service and, once they are there, its backends. A label that is wrong counts for nothing and is named in what is
// returned.
PolicyProblems ApplyPolicyLabels(const std::map<std::string, std::string>& labels, Service& service);

}  // namespace xlb

#endif  // XLB_MODEL_POLICY_H_
