// A reconciler over maps in memory, with a ring that lists eligible backends as they come.
#ifndef XLB_TESTS_UNIT_MODEL_RECONCILER_FIXTURE_H_
#define XLB_TESTS_UNIT_MODEL_RECONCILER_FIXTURE_H_

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "model/reconciler.h"
#include "support/fake_map_store.h"
#include "unit/model/make.h"

namespace xlb {

class ReconcilerTest : public testing::Test {
 protected:
  using Log = std::vector<std::string>;

  ReconcilerTest() { Restart(); }
  ~ReconcilerTest() override { EXPECT_EQ(store_.violations(), Log{}); }

  static std::vector<uint32_t> ListedOrder(const Service& service) {
    std::vector<uint32_t> ring;
    for (uint32_t i = 0; i < service.backends.size(); ++i) {
      const Backend& backend = service.backends[i];
      if (backend.state == BackendState::kActive && backend.weight > 0) ring.push_back(i);
    }
    return ring;
  }

  // As if xlbd had been started again over the pinned maps.
  void Restart(Limits limits) {
    limits_ = limits;
    Restart();
  }
  // What the process before it released is not known to it: it takes longer to start than any packet is under way.
  void Restart() {
    clock_.Advance(kRingGrace);
    reconciler_.emplace(
        &store_, &clock_,
        [this](const Service& service) {
          ++rings_built_;
          return ListedOrder(service);
        },
        limits_);
    ASSERT_TRUE(reconciler_->Load().ok());
  }

  // Applies, and returns what was written.
  Log Apply(const DesiredState& desired) {
    store_.ClearLog();
    const absl::StatusOr<Plan> plan = reconciler_->Apply(desired);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return store_.log();
  }
  absl::Status Refused(const DesiredState& desired) {
    store_.ClearLog();
    const absl::Status status = reconciler_->Apply(desired).status();
    EXPECT_EQ(store_.log(), Log{});
    return status;
  }
  static std::string Message(const absl::Status& status) { return std::string(status.message()); }

  const xlb_service& ServiceAt(std::string_view frontend) { return store_.services.at(ServiceKey(make::At(frontend))); }
  std::vector<uint32_t> RingAt(std::string_view frontend) {
    const xlb_service& service = ServiceAt(frontend);
    const auto first = store_.ring.begin() + service.ring_off;
    return {first, first + service.ring_len};
  }

  Limits limits_;
  FakeClock clock_;
  FakeMapStore store_{&clock_};
  std::optional<Reconciler> reconciler_;
  int rings_built_ = 0;
};

}  // namespace xlb

#endif  // XLB_TESTS_UNIT_MODEL_RECONCILER_FIXTURE_H_
