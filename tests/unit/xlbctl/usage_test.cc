// What is wrong with the command line itself: one line, no daemon needed. A line that cannot be understood is exit code
// 2, a value that cannot be right is 1, as if the daemon had refused it.
#include "unit/xlbctl/command_fixture.h"

namespace xlb {
namespace {

using UsageTest = CommandTest;

TEST_F(UsageTest, MistakesAreUsageErrors) {
  const struct {
    const char* line;
    const char* error;
  } cases[] = {
      {"", "A subcommand is required"},
      {"nonsense", "unknown: nonsense"},
      {"service", "A subcommand is required"},
      {"service nonsense", "unknown: nonsense"},
      {"status extra", "unknown: extra"},
      {"status --nonsense", "unknown: --nonsense"},
      {"service add", "FRONTEND is required"},
      {"service add tcp/192.0.2.10:80", "--name is required"},
      {"service set web", "give --name, --scheduler, --allow, --deny or --bind"},
      {"service set", "SERVICE is required"},
      {"service rm", "SERVICE is required"},
      {"backend add web", "BACKEND is required"},
      {"backend set web 10.1.0.5:80", "give --weight, --drain or --undrain"},
      {"backend set web 10.1.0.5:80 --drain --undrain", "excludes"},
      {"drain web", "BACKEND is required"},
      {"flow show", "CLIENT is required"},
      {"apply", "FILE is required"},
      {"-o json top", "top is for people"},
  };
  for (const auto& test : cases) ExpectFailure(test.line, 2, test.error);
}

TEST_F(UsageTest, ValuesThatCannotBeRightAreRefused) {
  const struct {
    const char* line;
    const char* error;
  } cases[] = {
      {"-o xml status", "--output"},
      {"service add 192.0.2.10:80 --name web", "the protocol is missing"},
      {"service add tcp/192.0.2.10:99999 --name web", "is not a number from 1 to 65535"},
      {"service add tcp/192.0.2.10:80 --name web --scheduler magic", "is not a scheduler"},
      {"service rm tcp/192.0.2.10", "the port is missing"},
      {"backend add web 10.1.0.5", "the port is missing"},
      {"backend add web 10.1.0.5:80 --weight 1001", "--weight"},
      {"backend add web 10.1.0.5:80 --weight -1", "--weight"},
      {"flow ls --client web", "--client"},
      {"flow ls --limit x", "--limit"},
      {"flow show 192.0.2.50", "the port is missing"},
      {"top --interval 0", "--interval"},
      {"events --after x", "--after"},
  };
  for (const auto& test : cases) ExpectFailure(test.line, 1, test.error);
}

TEST_F(UsageTest, HelpIsNoMistake) {
  for (const char* line : {"--help", "status --help", "service --help", "service add --help", "backend set --help",
                           "flow ls --help", "top --help", "events --help", "apply --help", "detach --help"}) {
    EXPECT_NE(Output(line).find("Usage: xlbctl"), std::string::npos) << line;
  }
  EXPECT_EQ(Output("--version").rfind("xlbctl ", 0), 0u);
}

TEST_F(UsageTest, HelpNamesEveryCommand) {
  const std::string help = Output("--help");
  for (const char* command : {"status", "service", "backend", "drain", "undrain", "flow", "stats", "top", "events",
                              "export", "apply", "detach"}) {
    EXPECT_NE(help.find(std::string("\n  ") + command + " "), std::string::npos) << command;
  }
}

}  // namespace
}  // namespace xlb
