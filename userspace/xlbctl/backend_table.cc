#include "xlbctl/backend_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "xlbctl/humanize.h"
#include "xlbctl/table.h"

namespace xlb {

std::string BackendTable(const std::vector<BackendView>& backends, bool with_service) {
  const bool with_reason =
      std::any_of(backends.begin(), backends.end(), [](const BackendView& backend) { return !backend.reason.empty(); });
  std::vector<std::string> headings = {"BACKEND", "NODE",    "ADDRESS", "KIND",     "VIA",
                                       "STATE",   ">WEIGHT", ">FLOWS",  ">PACKETS", ">BYTES"};
  if (with_service) headings.insert(headings.begin(), {"SERVICE", "FRONTEND"});
  if (with_reason) headings.push_back("REASON");
  Table table(std::move(headings));
  for (const BackendView& backend : backends) {
    const auto packets = static_cast<double>(backend.stats.in.packets + backend.stats.out.packets);
    const auto bytes = static_cast<double>(backend.stats.in.bytes + backend.stats.out.bytes);
    std::vector<std::string> row = {backend.name,
                                    backend.node,
                                    backend.address,
                                    backend.kind,
                                    backend.via,
                                    backend.state,
                                    fmt::format("{}", backend.weight),
                                    HumanCount(static_cast<double>(backend.live_flows)),
                                    HumanCount(packets),
                                    HumanBytes(bytes)};
    if (with_service) row.insert(row.begin(), {backend.service, backend.frontend});
    if (with_reason) row.push_back(backend.reason);
    table.Add(std::move(row));
  }
  return table.Render();
}

uint64_t LiveFlows(const ServiceView& service) {
  uint64_t flows = 0;
  for (const BackendView& backend : service.backends) flows += backend.live_flows;
  return flows;
}

uint64_t ActiveBackends(const ServiceView& service) {
  return static_cast<uint64_t>(std::count_if(service.backends.begin(), service.backends.end(),
                                             [](const BackendView& backend) { return backend.state == "active"; }));
}

}  // namespace xlb
