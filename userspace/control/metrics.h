// What Prometheus scrapes: text made anew from the daemon's views at each request, no state of its own.
#ifndef XLB_CONTROL_METRICS_H_
#define XLB_CONTROL_METRICS_H_

#include <string>

#include "control/daemon.h"

namespace xlb {

inline constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

std::string MetricsText(DaemonInterface& daemon);

}  // namespace xlb

#endif  // XLB_CONTROL_METRICS_H_
