// The HTTP API: which request asks what of the daemon. Pure routing, no socket.
//
//   GET    /v1/status
//   GET    /v1/services                          every service with its backends
//   GET    /v1/services/{s}                      {s}: a name (all its frontends) or a frontend, percent-encoded
//   POST   /v1/services                          {"name", "frontend", "scheduler", "backends"}
//   PATCH  /v1/services/{s}                      {"name", "scheduler"}
//   DELETE /v1/services/{s}
//   POST   /v1/services/{s}/backends             {"endpoint", "weight", "draining"}
//   PATCH  /v1/services/{s}/backends/{ip:port}   {"weight", "draining"}
//   DELETE /v1/services/{s}/backends/{ip:port}
//   GET    /v1/flows?service=&client=&limit=
//   GET    /v1/stats
//   GET    /v1/events?after=N&wait=SECONDS       wait: hold the request until there is an event, at most 30 s
//   GET    /v1/static                            the static configuration
//   PUT    /v1/static?dry_run=1                  replaces it; answers what was added, changed, removed
//   POST   /v1/detach
//   GET    /metrics
//
// Errors: {"error": "one line"} with 400 (bad request), 404, 405, 409 (exists, or not now), 503, 507 (does not fit),
// 500.
#ifndef XLB_CONTROL_API_H_
#define XLB_CONTROL_API_H_

#include "control/daemon.h"
#include "control/http.h"

namespace xlb {

HttpResponse HandleApiRequest(const HttpRequest& request, DaemonInterface& daemon);

// For the TCP listener, which anybody on the network may reach: GET /metrics and nothing else.
HttpResponse HandleMetricsRequest(const HttpRequest& request, DaemonInterface& daemon);

}  // namespace xlb

#endif  // XLB_CONTROL_API_H_
