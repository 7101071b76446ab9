#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "xlbd/daemon.h"
#include "xlbd/options.h"

namespace {

int Refuse(const absl::Status& why) {
  std::fprintf(stderr, "xlbd: %s\n", std::string(why.message()).c_str());
  return 1;
}

int Run(const xlb::Options& options) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("xlbd"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  spdlog::set_level(spdlog::level::from_str(options.log_level));
  signal(SIGPIPE, SIG_IGN);
  boost::asio::io_context io;
  auto daemon = xlb::Daemon::Start(io, options);
  if (!daemon.ok()) return Refuse(daemon.status());
  // Ends the daemon and nothing else: programs, links and maps stay at work.
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code&, int) { io.stop(); });
  sd_notify(0, "READY=1");
  io.run();
  sd_notify(0, "STOPPING=1");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto parsed = xlb::ParseOptions(argc, argv);
    if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
    if (geteuid() != 0) {
      return Refuse(absl::PermissionDeniedError("loading BPF programs and attaching them needs root: run it as root"));
    }
    return Run(std::get<xlb::Options>(parsed));
  } catch (const std::exception& error) {  // a library's; ours return what fails
    std::fprintf(stderr, "xlbd: %s\n", error.what());
    return 1;
  }
}
