// Services and backends as the control plane thinks of them: values, no kernel, no Docker.
#ifndef XLB_MODEL_SERVICE_H_
#define XLB_MODEL_SERVICE_H_

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip.h"
#include "base/shared_vector.h"
#include "base/status.h"
#include "model/access.h"
#include "model/source_list.h"
#include "xlb/abi.h"

namespace xlb {

enum class Protocol : uint8_t { kTcp = 6, kUdp = 17 };  // IP protocol numbers

// What a service is reached by. The key of everything: no two services share one.
struct Frontend {
  Protocol protocol = Protocol::kTcp;
  Ipv4 address;       // unset: every address of this node
  uint16_t port = 0;  // host order

  // "tcp/192.0.2.10:80"; "tcp/*:8091" for every address of this node. Parse says in one line what is wrong.
  static absl::StatusOr<Frontend> Parse(std::string_view text);
  std::string ToString() const;
  auto operator<=>(const Frontend&) const = default;
};

// "10.1.0.5:8080". Refuses port 0 and anything behind the port.
struct Endpoint {
  Ipv4 address;
  uint16_t port = 0;
  static absl::StatusOr<Endpoint> Parse(std::string_view text);
  std::string ToString() const;
  auto operator<=>(const Endpoint&) const = default;
};

enum class SchedulerKind {
#define X(kind, name, pick, builder) kind,
#include "model/schedulers.def"
#undef X
};
enum class BackendKind { kRoute, kVxlan, kLocal };
enum class BackendState { kActive, kDraining, kDown };
enum class ServiceSource { kStatic, kSwarm };

// The one spelling of each value, for the CLI, the API, labels and tables.
std::string_view ToString(Protocol);
std::string_view ToString(SchedulerKind);  // as in schedulers.def
std::string_view ToString(BackendKind);    // "route", "vxlan", "local"
std::string_view ToString(BackendState);   // "active", "draining", "down"
std::string_view ToString(ServiceSource);  // "static", "swarm"
absl::StatusOr<Protocol> ParseProtocol(std::string_view text);
absl::StatusOr<SchedulerKind> ParseScheduler(std::string_view text);

xlb_pick PickOf(SchedulerKind scheduler);

inline constexpr uint32_t kMaxWeight = 1000;

// How packets get to a backend. Which members count depends on `kind`, as in struct xlb_backend.
struct Reach {
  BackendKind kind = BackendKind::kRoute;
  Ipv4 address;          // packets are sent to this address
  uint16_t port = 0;     // host order; 0: the port that the client asked for
  Ipv4 snat_address;     // source they get; unset: the client's own
  Ipv4 tunnel_dst;       // vxlan: data-path address of the node that runs the task
  Ipv4 tunnel_src;       // vxlan: this node's
  uint32_t vni = 0;      // vxlan
  uint32_t ifindex = 0;  // local: host-side veth
  Mac dst_mac;           // local, vxlan: the task's
  Mac src_mac;           // local: the bridge's; vxlan: this node's in the ingress network
  bool peer = false;     // vxlan: its node's xlb delivers clients' packets to it as they come
  bool direct = false;   // with `peer`: and sends the replies to the client itself
  bool operator==(const Reach&) const = default;
};

struct Backend {
  std::string identity;  // the same over restarts and on every node ("swarm:<task id>/tcp:8091"); never an address that
                         // is reused
  std::string name;      // for people: "web.2", "10.1.0.5:8080"
  std::string node;      // host name of the node that runs it; empty when unknown
  uint32_t weight = 1;   // 0: gets no new flows, like draining
  BackendState state = BackendState::kActive;
  Reach reach;
  bool operator==(const Backend&) const = default;
};

// What xlb does with a service's packets.
enum class Handling {
  kServe,
  kLeave,  // begins no flow: a socket of the host, or Docker's mesh, has the port; flows that live go on
  kClose,  // drops them
};

struct Service {
  Frontend frontend;
  std::string name;
  ServiceSource source = ServiceSource::kStatic;
  SchedulerKind scheduler = SchedulerKind::kRoundRobin;
  SharedVector<Backend> backends;
  // Endpoints that exist but that this node cannot reach, and why: shown, never in the ring. {backend name, reason}
  std::vector<std::pair<std::string, std::string>> unreachable = {};
  std::chrono::seconds affinity{};  // for which a client keeps its backend when it is silent; 0: it does not
  bool snat = false;                // backends see an address of the node in place of the client's
  bool prefer_local = false;        // new flows go to backends on this node while there are any
  Access access = {};               // as asked for by label or xlbctl
  std::string access_problem = {};  // what is wrong with the labels that ask for it: then nobody is let in
  Handling handling = Handling::kServe;
  std::string left_because = {};  // for kLeave, or for some sources' clients; else empty
  SourceList sources = {};        // who is let in
  // No service of its own: one address of this node at which that of every address is left or closed.
  bool is_exception = false;
  bool operator==(const Service&) const = default;
};

}  // namespace xlb

#endif  // XLB_MODEL_SERVICE_H_
