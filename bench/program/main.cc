// xlb_bench_program: nanoseconds per packet of xlb's programs, path by path, and of floors beside them. bench/README.md
// says how it measures and what the figures do not say.
#include <fmt/core.h>
#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <cstdio>
#include <fstream>

#include "packet/skip.h"
#include "program/measure.h"
#include "program/report.h"

namespace xlb::bench {
namespace {

constexpr uint32_t kFewFlows = 1 << 16;

// Both tables are half full (measure.cc).
Setting Of(std::string name, std::string protocol, xlb_kind kind, uint32_t flows) {
  return {.name = std::move(name), .protocol = std::move(protocol), .kind = kind, .flows = flows, .table_flows = flows};
}

std::vector<Setting> Settings(uint32_t max_flows) {
  const uint32_t few = std::min(kFewFlows, max_flows);
  std::vector<Setting> settings = {
      Of("tcp vxlan", "tcp", XLB_KIND_VXLAN, max_flows),
      Of("udp vxlan", "udp", XLB_KIND_VXLAN, max_flows),
      Of("tcp vxlan, first packet in its tick", "tcp", XLB_KIND_VXLAN, max_flows),
      Of("tcp route", "tcp", XLB_KIND_ROUTE, few),
      Of("tcp local", "tcp", XLB_KIND_LOCAL, few),
      Of("tcp new", "tcp", XLB_KIND_VXLAN, 1),
      Of("tcp preserve", "tcp", XLB_KIND_PEER, few),
      Of("tcp pass", "tcp", XLB_KIND_NONE, few),
      Of("tcp route, two uplinks", "tcp", XLB_KIND_ROUTE, few),
      Of("tcp local, by a peer", "tcp", XLB_KIND_LOCAL, few),
  };
  settings[2].tick_shift = 0;
  settings[5].fresh = true;
  settings[5].table_flows = few;
  settings[8].two_uplinks = true;
  settings[9].by_peer = true;
  return settings;
}

int StayOnOneCpu() {
  const int cpu = sched_getcpu();
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) std::perror("sched_setaffinity");
  return cpu;
}

int Run(const Options& options, const std::string& file) {
  auto network = test::EnterTestNetwork();
  if (!network.ok()) return test::Skip(std::string(network.status().message()));
  const double load = LoadAverage();
  const int cpu = StayOnOneCpu();
  std::vector<Result> results;
  for (const Setting& setting : Settings(options.max_flows)) {
    const auto& only = options.scenes;
    if (!only.empty() && std::find(only.begin(), only.end(), setting.name) == only.end()) continue;
    fmt::print(stderr, "{} ...\n", setting.name);
    auto measured = Measure(setting, *network, options);
    if (!measured.ok()) {
      fmt::print(stderr, "{}\n", std::string(measured.status().message()));
      return 1;
    }
    results.insert(results.end(), measured->begin(), measured->end());
  }
  const std::string json = ToJson(results, options, cpu, load);
  if (file == "-") return std::fputs(json.c_str(), stdout) < 0;
  std::ofstream out(file);
  out << json;
  out.close();
  if (out.good()) return 0;
  fmt::print(stderr, "cannot write {}\n", file);
  return 1;
}

int Main(int argc, char** argv) {
  Options options;
  std::string file = "-";
  CLI::App app("Nanoseconds per packet of xlb's programs, beside floors, as JSON", "xlb_bench_program");
  app.add_option("--rounds", options.rounds, "rounds; each measures every case once")->check(CLI::Range(1, 1000));
  app.add_option("--packets", options.packets, "packets of each case and round")->check(CLI::Range(1024, 4 << 20));
  app.add_option("--flows", options.max_flows, "most live flows, a power of two")->check([](const std::string& text) {
    const unsigned long flows = std::strtoul(text.c_str(), nullptr, 10);
    return flows <= 1 << 20 && std::has_single_bit(flows) ? "" : "a power of two up to 1048576, please";
  });
  app.add_option("--scene", options.scenes, "only this one; may be repeated");
  app.add_option("--json", file, "where to write; - is the standard output");
  CLI11_PARSE(app, argc, argv);
  if (geteuid() != 0) return test::Skip(test::kNeedsRoot);
  return Run(options, file);
}

}  // namespace
}  // namespace xlb::bench

int main(int argc, char** argv) { return xlb::bench::Main(argc, argv); }
