#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <thread>

#include "xlbctl/backend_table.h"
#include "xlbctl/commands.h"
#include "xlbctl/humanize.h"
#include "xlbctl/table.h"

namespace xlb {
namespace {

struct Options {
  double interval = 2;
  uint64_t count = 0;
};

struct Sample {
  std::chrono::steady_clock::time_point time;
  StatusView status;
  std::vector<ServiceView> services;
};

struct Rates {
  double flows = 0, packets = 0, in_bytes = 0, out_bytes = 0;
};

// A counter that went back belongs to a service that was made anew: counted from 0.
double Rate(uint64_t before, uint64_t after, double seconds) {
  return static_cast<double>(after >= before ? after - before : after) / seconds;
}

Rates RatesOf(const StatsView& before, const StatsView& after, double seconds) {
  return {.flows = Rate(before.flows, after.flows, seconds),
          .packets =
              Rate(before.in.packets, after.in.packets, seconds) + Rate(before.out.packets, after.out.packets, seconds),
          .in_bytes = Rate(before.in.bytes, after.in.bytes, seconds),
          .out_bytes = Rate(before.out.bytes, after.out.bytes, seconds)};
}

absl::StatusOr<Sample> TakeSample(Context& context) {
  XLB_ASSIGN_OR_RETURN(StatusView status, context.client().Get<StatusView>("/v1/status"));
  XLB_ASSIGN_OR_RETURN(ServicesReply reply, context.client().Get<ServicesReply>("/v1/services"));
  return Sample{std::chrono::steady_clock::now(), std::move(status), std::move(reply.services)};
}

std::string PerSecond(double bytes) { return HumanBytes(bytes) + "/s"; }

std::string Screen(const Sample& before, const Sample& after) {
  const double seconds = std::max(1e-3, std::chrono::duration<double>(after.time - before.time).count());
  std::map<std::string, StatsView> old;
  for (const ServiceView& service : before.services) old[service.frontend] = service.stats;
  std::vector<std::pair<Rates, const ServiceView*>> rows;
  Rates sum;
  for (const ServiceView& service : after.services) {
    const auto found = old.find(service.frontend);
    const Rates rates = RatesOf(found == old.end() ? service.stats : found->second, service.stats, seconds);
    sum = {sum.flows + rates.flows, sum.packets + rates.packets, sum.in_bytes + rates.in_bytes,
           sum.out_bytes + rates.out_bytes};
    rows.emplace_back(rates, &service);
  }
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return a.first.in_bytes + a.first.out_bytes > b.first.in_bytes + b.first.out_bytes;
  });
  std::string screen = fmt::format("xlb {}: {} flows, {} new/s, {} packets/s, in {}, out {}\n\n", after.status.version,
                                   HumanCount(static_cast<double>(after.status.flows)), HumanCount(sum.flows),
                                   HumanCount(sum.packets), PerSecond(sum.in_bytes), PerSecond(sum.out_bytes));
  Table table({"NAME", "FRONTEND", ">BACKENDS", ">FLOWS", ">NEW/S", ">PACKETS/S", ">IN", ">OUT"});
  for (const auto& [rates, service] : rows) {
    table.Add({service->name, service->frontend,
               fmt::format("{}/{}", ActiveBackends(*service), service->backends.size()),
               HumanCount(static_cast<double>(LiveFlows(*service))), HumanCount(rates.flows), HumanCount(rates.packets),
               PerSecond(rates.in_bytes), PerSecond(rates.out_bytes)});
  }
  return screen + table.Render();
}

absl::Status Top(Context& context, const Options& options) {
  if (context.json()) return context.UsageError("top is for people; 'xlbctl -o json service ls' has the counters");
  XLB_ASSIGN_OR_RETURN(Sample before, TakeSample(context));
  for (uint64_t shown = 0; options.count == 0 || shown < options.count; ++shown) {
    std::this_thread::sleep_for(std::chrono::duration<double>(options.interval));
    XLB_ASSIGN_OR_RETURN(Sample after, TakeSample(context));
    const char* clear = context.env.terminal ? "\x1b[H\x1b[2J" : shown > 0 ? "\n" : "";
    context.env.out << clear << Screen(before, after) << std::flush;
    if (!context.env.out) return absl::OkStatus();
    before = std::move(after);
  }
  return absl::OkStatus();
}

}  // namespace

void AddTopCommand(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App& top = AddCommand(app, "top", "rates of all services, refreshed until interrupted", context,
                             [&context, options] { return Top(context, *options); });
  top.add_option("--interval", options->interval, "seconds between two screens")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  top.add_option("--count", options->count, "end after so many screens (0: never)")->capture_default_str();
}

}  // namespace xlb
