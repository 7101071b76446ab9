// Which members each type has in JSON: one line a member, for encoding and decoding alike.
#ifndef XLB_CONTROL_JSON_FIELDS_H_
#define XLB_CONTROL_JSON_FIELDS_H_

#include <tuple>

#include "control/json_codec.h"
#include "control/replies.h"

namespace xlb {

// What a person writes: unknown keys are refused, because a misspelt "wieght" must not be ignored.
#define XLB_JSON_CONFIG(Type)            \
  template <>                            \
  struct JsonRecord<Type> {              \
    using Self = Type;                   \
    static constexpr bool strict = true; \
    static constexpr auto fields
// What the daemon says: unknown keys are a newer daemon's.
#define XLB_JSON_VIEW(Type)               \
  template <>                             \
  struct JsonRecord<Type> {               \
    using Self = Type;                    \
    static constexpr bool strict = false; \
    static constexpr auto fields
#define XLB_JSON_END }

// clang-format off

XLB_JSON_CONFIG(StaticBackend) = std::make_tuple(
    RequiredField("endpoint", &Self::endpoint),
    Field("weight", &Self::weight),
    Field("draining", &Self::draining));
XLB_JSON_END;

XLB_JSON_CONFIG(StaticService) = std::make_tuple(
    RequiredField("name", &Self::name),
    RequiredField("frontend", &Self::frontend),
    Field("scheduler", &Self::scheduler),
    RareField("allow", &Self::allow),
    RareField("deny", &Self::deny),
    RareField("bind", &Self::bind),
    Field("backends", &Self::backends));
XLB_JSON_END;

XLB_JSON_CONFIG(StaticOverride) = std::make_tuple(
    RequiredField("frontend", &Self::frontend),
    Field("allow", &Self::allow),
    Field("deny", &Self::deny),
    Field("bind", &Self::bind));
XLB_JSON_END;

XLB_JSON_CONFIG(StaticDocument) = std::make_tuple(
    RequiredField("version", &Self::version),
    RequiredField("services", &Self::services),
    RareField("overrides", &Self::overrides));
XLB_JSON_END;

XLB_JSON_CONFIG(ServiceChange) = std::make_tuple(
    Field("name", &Self::name),
    Field("scheduler", &Self::scheduler),
    Field("allow", &Self::allow),
    Field("deny", &Self::deny),
    Field("bind", &Self::bind));
XLB_JSON_END;

XLB_JSON_CONFIG(BackendChange) = std::make_tuple(
    Field("weight", &Self::weight),
    Field("draining", &Self::draining));
XLB_JSON_END;

XLB_JSON_VIEW(UplinkView) = std::make_tuple(
    Field("name", &Self::name),
    Field("ifindex", &Self::ifindex),
    Field("xdp", &Self::xdp),
    Field("attach", &Self::attach),
    Field("reason", &Self::reason));
XLB_JSON_END;

XLB_JSON_VIEW(PeerView) = std::make_tuple(
    Field("node", &Self::node),
    Field("address", &Self::address),
    Field("state", &Self::state),
    Field("version", &Self::version),
    Field("answer_seconds", &Self::answer_seconds));
XLB_JSON_END;

XLB_JSON_VIEW(StatusView) = std::make_tuple(
    Field("version", &Self::version),
    Field("schema", &Self::schema),
    Field("pid", &Self::pid),
    Field("uptime_seconds", &Self::uptime_seconds),
    Field("mode", &Self::mode),
    Field("uplinks", &Self::uplinks),
    Field("addresses", &Self::addresses),
    Field("docker", &Self::docker),
    Field("docker_version", &Self::docker_version),
    Field("swarm_role", &Self::swarm_role),
    Field("node_id", &Self::node_id),
    Field("node_name", &Self::node_name),
    Field("ingress_network", &Self::ingress_network),
    Field("peers", &Self::peers),
    Field("nodes", &Self::nodes),
    Field("docker_mesh", &Self::docker_mesh),
    Field("docker_flows", &Self::docker_flows),
    Field("services", &Self::services),
    Field("backends", &Self::backends),
    Field("flows", &Self::flows),
    Field("flow_capacity", &Self::flow_capacity),
    Field("warnings", &Self::warnings));
XLB_JSON_END;

XLB_JSON_VIEW(TrafficView) = std::make_tuple(
    Field("packets", &Self::packets),
    Field("bytes", &Self::bytes));
XLB_JSON_END;

XLB_JSON_VIEW(StatsView) = std::make_tuple(
    Field("flows", &Self::flows),
    Field("in", &Self::in),
    Field("out", &Self::out));
XLB_JSON_END;

XLB_JSON_VIEW(BackendView) = std::make_tuple(
    Field("service", &Self::service),
    Field("frontend", &Self::frontend),
    Field("id", &Self::id),
    Field("name", &Self::name),
    Field("node", &Self::node),
    Field("kind", &Self::kind),
    Field("address", &Self::address),
    Field("via", &Self::via),
    Field("state", &Self::state),
    Field("reason", &Self::reason),
    Field("weight", &Self::weight),
    Field("live_flows", &Self::live_flows),
    Field("stats", &Self::stats));
XLB_JSON_END;

XLB_JSON_VIEW(ServiceView) = std::make_tuple(
    Field("id", &Self::id),
    Field("name", &Self::name),
    Field("frontend", &Self::frontend),
    Field("source", &Self::source),
    Field("scheduler", &Self::scheduler),
    Field("ring_slots", &Self::ring_slots),
    RareField("allow", &Self::allow),
    RareField("deny", &Self::deny),
    RareField("bind", &Self::bind),
    RareField("left", &Self::left),
    Field("stats", &Self::stats),
    Field("backends", &Self::backends));
XLB_JSON_END;

XLB_JSON_VIEW(FlowView) = std::make_tuple(
    Field("protocol", &Self::protocol),
    Field("client", &Self::client),
    Field("frontend", &Self::frontend),
    Field("source", &Self::source),
    Field("backend", &Self::backend),
    Field("kind", &Self::kind),
    Field("state", &Self::state),
    Field("service", &Self::service),
    Field("backend_name", &Self::backend_name),
    Field("idle_seconds", &Self::idle_seconds));
XLB_JSON_END;

XLB_JSON_VIEW(CounterView) = std::make_tuple(
    Field("hook", &Self::hook),
    Field("name", &Self::name),
    Field("sentence", &Self::sentence),
    Field("traffic", &Self::traffic));
XLB_JSON_END;

XLB_JSON_VIEW(StatsReport) = std::make_tuple(
    Field("counters", &Self::counters),
    Field("drops", &Self::drops));
XLB_JSON_END;

XLB_JSON_VIEW(EventView) = std::make_tuple(
    Field("sequence", &Self::sequence),
    Field("time", &Self::time),
    Field("kind", &Self::kind),
    Field("subject", &Self::subject),
    Field("text", &Self::text));
XLB_JSON_END;

XLB_JSON_VIEW(ErrorReply) = std::make_tuple(RequiredField("error", &Self::error));
XLB_JSON_END;

XLB_JSON_VIEW(ServicesReply) = std::make_tuple(RequiredField("services", &Self::services));
XLB_JSON_END;

XLB_JSON_VIEW(FlowsReply) = std::make_tuple(
    RequiredField("flows", &Self::flows),
    Field("truncated", &Self::truncated));
XLB_JSON_END;

XLB_JSON_VIEW(EventsReply) = std::make_tuple(RequiredField("events", &Self::events));
XLB_JSON_END;

XLB_JSON_VIEW(ApplyReply) = std::make_tuple(
    Field("dry_run", &Self::dry_run),
    RequiredField("added", &Self::added),
    RequiredField("changed", &Self::changed),
    RequiredField("removed", &Self::removed));
XLB_JSON_END;

XLB_JSON_VIEW(DetachReply) = std::make_tuple(RequiredField("removed", &Self::removed));
XLB_JSON_END;

// clang-format on

#undef XLB_JSON_CONFIG
#undef XLB_JSON_VIEW
#undef XLB_JSON_END

}  // namespace xlb

#endif  // XLB_CONTROL_JSON_FIELDS_H_
