#include "control/metrics.h"

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <utility>

namespace xlb {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// What the sentences of counters.def and drop_reasons.def say, for a family's one HELP line.
constexpr char kCounterHelp[] = ""
#define X(id, name, sentence) " " name ": " sentence
#include "xlb/counters.def"
#undef X
    ;
constexpr char kDropHelp[] = ""
#define X(id, name, sentence) " " name ": " sentence
#include "xlb/drop_reasons.def"
#undef X
    ;

// A family under construction.
class Family {
 public:
  Family(MetricType type, std::string name, std::string help) {
    family_.type = type;
    family_.name = std::move(name);
    family_.help = std::move(help);
  }

  void Add(Labels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (family_.type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    family_.metric.push_back(std::move(metric));
  }

  MetricFamily Take() { return std::move(family_); }

 private:
  MetricFamily family_;
};

Family Counter(std::string name, std::string help) {
  return Family(MetricType::Counter, std::move(name), std::move(help));
}

Family Gauge(std::string name, std::string help) { return Family(MetricType::Gauge, std::move(name), std::move(help)); }

double Number(uint64_t value) { return static_cast<double>(value); }

using Families = std::vector<MetricFamily>;

void AddGauge(Families& out, std::string name, std::string help, Labels labels, double value) {
  Family family = Gauge(std::move(name), std::move(help));
  family.Add(std::move(labels), value);
  out.push_back(family.Take());
}

void AddStatus(Families& out, const StatusView& status) {
  AddGauge(out, "xlb_up", "1: xlbd answers.", {}, 1);
  AddGauge(out, "xlb_info", "What runs here, in the labels.",
           {{"version", status.version},
            {"schema", std::to_string(status.schema)},
            {"mode", status.mode},
            {"swarm_role", status.swarm_role},
            {"docker_version", status.docker_version}},
           1);
  AddGauge(out, "xlb_uptime_seconds", "Seconds since xlbd was started; the data path may be older.", {},
           status.uptime_seconds);
  Family uplinks = Gauge("xlb_uplink_info", "How XDP is attached to each uplink, in the labels.");
  for (const UplinkView& uplink : status.uplinks) {
    uplinks.Add({{"uplink", uplink.name}, {"xdp", uplink.xdp}, {"attach", uplink.attach}}, 1);
  }
  out.push_back(uplinks.Take());
  AddGauge(out, "xlb_docker_connected", "1: xlbd is connected to the Docker Engine.", {},
           status.docker.rfind("connected", 0) == 0 ? 1 : 0);
  AddGauge(out, "xlb_warnings", "Warnings in 'xlbctl status'.", {}, Number(status.warnings.size()));
  AddGauge(out, "xlb_services", "Services that packets are looked up against.", {}, Number(status.services));
  AddGauge(out, "xlb_backends", "Backends of all services.", {}, Number(status.backends));
  AddGauge(out, "xlb_flows", "Flows in the flow table.", {}, Number(status.flows));
  AddGauge(out, "xlb_flow_capacity", "Flows that the flow table has room for.", {}, Number(status.flow_capacity));
}

void AddCounters(Families& out, const StatsReport& stats) {
  Family packets =
      Counter("xlb_packets_total", fmt::format("Packets, by hook and by what became of them.{}", kCounterHelp));
  Family bytes = Counter("xlb_bytes_total", "Bytes of the frames in xlb_packets_total, Ethernet header included.");
  Family dropped_packets =
      Counter("xlb_dropped_packets_total", fmt::format("Packets dropped, by hook and reason.{}", kDropHelp));
  Family dropped_bytes = Counter("xlb_dropped_bytes_total", "Bytes of the frames in xlb_dropped_packets_total.");
  for (const CounterView& counter : stats.counters) {
    const Labels labels{{"hook", counter.hook}, {"counter", counter.name}};
    packets.Add(labels, Number(counter.traffic.packets));
    bytes.Add(labels, Number(counter.traffic.bytes));
  }
  for (const CounterView& drop : stats.drops) {
    const Labels labels{{"hook", drop.hook}, {"reason", drop.name}};
    dropped_packets.Add(labels, Number(drop.traffic.packets));
    dropped_bytes.Add(labels, Number(drop.traffic.bytes));
  }
  for (Family* family : {&packets, &bytes, &dropped_packets, &dropped_bytes}) out.push_back(family->Take());
}

// The three families that services and backends both have: `prefix`_new_flows_total, _packets_total, _bytes_total.
class StatsFamilies {
 public:
  StatsFamilies(const std::string& prefix, const std::string& whose)
      : flows_(Counter(prefix + "_new_flows_total", fmt::format("New flows of each {}.", whose))),
        packets_(
            Counter(prefix + "_packets_total", fmt::format("Packets of each {}; in: towards the backend.", whose))),
        bytes_(Counter(prefix + "_bytes_total", fmt::format("Bytes of each {}; in: towards the backend.", whose))) {}

  void Add(const Labels& labels, const StatsView& stats) {
    flows_.Add(labels, Number(stats.flows));
    for (const auto& [direction, traffic] : {std::pair("in", stats.in), std::pair("out", stats.out)}) {
      Labels with_direction = labels;
      with_direction.push_back({"direction", direction});
      packets_.Add(with_direction, Number(traffic.packets));
      bytes_.Add(std::move(with_direction), Number(traffic.bytes));
    }
  }

  void MoveTo(Families& out) {
    for (Family* family : {&flows_, &packets_, &bytes_}) out.push_back(family->Take());
  }

 private:
  Family flows_, packets_, bytes_;
};

void AddServices(Families& out, const std::vector<ServiceView>& services) {
  StatsFamilies service_stats("xlb_service", "service");
  StatsFamilies backend_stats("xlb_backend", "backend");
  Family states = Gauge("xlb_service_backends", "Backends of each service, by state.");
  Family live = Gauge("xlb_backend_flows", "Flows of each backend in the flow table.");
  Family weights = Gauge("xlb_backend_weight", "Weight of each backend.");
  for (const ServiceView& service : services) {
    const Labels labels{{"service", service.name}, {"frontend", service.frontend}};
    service_stats.Add(labels, service.stats);
    // The usual states are always there, so that "no active backend" is a 0 and not an absence.
    std::map<std::string, uint64_t> by_state{{"active", 0}, {"draining", 0}, {"down", 0}, {"unreachable", 0}};
    for (const BackendView& backend : service.backends) {
      ++by_state[backend.state];
      if (backend.id == 0) continue;  // not in the maps: nothing is counted for it
      Labels backend_labels = labels;
      backend_labels.push_back({"backend", backend.name});
      backend_labels.push_back({"address", backend.address});
      backend_labels.push_back({"node", backend.node});
      backend_stats.Add(backend_labels, backend.stats);
      live.Add(backend_labels, Number(backend.live_flows));
      weights.Add(backend_labels, backend.weight);
    }
    for (const auto& [state, count] : by_state) {
      Labels with_state = labels;
      with_state.push_back({"state", state});
      states.Add(std::move(with_state), Number(count));
    }
  }
  service_stats.MoveTo(out);
  backend_stats.MoveTo(out);
  for (Family* family : {&states, &live, &weights}) out.push_back(family->Take());
}

}  // namespace

std::string MetricsText(DaemonInterface& daemon) {
  Families families;
  AddStatus(families, daemon.Status());
  AddServices(families, daemon.Services());
  const absl::StatusOr<StatsReport> stats = daemon.Stats();
  AddGauge(families, "xlb_counters_readable", "0: the data path's counters could not be read; the families are absent.",
           {}, stats.ok() ? 1 : 0);
  if (stats.ok()) AddCounters(families, *stats);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace xlb
