#include "xlbctl/commands.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "control/url.h"
#include "model/service.h"

namespace xlb {
namespace {

// A CLI11 validator returns what is wrong, or nothing.
template <typename Parse>
CLI::Validator NotationCheck(const char* name, Parse parse) {
  const auto check = [parse](const std::string& text) -> std::string {
    const auto parsed = parse(text);
    return parsed.ok() ? std::string() : std::string(parsed.status().message());
  };
  return CLI::Validator(check, name, name);
}

}  // namespace

CLI::App& AddGroup(CLI::App& parent, const std::string& name, const std::string& help) {
  CLI::App* group = parent.add_subcommand(name, help);
  group->require_subcommand(1);
  group->fallthrough();
  return *group;
}

CLI::App& AddCommand(CLI::App& parent, const std::string& name, const std::string& help, Context& context,
                     std::function<absl::Status()> run) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->fallthrough();  // --socket and -o may also stand behind the command
  command->callback([&context, run = std::move(run)] { context.chosen = run; });
  return *command;
}

CLI::Validator FrontendCheck() { return NotationCheck("PROTO/IP:PORT", Frontend::Parse); }

CLI::Validator SchedulerCheck() { return NotationCheck("SCHEDULER", ParseScheduler); }

CLI::Option* AddServiceArgument(CLI::App& command, std::string& service) {
  const auto check = [](const std::string& text) -> std::string {
    if (text.empty()) return "a service's name cannot be empty";
    if (text.find('/') == std::string::npos) return "";
    const auto parsed = Frontend::Parse(text);
    return parsed.ok() ? "" : std::string(parsed.status().message());
  };
  return command.add_option("SERVICE", service, "name, or frontend such as tcp/192.0.2.10:80")
      ->required()
      ->check(CLI::Validator(check, ""));
}

CLI::Option* AddEndpointArgument(CLI::App& command, const std::string& name, std::string& endpoint) {
  return command.add_option(name, endpoint, "IP:PORT")->required()->check(NotationCheck("", Endpoint::Parse));
}

std::string ServiceTarget(const std::string& service) { return "/v1/services/" + PercentEncode(service); }

std::string BackendTarget(const std::string& service, const std::string& endpoint) {
  return ServiceTarget(service) + "/backends/" + PercentEncode(endpoint);
}

}  // namespace xlb
