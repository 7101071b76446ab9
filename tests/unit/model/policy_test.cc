#include "model/policy.h"

#include <gtest/gtest.h>

namespace xlb {
namespace {

using std::chrono::seconds;

Service TwoNodes() {
  Service service;
  for (const char* node : {"node-a", "node-b"}) {
    Backend backend;
    backend.identity = backend.node = node;
    backend.reach.kind = backend.node == "node-a" ? BackendKind::kLocal : BackendKind::kVxlan;
    service.backends.push_back(backend);
  }
  return service;
}

TEST(PolicyTest, NoLabelChangesNothing) {
  Service service = TwoNodes();
  EXPECT_TRUE(ApplyPolicyLabels({{"com.example", "1"}, {"xlb.allow", "10.0.0.0/8"}}, service).empty());
  EXPECT_EQ(service, TwoNodes());
}

TEST(PolicyTest, EachLabel) {
  Service service = TwoNodes();
  EXPECT_TRUE(ApplyPolicyLabels({{"xlb.scheduler", "least-conn"},
                                 {"xlb.affinity", "client-ip/10m"},
                                 {"xlb.weight", "node-b=3"},
                                 {"xlb.source-ip", "snat"},
                                 {"xlb.return", "direct"},
                                 {"xlb.prefer-local", "true"}},
                                service)
                  .empty());
  EXPECT_EQ(service.scheduler, SchedulerKind::kLeastConnections);
  EXPECT_EQ(service.affinity, seconds(600));
  EXPECT_TRUE(service.snat);
  EXPECT_TRUE(service.prefer_local);
  EXPECT_EQ(service.backends[0].weight, 1u);
  EXPECT_EQ(service.backends[1].weight, 3u);
  EXPECT_FALSE(service.backends[0].reach.direct) << "a task here answers by this node anyway";
  EXPECT_TRUE(service.backends[1].reach.direct);
}

TEST(PolicyTest, TheDefaultsCanBeNamed) {
  Service service = TwoNodes();
  EXPECT_TRUE(ApplyPolicyLabels({{"xlb.scheduler", "rr"},
                                 {"xlb.source-ip", "preserve"},
                                 {"xlb.return", "via-lb"},
                                 {"xlb.prefer-local", "false"}},
                                service)
                  .empty());
  EXPECT_EQ(service, TwoNodes());
}

TEST(PolicyTest, WeightsChooseTheSchedulerThatMindsThem) {
  Service service = TwoNodes();
  ApplyPolicyLabels({{"xlb.weight", "node-a=2,*=5"}}, service);
  EXPECT_EQ(service.scheduler, SchedulerKind::kWeightedRoundRobin);
  EXPECT_EQ(service.backends[1].weight, 5u);
  ApplyPolicyLabels({{"xlb.weight", "node-a=2"}, {"xlb.scheduler", "maglev"}}, service);
  EXPECT_EQ(service.scheduler, SchedulerKind::kMaglev);
}

TEST(PolicyTest, AWrongLabelCountsForNothingAndIsNamed) {
  const std::pair<const char*, const char*> kWrong[] = {{"xlb.scheduler", "fastest"},
                                                        {"xlb.affinity", "client"},
                                                        {"xlb.affinity", "client-ip/"},
                                                        {"xlb.affinity", "client-ip/0"},
                                                        {"xlb.affinity", "client-ip/25h"},
                                                        {"xlb.affinity", "client-ip/-3"},
                                                        {"xlb.affinity", "client-ip/1d"},
                                                        {"xlb.weight", ""},
                                                        {"xlb.weight", "-1"},
                                                        {"xlb.weight", "1001"},
                                                        {"xlb.weight", "node-a="},
                                                        {"xlb.weight", "node-a=1,,node-b=2"},
                                                        {"xlb.weight", "=3"},
                                                        {"xlb.source-ip", "client"},
                                                        {"xlb.return", "dsr"},
                                                        {"xlb.prefer-local", "yes"},
                                                        {"xlb.affinity", "client-ip/4294967297"}};
  for (const auto& [name, value] : kWrong) {
    Service service = TwoNodes();
    const PolicyProblems problems = ApplyPolicyLabels({{name, value}}, service);
    ASSERT_EQ(problems.size(), 1u) << name << "=" << value;
    EXPECT_NE(problems[0].find(std::string("label ") + name + "=" + value + ": "), std::string::npos) << problems[0];
    EXPECT_EQ(service, TwoNodes()) << name << "=" << value;
  }
}

TEST(PolicyTest, AffinityTimes) {
  EXPECT_EQ(*ParseAffinity("client-ip"), kDefaultAffinity);
  EXPECT_EQ(*ParseAffinity("client-ip/90"), seconds(90));
  EXPECT_EQ(*ParseAffinity("client-ip/90s"), seconds(90));
  EXPECT_EQ(*ParseAffinity("client-ip/24h"), seconds(86400));
}

}  // namespace
}  // namespace xlb
