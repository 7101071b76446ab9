// xlb_bench_load: the client and the server of bench/connections/run.py; results as one line of JSON.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <sched.h>

#include <CLI/CLI.hpp>

#include "connections/load.h"

namespace xlb::bench {
namespace {

// The server and the client keep out of each other's way, and the kernel does their packets' work where they run.
void StayOn(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) std::perror("sched_setaffinity");
}

absl::Status PrintRequests(const ClientOptions& options) {
  XLB_ASSIGN_OR_RETURN(const Requests requests, Request(options));
  fmt::print(R"({{"answered": {}, "failed": {}, "per_second": {:.0f}, "p50_us": {:.1f}, "p99_us": {:.1f}}})"
             "\n",
             requests.answered, requests.failed, static_cast<double>(requests.answered) / requests.seconds,
             requests.p50_us, requests.p99_us);
  return absl::OkStatus();
}

absl::Status PrintStream(const absl::StatusOr<Transfer>& result) {
  XLB_ASSIGN_OR_RETURN(const Transfer transfer, result);
  fmt::print(R"({{"bytes": {}, "gbit_per_second": {:.3f}}})"
             "\n",
             transfer.bytes, static_cast<double>(transfer.bytes) * 8e-9 / transfer.seconds);
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  ClientOptions options;
  std::string address;
  uint16_t port = 0;
  int cpu = -1;
  CLI::App app("Client and server for measurements", "xlb_bench_load");
  app.require_subcommand(1);
  app.add_option("--cpu", cpu, "run on this one");
  CLI::App* serve = app.add_subcommand("serve", "answer until killed");
  CLI::App* request = app.add_subcommand("request", "new connections, one request each");
  CLI::App* download = app.add_subcommand("download", "one connection, as fast as it goes");
  CLI::App* upload = app.add_subcommand("upload", "the same the other way");
  serve->add_option("port", port)->required();
  for (CLI::App* client : {request, download, upload}) {
    client->add_option("address", address)->required()->check(CLI::ValidIPV4);
    client->add_option("port", port)->required();
    client->add_option("--seconds", options.seconds, "that count");
    client->add_option("--warm", options.warm, "seconds before them");
  }
  request->add_option("--parallel", options.parallel, "connections at a time")->check(CLI::Range(1, 10000));
  request->add_option("--bytes", options.bytes, "of each answer")->check(CLI::Range(1, 16000));
  CLI11_PARSE(app, argc, argv);
  StayOn(cpu);
  options.server.sin_family = AF_INET;
  options.server.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &options.server.sin_addr);
  const absl::Status status = *serve     ? Serve(port)
                              : *request ? PrintRequests(options)
                                         : PrintStream(*upload ? Upload(options) : Download(options));
  if (!status.ok()) fmt::print(stderr, "xlb_bench_load: {}\n", std::string(status.message()));
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace xlb::bench

int main(int argc, char** argv) { return xlb::bench::Main(argc, argv); }
