#include "scheduler/ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

namespace xlb {
namespace {

struct Member {
  std::string identity;
  uint32_t weight = 1;
  BackendState state = BackendState::kActive;
};

Service Of(SchedulerKind scheduler, std::vector<Member> members) {
  Service service;
  service.scheduler = scheduler;
  for (Member& member : members) {
    Backend backend;
    backend.identity = std::move(member.identity);
    backend.weight = member.weight;
    backend.state = member.state;
    service.backends.push_back(backend);
  }
  return service;
}

// The ring as identities, one letter each.
std::string Sequence(const Service& service) {
  std::string sequence;
  for (const uint32_t slot : BuildRing(service)) sequence += service.backends.get().at(slot).identity;
  return sequence;
}

constexpr SchedulerKind kAll[] = {SchedulerKind::kRoundRobin, SchedulerKind::kWeightedRoundRobin,
                                  SchedulerKind::kMaglev, SchedulerKind::kSourceHash, SchedulerKind::kLeastConnections};

TEST(RingTest, OnlyActiveBackendsWithAWeightAreInIt) {
  for (const SchedulerKind kind : kAll) {
    const std::string ring = Sequence(
        Of(kind, {{"a", 1, BackendState::kDraining}, {"b", 2}, {"c", 1, BackendState::kDown}, {"d", 0}, {"e", 3}}));
    EXPECT_EQ(ring.find_first_not_of("be"), std::string::npos) << ToString(kind);
    EXPECT_NE(ring.find('b'), std::string::npos) << ToString(kind);
    EXPECT_NE(ring.find('e'), std::string::npos) << ToString(kind);
  }
}

TEST(RingTest, EmptyWithoutAnEligibleBackend) {
  for (const SchedulerKind kind : kAll) {
    EXPECT_EQ(Sequence(Of(kind, {})), "");
    EXPECT_EQ(Sequence(Of(kind, {{"a", 0}, {"b", 1, BackendState::kDown}, {"c", 1, BackendState::kDraining}})), "");
  }
}

TEST(RingTest, TheOrderInWhichBackendsAreListedDoesNotMatter) {
  std::mt19937 random(1);
  for (const SchedulerKind kind : kAll) {
    std::vector<Member> members = {{"a", 3}, {"b", 1}, {"c", 7}, {"d", 2}, {"e", 5, BackendState::kDown}};
    const std::string expected = Sequence(Of(kind, members));
    for (int i = 0; i < 20; ++i) {
      std::shuffle(members.begin(), members.end(), random);
      EXPECT_EQ(Sequence(Of(kind, members)), expected) << ToString(kind);
    }
  }
}

TEST(RoundRobinTest, EachOnceWhateverTheWeight) {
  EXPECT_EQ(Sequence(Of(SchedulerKind::kRoundRobin, {{"c"}, {"a", 100}, {"b", 2}})), "abc");
}

std::string Weighted(std::vector<Member> members) {
  return Sequence(Of(SchedulerKind::kWeightedRoundRobin, std::move(members)));
}

TEST(WeightedRoundRobinTest, Sequences) {
  EXPECT_EQ(Weighted({{"a", 5}, {"b", 1}, {"c", 1}}), "aabacaa");  // the example in nginx's own history
  EXPECT_EQ(Weighted({{"a", 4}, {"b", 3}, {"c", 2}}), "abcabacba");
  EXPECT_EQ(Weighted({{"a", 1}, {"b", 3}}), "babb");
  EXPECT_EQ(Weighted({{"a", 7}}), "a");
}

TEST(WeightedRoundRobinTest, WhatWeightsHaveInCommonMakesTheRingNoLonger) {
  EXPECT_EQ(Weighted({{"a", 500}, {"b", 500}, {"c", 500}}), "abc");
  EXPECT_EQ(Weighted({{"a", 1000}, {"b", 200}, {"c", 200}}), "aabacaa");
  EXPECT_EQ(Weighted({{"a", 1000}, {"b", 200}, {"c", 200}, {"d", 77, BackendState::kDown}}), "aabacaa");
}

TEST(WeightedRoundRobinTest, SharesAreExactWhileTheSumIsSmall) {
  std::map<char, int> count;
  for (const char c : Weighted({{"a", 1000}, {"b", 999}, {"c", 1}})) ++count[c];
  EXPECT_EQ(count, (std::map<char, int>{{'a', 1000}, {'b', 999}, {'c', 1}}));
}

TEST(WeightedRoundRobinTest, LengthIsBoundedAndSharesAreCloseForALargeSum) {
  std::vector<Member> members;
  double sum = 0;
  for (int i = 0; i < 50; ++i) {
    members.push_back({std::to_string(i), static_cast<uint32_t>(1000 - i * 20)});
    sum += members.back().weight;
  }
  members[0].weight = 999;  // so that nothing is in common
  const Service service = Of(SchedulerKind::kWeightedRoundRobin, members);
  const std::vector<uint32_t> ring = BuildRing(service);
  EXPECT_LE(ring.size(), 4096u + 50);
  EXPECT_GT(ring.size(), 4000u);
  std::vector<int> count(50);
  for (const uint32_t slot : ring) ++count[slot];
  for (int i = 0; i < 50; ++i) {
    const double expected = members[i].weight / sum * static_cast<double>(ring.size());
    EXPECT_NEAR(count[i], expected, 1.5) << i;
  }
}

TEST(WeightedRoundRobinTest, SlotsOfABackendAreSpreadOut) {
  const std::vector<Member> members = {{"a", 8}, {"b", 4}, {"c", 2}, {"d", 1}, {"e", 1}};
  const std::string ring = Weighted(members);
  for (const Member& member : members) {
    const size_t even = ring.size() / member.weight;
    const std::string twice = ring + ring;
    size_t last = twice.find(member.identity);
    for (size_t next; (next = twice.find(member.identity, last + 1)) != std::string::npos; last = next) {
      EXPECT_LE(next - last, even + 1) << member.identity;
    }
  }
}

TEST(RingTest, PrefersBackendsOnTheNodeWhileThereAreAny) {
  Service service = Of(SchedulerKind::kRoundRobin, {{"a"}, {"b"}, {"c"}});
  service.backends[1].reach.kind = BackendKind::kLocal;
  EXPECT_EQ(Sequence(service), "abc") << "only where the service asks for it";
  service.prefer_local = true;
  EXPECT_EQ(Sequence(service), "b");
  service.backends[1].state = BackendState::kDraining;
  EXPECT_EQ(Sequence(service), "ac");
  service.backends[1].state = BackendState::kActive;
  service.backends[1].weight = 0;
  EXPECT_EQ(Sequence(service), "ac");
}

}  // namespace
}  // namespace xlb
