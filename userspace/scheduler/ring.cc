#include "scheduler/ring.h"

#include <algorithm>
#include <numeric>

namespace xlb {
namespace {

bool MayGetFlows(const Backend& backend) { return backend.state == BackendState::kActive && backend.weight != 0; }

std::vector<Candidate> CandidatesOf(const Service& service) {
  std::vector<Candidate> candidates;
  const bool only_local =
      service.prefer_local && std::any_of(service.backends.begin(), service.backends.end(), [](const Backend& backend) {
        return MayGetFlows(backend) && backend.reach.kind == BackendKind::kLocal;
      });
  for (uint32_t i = 0; i < service.backends.size(); ++i) {
    const Backend& backend = service.backends[i];
    if (!MayGetFlows(backend) || (only_local && backend.reach.kind != BackendKind::kLocal)) continue;
    candidates.push_back({backend.identity, backend.weight, i});
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.identity < b.identity; });
  return candidates;
}

Extent ExtentOf(const Service& service) {
  Extent extent;
  uint64_t sum = 0, divisor = 0;
  for (const Backend& backend : service.backends) {
    if (backend.weight == 0) continue;
    ++extent.backends;
    sum += backend.weight;
    divisor = std::gcd(divisor, uint64_t{backend.weight});
  }
  if (divisor != 0) extent.weight_units = sum / divisor;
  return extent;
}

}  // namespace

std::vector<uint32_t> BuildRing(const Service& service) {
  const std::vector<Candidate> candidates = CandidatesOf(service);
  if (candidates.empty()) return {};
  switch (service.scheduler) {
#define X(kind, name, pick, builder) \
  case SchedulerKind::kind:          \
    return builder(candidates, ExtentOf(service));
#include "model/schedulers.def"
#undef X
  }
  return {};
}

}  // namespace xlb
