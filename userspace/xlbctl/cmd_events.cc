#include <fmt/format.h>

#include <memory>

#include "xlbctl/commands.h"
#include "xlbctl/table.h"

namespace xlb {
namespace {

struct Options {
  bool follow = false;
  uint64_t after = 0;
};

// One line an event, in JSON too: `events --follow` has no end to close a list at.
void Print(Context& context, const EventView& event) {
  if (context.json()) {
    context.env.out << ToJson(event) << '\n';
    return;
  }
  context.env.out << fmt::format("{}  {:<22} {:<20} {}\n", Printable(event.time), Printable(event.kind),
                                 Printable(event.subject), Printable(event.text));
}

absl::Status Events(Context& context, const Options& options) {
  uint64_t after = options.after;
  do {
    const std::string target = fmt::format("/v1/events?after={}{}", after, options.follow ? "&wait=30" : "");
    XLB_ASSIGN_OR_RETURN(const EventsReply reply, context.client().Get<EventsReply>(target));
    for (const EventView& event : reply.events) {
      Print(context, event);
      after = event.sequence;
    }
    context.env.out.flush();
  } while (options.follow && context.env.out);
  return absl::OkStatus();
}

}  // namespace

void AddEventsCommand(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App& events = AddCommand(app, "events", "what happened to services and backends, oldest first", context,
                                [&context, options] { return Events(context, *options); });
  events.add_flag("--follow,-f", options->follow, "go on with new events as they come");
  events.add_option("--after", options->after, "only those behind this number (\"sequence\" in JSON)");
}

}  // namespace xlb
