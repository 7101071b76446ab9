#include <fmt/format.h>

#include <memory>

#include "xlbctl/commands.h"
#include "xlbctl/humanize.h"
#include "xlbctl/table.h"

namespace xlb {
namespace {

std::string CounterTable(const std::vector<CounterView>& counters, const char* heading, bool all) {
  Table table({"HOOK", heading, ">PACKETS", ">BYTES", "MEANING"});
  for (const CounterView& counter : counters) {
    if (!all && counter.traffic.packets == 0) continue;
    table.Add({counter.hook, counter.name, HumanCount(static_cast<double>(counter.traffic.packets)),
               HumanBytes(static_cast<double>(counter.traffic.bytes)), counter.sentence});
  }
  return table.empty() ? "" : table.Render();
}

absl::Status Stats(Context& context, bool all) {
  XLB_ASSIGN_OR_RETURN(const StatsReport report, context.client().Get<StatsReport>("/v1/stats"));
  if (context.json()) return context.PrintJson(report);
  const std::string counters = CounterTable(report.counters, "COUNTER", all);
  const std::string drops = CounterTable(report.drops, "DROP REASON", all);
  context.env.out << (counters.empty() ? "No packet was counted yet.\n" : counters) << '\n'
                  << (drops.empty() ? "No packet was dropped.\n" : drops);
  return absl::OkStatus();
}

}  // namespace

void AddStatsCommand(CLI::App& app, Context& context) {
  auto all = std::make_shared<bool>(false);
  CLI::App& stats = AddCommand(app, "stats", "what became of the packets, hook by hook", context,
                               [&context, all] { return Stats(context, *all); });
  stats.add_flag("--all", *all, "also the counters that are 0");
}

}  // namespace xlb
