// Every group of commands: one file each, listed in app.cc. A new command goes into its group's file; a new group is a
// file cmd_<group>.cc, a line here and a line in app.cc.
#ifndef XLB_XLBCTL_COMMANDS_H_
#define XLB_XLBCTL_COMMANDS_H_

#include <CLI/App.hpp>
#include <functional>
#include <string>

#include "xlbctl/context.h"

namespace xlb {

void AddStatusCommand(CLI::App& app, Context& context);
void AddServiceCommands(CLI::App& app, Context& context);
void AddBackendCommands(CLI::App& app, Context& context);
void AddFlowCommands(CLI::App& app, Context& context);
void AddStatsCommand(CLI::App& app, Context& context);
void AddTopCommand(CLI::App& app, Context& context);
void AddEventsCommand(CLI::App& app, Context& context);
void AddConfigCommands(CLI::App& app, Context& context);
void AddDetachCommand(CLI::App& app, Context& context);

// ---- for the groups ----

// A group such as "service", which does nothing without one of its commands.
CLI::App& AddGroup(CLI::App& parent, const std::string& name, const std::string& help);

// A command. `run` is called after the whole command line was found good.
CLI::App& AddCommand(CLI::App& parent, const std::string& name, const std::string& help, Context& context,
                     std::function<absl::Status()> run);

// Positional arguments, checked while parsing, so that a slip is refused (exit code 1) without a daemon.
CLI::Option* AddServiceArgument(CLI::App& command, std::string& service);
CLI::Option* AddEndpointArgument(CLI::App& command, const std::string& name, std::string& endpoint);
CLI::Validator FrontendCheck();
CLI::Validator SchedulerCheck();

std::string ServiceTarget(const std::string& service);  // "/v1/services/web"
std::string BackendTarget(const std::string& service, const std::string& endpoint);

}  // namespace xlb

#endif  // XLB_XLBCTL_COMMANDS_H_
