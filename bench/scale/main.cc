// xlb_bench_scale: what a large configuration and a full flow table cost; a table on the standard output.
// bench/README.md.
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "packet/skip.h"
#include "scale/scale.h"

namespace xlb::bench {

void Figures::Add(const std::string& subject, const std::string& name, const std::string& unit, double value) {
  const auto known = std::find_if(figures_.begin(), figures_.end(), [&](const Figure& figure) {
    return figure.subject == subject && figure.name == name;
  });
  if (known != figures_.end()) {
    known->values.push_back(value);
  } else {
    figures_.push_back({subject, name, unit, {value}});
  }
}

namespace {

#ifdef __OPTIMIZE__
constexpr char kBuild[] = "optimized";
#else
constexpr char kBuild[] = "not optimized: no figures to be quoted";
#endif

std::vector<double> Sorted(const Figure& figure) {
  std::vector<double> values = figure.values;
  std::sort(values.begin(), values.end());
  return values;
}

void PrintTable(const Figures& figures, double load) {
  double load_after[1] = {0};
  getloadavg(load_after, 1);
  fmt::print("{}, load {:.2f} before, {:.2f} after\n", kBuild, load, load_after[0]);
  fmt::print("{:<40} {:<44} {:>10} {:>10}\n", "", "", "best", "median");
  for (const Figure& figure : figures.all()) {
    const std::vector<double> values = Sorted(figure);
    fmt::print("{:<40} {:<44} {:>10.2f} {:>10.2f} {}\n", figure.subject, figure.name, values.front(),
               values[values.size() / 2], figure.unit);
  }
}

bool WriteJson(const Figures& figures, const std::string& file) {
  std::ofstream out(file);
  out << fmt::format("{{\"build\": \"{}\", \"rows\": [", kBuild);
  for (const Figure& figure : figures.all()) {
    const std::vector<double> values = Sorted(figure);
    out << fmt::format(
        "{}\n{{\"subject\": \"{}\", \"name\": \"{}\", \"unit\": \"{}\", \"best\": {:.3f}, \"median\": {:.3f}}}",
        &figure == &figures.all().front() ? "" : ",", figure.subject, figure.name, figure.unit, values.front(),
        values[values.size() / 2]);
  }
  out << "\n]}\n";
  out.close();
  return out.good();
}

int Main(int argc, char** argv) {
  ServicesSize many, wide{.services = 1, .backends = 1000};
  uint32_t flows = 1 << 20, repetitions = 3;
  std::string file;
  CLI::App app("What a large configuration and a full flow table cost", "xlb_bench_scale");
  app.add_option("--services", many.services, "services with ten backends each")->check(CLI::Range(1, 60000));
  app.add_option("--backends", wide.backends, "backends of one service")->check(CLI::Range(1, 100000));
  app.add_option("--flows", flows, "live flows")->check(CLI::Range(1024, 1 << 22));
  app.add_option("--repeat", repetitions, "how often each is done")->check(CLI::Range(1, 100));
  app.add_option("--json", file, "where to write the figures as JSON");
  CLI11_PARSE(app, argc, argv);
  if (geteuid() != 0) return test::Skip(test::kNeedsRoot);
  double load[1] = {0};
  getloadavg(load, 1);
  Figures figures;
  for (uint32_t i = 0; i < repetitions; i++) {
    for (const absl::Status& status :
         {MeasureServices(many, figures), MeasureServices(wide, figures), MeasureFlows(flows, figures)}) {
      if (status.ok()) continue;
      fmt::print(stderr, "{}\n", std::string(status.message()));
      return 1;
    }
  }
  PrintTable(figures, load[0]);
  if (file.empty() || WriteJson(figures, file)) return 0;
  fmt::print(stderr, "cannot write {}\n", file);
  return 1;
}

}  // namespace
}  // namespace xlb::bench

int main(int argc, char** argv) { return xlb::bench::Main(argc, argv); }
