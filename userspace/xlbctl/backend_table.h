// Backends as `service show` and `backend ls` list them.
#ifndef XLB_XLBCTL_BACKEND_TABLE_H_
#define XLB_XLBCTL_BACKEND_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/views.h"

namespace xlb {

std::string BackendTable(const std::vector<BackendView>& backends, bool with_service);

uint64_t LiveFlows(const ServiceView& service);
uint64_t ActiveBackends(const ServiceView& service);

}  // namespace xlb

#endif  // XLB_XLBCTL_BACKEND_TABLE_H_
