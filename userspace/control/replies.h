// The bodies of the API's answers and requests that are not already views or parts of the static configuration.
#ifndef XLB_CONTROL_REPLIES_H_
#define XLB_CONTROL_REPLIES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/static_config.h"
#include "model/views.h"

namespace xlb {

struct ErrorReply {
  std::string error;  // one line
};

struct ServicesReply {
  std::vector<ServiceView> services;
};

struct FlowsReply {
  std::vector<FlowView> flows;
  bool truncated = false;  // there are more than the limit let through
};

struct EventsReply {
  std::vector<EventView> events;
};

struct ApplyReply {
  bool dry_run = false;
  std::vector<std::string> added;    // "web tcp/192.0.2.10:80"
  std::vector<std::string> changed;  // "web tcp/192.0.2.10:80: scheduler rr -> maglev, backend 10.1.0.5:8080 added"
  std::vector<std::string> removed;
};

struct DetachReply {
  std::vector<std::string> removed;  // one line each; empty: there was nothing
};

// Who reaches a service of Swarm's, said on this node over its labels. What is absent is as the labels say.
struct StaticOverride {
  Frontend frontend;
  std::optional<std::vector<Ipv4Prefix>> allow = std::nullopt, deny = std::nullopt;
  std::optional<std::vector<std::string>> bind = std::nullopt;
};

// The static configuration as a document: the state file, `export` and `apply`.
struct StaticDocument {
  uint32_t version = 0;
  std::vector<StaticService> services;
  std::vector<StaticOverride> overrides = {};
};
inline constexpr uint32_t kStaticDocumentVersion = 1;

}  // namespace xlb

#endif  // XLB_CONTROL_REPLIES_H_
