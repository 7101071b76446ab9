#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "scheduler/identity_hash.h"
#include "scheduler/ring.h"

namespace xlb {
namespace {

Backend Task(int number, uint32_t weight = 1) {
  Backend backend;
  backend.identity = "swarm:task" + std::to_string(number) + "/tcp:8091";
  backend.weight = weight;
  return backend;
}

Service Of(int backends, int first = 0) {
  Service service;
  service.scheduler = SchedulerKind::kMaglev;
  for (int i = 0; i < backends; ++i) service.backends.push_back(Task(first + i));
  return service;
}

std::vector<size_t> SlotsEach(const Service& service) {
  std::vector<size_t> slots(service.backends.size());
  for (const uint32_t slot : BuildRing(service)) ++slots.at(slot);
  return slots;
}

std::vector<std::string> Identities(const Service& service) {
  std::vector<std::string> identities;
  for (const uint32_t slot : BuildRing(service)) identities.push_back(service.backends.get().at(slot).identity);
  return identities;
}

// Share of the clients of a backend that stays who go to another backend after the change; and of all clients.
struct Moved {
  double needlessly, all;
};
Moved MovedBetween(const Service& before, const Service& after) {
  const std::vector<std::string> from = Identities(before), to = Identities(after);
  EXPECT_EQ(from.size(), to.size());
  const auto stays = [&](const std::string& identity, const Service& service) {
    return std::any_of(service.backends.begin(), service.backends.end(),
                       [&](const Backend& b) { return b.identity == identity && b.state == BackendState::kActive; });
  };
  double needlessly = 0, all = 0;
  for (size_t i = 0; i < from.size() && i < to.size(); ++i) {
    if (from[i] == to[i]) continue;
    ++all;
    if (stays(from[i], after) && stays(to[i], before)) ++needlessly;
  }
  const auto size = static_cast<double>(from.size());
  return {needlessly / size, all / size};
}

// Every node of a cluster computes its own ring, perhaps with another version of xlb: this is a contract.
TEST(MaglevTest, TheHashIsWhatItAlwaysWas) {
  EXPECT_EQ(HashIdentity(""), 0xcbf29ce484222325);
  EXPECT_EQ(HashIdentity("a"), 0xaf63dc4c8601ec8c);       // FNV's published test vectors
  EXPECT_EQ(HashIdentity("foobar"), 0x85944171f73967e8);  //
  EXPECT_EQ(Mix64(0), 0u);
  EXPECT_EQ(Mix64(0x9e3779b97f4a7c15), 0xe220a8397b1dcdaf);  // SplitMix64's first output from seed 0
}

TEST(MaglevTest, TheRingIsWhatItAlwaysWas) {
  const std::vector<uint32_t> ring = BuildRing(Of(3));
  uint64_t digest = 0;
  for (const uint32_t slot : ring) digest = Mix64(digest ^ slot) + 1;
  EXPECT_EQ(ring.size(), 1021u);
  EXPECT_EQ(digest, 15840581419244034258u);
}

TEST(MaglevTest, SizeGrowsInFewSteps) {
  EXPECT_EQ(BuildRing(Of(1)).size(), 251u);
  EXPECT_EQ(BuildRing(Of(2)).size(), 251u);
  EXPECT_EQ(BuildRing(Of(3)).size(), 1021u);
  EXPECT_EQ(BuildRing(Of(10)).size(), 1021u);
  EXPECT_EQ(BuildRing(Of(11)).size(), 4093u);
  EXPECT_EQ(BuildRing(Of(40)).size(), 4093u);
  EXPECT_EQ(BuildRing(Of(41)).size(), 16381u);
  EXPECT_EQ(BuildRing(Of(163)).size(), 16381u);
  EXPECT_EQ(BuildRing(Of(164)).size(), 65521u);
  EXPECT_EQ(BuildRing(Of(5000)).size(), 65521u);
}

TEST(MaglevTest, SizeGrowsWithWhatWeightsDoNotHaveInCommon) {
  Service service = Of(2);
  for (Backend& backend : service.backends) backend.weight = kMaxWeight;
  EXPECT_EQ(BuildRing(service).size(), 251u);
  service.backends[0].weight = 1;
  EXPECT_EQ(BuildRing(service).size(), 1021u);
}

TEST(MaglevTest, SizeDoesNotDependOnStates) {
  Service service = Of(3);
  service.backends[0].state = BackendState::kDown;
  service.backends[1].state = BackendState::kDraining;
  EXPECT_EQ(BuildRing(service).size(), 1021u);
}

TEST(MaglevTest, EqualBackendsDifferByOneSlotAtMost) {
  for (const int count : {1, 2, 3, 7, 10, 50, 163, 1000}) {
    const std::vector<size_t> slots = SlotsEach(Of(count));
    const auto [least, most] = std::minmax_element(slots.begin(), slots.end());
    EXPECT_LE(*most - *least, 1u) << count;
    EXPECT_GE(*least, 1u) << count;
  }
}

TEST(MaglevTest, SharesFollowWeights) {
  const std::vector<uint32_t> kWeights[] = {{1, 2, 3}, {1, 99}, {1000, 1}, {5, 5, 5, 1}, {1000, 999, 998, 1}};
  for (const std::vector<uint32_t>& weights : kWeights) {
    Service service = Of(0);
    double sum = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      service.backends.push_back(Task(static_cast<int>(i), weights[i]));
      sum += weights[i];
    }
    const std::vector<size_t> slots = SlotsEach(service);
    const auto size = static_cast<double>(BuildRing(service).size());
    for (size_t i = 0; i < weights.size(); ++i) {
      EXPECT_NEAR(static_cast<double>(slots[i]), weights[i] / sum * size, static_cast<double>(weights.size()))
          << weights[i] << " of " << sum;
      EXPECT_GE(slots[i], 1u);
    }
  }
}

TEST(MaglevTest, EvenAnExtremeWeightLeavesTheOthersASlot) {
  Service service = Of(600);
  service.backends[7].weight = kMaxWeight;
  const std::vector<size_t> slots = SlotsEach(service);
  EXPECT_GE(*std::min_element(slots.begin(), slots.end()), 1u);
}

TEST(MaglevTest, OrderOfListingDoesNotMatter) {
  std::mt19937 random(1);
  Service service = Of(30);
  for (Backend& backend : service.backends) backend.weight = static_cast<uint32_t>(1 + random() % 5);
  const std::vector<std::string> expected = Identities(service);
  for (int i = 0; i < 10; ++i) {
    std::shuffle(service.backends.begin(), service.backends.end(), random);
    EXPECT_EQ(Identities(service), expected);
  }
}

// The paper (section 5.3) measures a few percent of needless moves at 100 slots a backend.
TEST(MaglevTest, ALostBackendMovesFewOfTheOthersClients) {
  for (const int count : {3, 5, 10, 20, 40, 100}) {
    double needlessly = 0, worst = 0;
    const int rounds = std::min(count, 20);
    for (int lost = 0; lost < rounds; ++lost) {
      const Service before = Of(count, 1000 * count);
      Service after = before;
      after.backends[lost].state = BackendState::kDown;
      const Moved moved = MovedBetween(before, after);
      needlessly += moved.needlessly / rounds;
      worst = std::max(worst, moved.needlessly);
      EXPECT_GE(moved.all, 0.9 / count) << "its own clients have to move";
    }
    RecordProperty("needless_percent_" + std::to_string(count), std::to_string(needlessly * 100));
    EXPECT_LT(needlessly, 0.06) << count;
    EXPECT_LT(worst, 0.12) << count;
  }
}

TEST(MaglevTest, AnAddedBackendTakesItsShareAndFewMore) {
  for (const int count : {3, 5, 9, 20, 39, 100}) {
    Service after = Of(count);
    const Service before = after;
    after.backends.push_back(Task(count));
    const Moved moved = MovedBetween(before, after);
    EXPECT_LT(moved.needlessly, 0.08) << count;
    EXPECT_LT(moved.all, 1.0 / (count + 1) + 0.08) << count;
  }
}

TEST(MaglevTest, AChangedWeightMovesFewClients) {
  const Service before = Of(10);
  Service after = before;
  after.backends[3].weight = 2;
  EXPECT_LT(MovedBetween(before, after).all, 1.0 / 11 + 0.12);
}

}  // namespace
}  // namespace xlb
