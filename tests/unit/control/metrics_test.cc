#include "control/metrics.h"

#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "unit/control/fake_daemon.h"

namespace xlb {
namespace {

struct Scrape {
  std::map<std::string, std::string> types;    // family -> type
  std::map<std::string, std::string> help;     // family -> text
  std::map<std::string, double> samples;       // "name{labels}" -> value
  std::set<std::string> families_with_sample;  // family
};

// As strict as Prometheus' own parser where it matters: known line shapes, no sample twice, a type before samples.
Scrape Parse(const std::string& text) {
  Scrape scrape;
  const std::regex comment("# (HELP|TYPE) ([a-z_]+) (.*)");
  const std::regex sample(R"(([a-z_]+)(\{([a-z_]+="([^"\\]|\\["\\n])*",?)*\})? ([-+0-9.e]+))");
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, comment)) {
      (match[1] == "HELP" ? scrape.help : scrape.types)[match[2]] = match[3];
    } else if (std::regex_match(line, match, sample)) {
      EXPECT_TRUE(scrape.types.count(match[1])) << "no type before " << line;
      EXPECT_TRUE(scrape.samples.emplace(match[1].str() + match[2].str(), std::stod(match[5])).second) << line;
      scrape.families_with_sample.insert(match[1]);
    } else {
      ADD_FAILURE() << "not Prometheus' format: " << line;
    }
  }
  return scrape;
}

TEST(MetricsTest, EverythingIsThereWithItsNumber) {
  FakeDaemon daemon;
  const Scrape scrape = Parse(MetricsText(daemon));
  const std::map<std::string, double> expected = {
      {"xlb_up", 1},
      {R"(xlb_info{version="0.1.0",schema="1",mode="swarm",swarm_role="manager",docker_version="24.0.7"})", 1},
      {"xlb_uptime_seconds", 11520.5},
      {R"(xlb_uplink_info{uplink="eth1",xdp="generic",attach="dispatcher"})", 1},
      {"xlb_docker_connected", 1},
      {"xlb_warnings", 1},
      {"xlb_services", 2},
      {"xlb_backends", 3},
      {"xlb_flows", 1234},
      {"xlb_flow_capacity", 262144},
      {"xlb_counters_readable", 1},
      {R"(xlb_packets_total{hook="xdp",counter="forward_vxlan"})", 2000},
      {R"(xlb_bytes_total{hook="xdp",counter="forward_vxlan"})", 3400000},
      {R"(xlb_packets_total{hook="tc",counter="pass_link"})", 0},
      {R"(xlb_dropped_packets_total{hook="xdp",reason="no_port"})", 3},
      {R"(xlb_dropped_bytes_total{hook="xdp",reason="no_port"})", 180},
      {R"(xlb_service_new_flows_total{service="web",frontend="tcp/*:8091"})", 200},
      {R"(xlb_service_packets_total{service="web",frontend="tcp/*:8091",direction="in"})", 4000},
      {R"(xlb_service_bytes_total{service="web",frontend="tcp/*:8091",direction="out"})", 196000000},
      {R"(xlb_service_backends{service="web",frontend="tcp/*:8091",state="active"})", 1},
      {R"(xlb_service_backends{service="web",frontend="tcp/*:8091",state="unreachable"})", 1},
      {R"(xlb_service_backends{service="web",frontend="tcp/*:8091",state="down"})", 0},
  };
  for (const auto& [name, value] : expected) {
    ASSERT_TRUE(scrape.samples.count(name)) << name << "\n" << MetricsText(daemon);
    EXPECT_EQ(scrape.samples.at(name), value) << name;
  }
  const std::string backend =
      R"({service="web",frontend="tcp/*:8091",backend="web.2",address="10.0.0.7:8091",node="node-2")";
  EXPECT_EQ(scrape.samples.at("xlb_backend_flows" + backend + "}"), 12);
  EXPECT_EQ(scrape.samples.at("xlb_backend_weight" + backend + "}"), 1);
  EXPECT_EQ(scrape.samples.at("xlb_backend_packets_total" + backend + R"(,direction="out"})"), 1500);
  for (const auto& [name, value] : scrape.samples) {
    EXPECT_EQ(name.find("web.3"), std::string::npos) << "nothing is counted for an unreachable backend: " << name;
  }
}

TEST(MetricsTest, CountersAndGaugesAreWhatTheirNamesSay) {
  FakeDaemon daemon;
  const Scrape scrape = Parse(MetricsText(daemon));
  for (const auto& [family, type] : scrape.types) {
    const bool total = family.size() > 6 && family.compare(family.size() - 6, 6, "_total") == 0;
    EXPECT_EQ(type, total ? "counter" : "gauge") << family;
    EXPECT_FALSE(scrape.help.at(family).empty()) << family;
  }
  // The lists' own sentences, not a second telling of them.
  EXPECT_NE(scrape.help.at("xlb_packets_total").find("forward_local: Delivered to a task on this node."),
            std::string::npos);
  EXPECT_NE(scrape.help.at("xlb_dropped_packets_total").find("no_port: No free source port"), std::string::npos);
}

TEST(MetricsTest, OddNamesAreEscaped) {
  FakeDaemon daemon;
  daemon.services[0].name = "we\"b\\\n";
  const Scrape scrape = Parse(MetricsText(daemon));
  EXPECT_TRUE(scrape.samples.count(R"(xlb_service_new_flows_total{service="we\"b\\\n",frontend="tcp/*:8091"})"));
}

TEST(MetricsTest, UnreadableCountersDoNotHideTheRest) {
  FakeDaemon daemon;
  daemon.stats_error = absl::UnavailableError("detached");
  const Scrape scrape = Parse(MetricsText(daemon));
  EXPECT_EQ(scrape.samples.at("xlb_up"), 1);
  EXPECT_EQ(scrape.samples.at("xlb_counters_readable"), 0);
  EXPECT_FALSE(scrape.families_with_sample.count("xlb_packets_total"));
}

TEST(MetricsTest, LargeCountersKeepTheirDigits) {
  FakeDaemon daemon;
  daemon.services[0].stats.in.bytes = 9007199254740991;  // 2^53 - 1: the largest that a double holds
  const Scrape scrape = Parse(MetricsText(daemon));
  EXPECT_EQ(scrape.samples.at(R"(xlb_service_bytes_total{service="web",frontend="tcp/*:8091",direction="in"})"),
            9007199254740991.0);
}

}  // namespace
}  // namespace xlb
