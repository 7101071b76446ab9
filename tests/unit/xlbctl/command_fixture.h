// Whole command lines against a fake daemon behind the real HTTP server.
#ifndef XLB_TESTS_UNIT_XLBCTL_COMMAND_FIXTURE_H_
#define XLB_TESTS_UNIT_XLBCTL_COMMAND_FIXTURE_H_

#include <sstream>
#include <string>
#include <vector>

#include "control/api.h"
#include "unit/control/fake_daemon.h"
#include "unit/control/server_fixture.h"
#include "xlbctl/app.h"

namespace xlb {

struct CommandResult {
  int exit_code;
  std::string out;
  std::string err;
};

class CommandTest : public testing::Test {
 protected:
  void StartDaemon() {
    server_.emplace(socket_path(), [this](const HttpRequest& request) { return HandleApiRequest(request, daemon_); });
  }

  // `line` is split at blanks.
  CommandResult Run(const std::string& line, const std::string& input = "") {
    std::istringstream words(line);
    std::vector<std::string> args = {"--socket", socket_path()};
    for (std::string word; words >> word;) args.push_back(word);
    std::istringstream in(input);
    std::ostringstream out, err;
    Environment environment{.in = in, .out = out, .err = err, .terminal = false, .detach_data_path = detach_data_path_};
    const int exit_code = RunXlbctl(args, environment);
    return {exit_code, out.str(), err.str()};
  }

  // Standard output of a command that succeeds.
  std::string Output(const std::string& line, const std::string& input = "") {
    const CommandResult result = Run(line, input);
    EXPECT_EQ(result.exit_code, 0) << line << ": " << result.err;
    EXPECT_EQ(result.err, "") << line;
    return result.out;
  }

  // A command fails with `exit_code`, nothing on standard output and one line on standard error.
  void ExpectFailure(const std::string& line, int exit_code, const std::string& error) {
    const CommandResult result = Run(line);
    EXPECT_EQ(result.exit_code, exit_code) << line;
    EXPECT_EQ(result.out, "") << line;
    EXPECT_EQ(result.err.rfind("xlbctl: ", 0), 0u) << line << ": " << result.err;
    EXPECT_NE(result.err.find(error), std::string::npos) << line << ": " << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }

  std::string socket_path() const { return directory_.path() + "/xlbd.sock"; }
  std::string file_path() const { return directory_.path() + "/file.json"; }

  TemporaryDirectory directory_;
  FakeDaemon daemon_;  // looked at and changed only while no command runs
  std::optional<ServerThread> server_;
  std::function<absl::StatusOr<std::vector<std::string>>(const std::string&)> detach_data_path_ =
      [](const std::string& bpffs_dir) -> absl::StatusOr<std::vector<std::string>> {
    return std::vector<std::string>{"removed the pins in " + bpffs_dir};
  };
};

}  // namespace xlb

#endif  // XLB_TESTS_UNIT_XLBCTL_COMMAND_FIXTURE_H_
