#include "program/report.h"

#include <fmt/core.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <numeric>

namespace xlb::bench {
namespace {

double Best(const std::vector<double>& values) { return *std::min_element(values.begin(), values.end()); }

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

const Result* Find(const std::vector<Result>& results, const Result& of, const std::string& path, uint32_t flows) {
  for (const Result& result : results) {
    if (result.scene == of.scene && result.what.path == path && result.what.flows == flows) return &result;
  }
  return nullptr;
}

struct Figures {
  double best = 0;
  double median = 0;
};

// Less the wrapper's own cost. The median is that of the differences within a round.
Figures Net(const std::vector<Result>& results, const Result& result) {
  const Result* empty = Find(results, result, result.what.empty, 1);
  if (empty == nullptr) return {};
  std::vector<double> differences;
  for (size_t i = 0; i < result.rounds.size(); i++) differences.push_back(result.rounds[i] - empty->rounds[i]);
  return {Best(result.rounds) - Best(empty->rounds), Median(differences)};
}

std::string CpuModel() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string Row(const std::vector<Result>& results, const Result& result) {
  const Case& what = result.what;
  std::string row = fmt::format(R"({{"scene": "{}", "path": "{}", "program": "{}", "flows": {})", result.scene,
                                what.path, what.program, what.fresh ? 0 : what.flows);
  row += fmt::format(R"(, "raw_best": {:.2f}, "raw_median": {:.2f})", Best(result.rounds), Median(result.rounds));
  if (what.path == what.empty) return row + "}";
  const Figures net = Net(results, result);
  row += fmt::format(R"(, "net_best": {:.2f}, "net_median": {:.2f})", net.best, net.median);
  if (what.floor.empty()) return row + "}";
  const Result* floor = Find(results, result, what.floor, what.flows);
  if (floor != nullptr) {
    const Figures least = Net(results, *floor);
    row += fmt::format(R"(, "floor": "{}", "ratio_best": {:.3f}, "ratio_median": {:.3f})", what.floor,
                       net.best / least.best, net.median / least.median);
  }
  return row + "}";
}

}  // namespace

double LoadAverage() {
  double load[1] = {0};
  return getloadavg(load, 1) == 1 ? load[0] : 0;
}

std::string ToJson(const std::vector<Result>& results, const Options& options, int cpu, double load_before) {
  utsname system{};
  uname(&system);
  const std::time_t now = std::time(nullptr);
  char date[32];
  std::strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  std::string json = "{\n";
  json +=
      fmt::format(R"("date": "{}", "kernel": "{}", "cpu": "{}", "on_cpu": {},)", date, system.release, CpuModel(), cpu);
  json += fmt::format(
      "\n"
      R"("load_before": {:.2f}, "load_after": {:.2f}, "rounds": {}, "packets": {},)",
      load_before, LoadAverage(), options.rounds, options.packets);
  json += "\n\"rows\": [";
  for (const Result& result : results) json += (&result == &results.front() ? "\n" : ",\n") + Row(results, result);
  return json + "\n]}\n";
}

}  // namespace xlb::bench
