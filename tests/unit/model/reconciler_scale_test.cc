// Ten times as many services as a large Swarm publishes. The bounds are loose, for sanitizers and busy machines: they
// tell linear from quadratic, no more.
#include <chrono>

#include "scheduler/ring.h"
#include "support/null_map_store.h"
#include "unit/model/reconciler_fixture.h"

namespace xlb {
namespace {

constexpr int kServices = 10000;
constexpr int kBackendsEach = 10;

DesiredState Large() {
  DesiredState desired = make::State({});
  for (int i = 0; i < kServices; ++i) {
    const Frontend frontend{Protocol::kTcp, {}, static_cast<uint16_t>(i + 1)};
    Service& service = desired.services[frontend];
    service.frontend = frontend;
    for (int j = 0; j < kBackendsEach; ++j) {
      service.backends.push_back(make::Routed("swarm:" + std::to_string(i * kBackendsEach + j) + "/tcp:80"));
    }
  }
  return desired;
}

TEST(ReconcilerScaleTest, TimeGrowsWithTheWork) {
  DesiredState desired = Large();
  NullMapStore store;
  SteadyClock clock;
  Reconciler reconciler(&store, &clock, BuildRing, {.services = 20000, .backends = 200000});
  ASSERT_TRUE(reconciler.Load().ok());
  const auto apply = [&](std::string_view what) {
    store.writes = 0;
    const Clock::Time before = clock.Now();
    const absl::StatusOr<Plan> plan = reconciler.Apply(desired);
    EXPECT_TRUE(plan.ok()) << plan.status();
    const std::chrono::duration<double> taken = clock.Now() - before;
    fmt::print("{}: {} writes, {:.1f} ms\n", what, store.writes, taken.count() * 1000);
    return taken.count();
  };
  EXPECT_LT(apply("all new"), 20.0);
  EXPECT_EQ(store.writes, 2u + kServices * (2u * kBackendsEach + 1 + 2));
  desired.services.begin()->second.backends.pop_back();
  EXPECT_LT(apply("one change"), 2.0);
  EXPECT_EQ(store.writes, 4u);
  desired.services.clear();
  EXPECT_LT(apply("all gone"), 20.0);
}

}  // namespace
}  // namespace xlb
