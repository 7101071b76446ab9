#include "xlbctl/app.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <ostream>

#include "xlbctl/commands.h"

namespace xlb {
namespace {

// In the order of `xlbctl --help`.
constexpr void (*kCommands[])(CLI::App&, Context&) = {
    AddStatusCommand, AddServiceCommands, AddBackendCommands, AddFlowCommands,  AddStatsCommand,
    AddTopCommand,    AddEventsCommand,   AddConfigCommands,  AddDetachCommand,
};

int Fail(Environment& env, const std::string& message, int exit_code) {
  env.err << "xlbctl: " << message << '\n';
  return exit_code;
}

// CLI11 reports by exceptions; they end here. -1: parsed, go on.
int Parse(CLI::App& app, const std::vector<std::string>& args, Environment& env) {
  std::vector<std::string> reversed(args.rbegin(), args.rend());  // as CLI11 wants them
  try {
    app.parse(reversed);
    return -1;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error, env.out, env.err);  // --help, --version
    const std::vector<std::string> unknown = app.remaining(true);
    const std::string message = unknown.empty() ? error.what() : fmt::format("unknown: {}", unknown.front());
    const std::string line = message.substr(0, message.find('\n'));
    // The command was understood and the value refused: not a matter of usage.
    const int code = error.get_exit_code();
    const bool value_refused = code == static_cast<int>(CLI::ExitCodes::ValidationError) ||
                               code == static_cast<int>(CLI::ExitCodes::ConversionError);
    return value_refused ? Fail(env, line, 1) : Fail(env, line + " (see 'xlbctl --help')", 2);
  }
}

}  // namespace

int RunXlbctl(const std::vector<std::string>& args, Environment& environment) {
  Context context{.env = environment};
  CLI::App app("Controls xlbd, the ingress load balancer of this node.", "xlbctl");
  app.require_subcommand(1);
  app.set_version_flag("--version", "xlbctl " XLB_VERSION);
  app.add_option("--socket", context.socket_path, "the daemon's socket")->capture_default_str();
  app.add_option("-o,--output", context.format, "table (for people) or json (exact)")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  for (const auto add : kCommands) add(app, context);

  const int parsed = Parse(app, args, environment);
  if (parsed >= 0) return parsed;
  const absl::Status status = context.chosen();
  environment.out.flush();
  if (!status.ok()) return Fail(environment, std::string(status.message()), context.usage_error ? 2 : 1);
  if (!environment.out) return Fail(environment, "cannot write the output", 1);
  return 0;
}

}  // namespace xlb
