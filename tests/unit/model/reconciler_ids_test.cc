// Ids, generations, ring regions and limits.
#include "unit/model/reconciler_fixture.h"

namespace xlb {
namespace {

using make::At;
using make::Ip;
using make::Of;
using make::State;
using std::chrono::seconds;

TEST_F(ReconcilerTest, IdsStayOverRestartsAndChangesOfOthers) {
  Apply(State({Of("tcp/*:80", {"a", "b"}), Of("tcp/*:81", {"c"})}));
  const uint32_t service = reconciler_->ServiceId(At("tcp/*:81")), backend = reconciler_->BackendId("c");
  EXPECT_EQ(service, 2u);
  EXPECT_EQ(backend, 3u);
  Apply(State({Of("tcp/*:79", {"d"}), Of("tcp/*:81", {"e", "c"})}));
  Restart();
  Apply(State({Of("tcp/*:1", {"f"}), Of("tcp/*:81", {"g", "c"})}));
  EXPECT_EQ(reconciler_->ServiceId(At("tcp/*:81")), service);
  EXPECT_EQ(reconciler_->BackendId("c"), backend);
  EXPECT_EQ(reconciler_->ServiceId(At("tcp/*:80")), 0u);
  EXPECT_EQ(reconciler_->BackendId("a"), 0u);
}

TEST_F(ReconcilerTest, AnIdGivenAgainHasANewGenerationAndFreshStats) {
  Restart({.services = 10, .backends = 3});
  Apply(State({Of("tcp/*:80", {"a", "b"})}));
  Apply(State({Of("tcp/*:80", {"b"})}));
  EXPECT_EQ(Apply(State({Of("tcp/*:80", {"b", "c"})})),
            (Log{"reset backend 1", "backend 1 active", "ring 3+2", "service 1 ring 3+2"}));
  EXPECT_EQ(reconciler_->BackendId("c"), 1u);
  EXPECT_EQ(store_.slots.at(1).generation, 2u);
  EXPECT_EQ(store_.slots.at(2).generation, 1u);
  Apply(State({Of("tcp/*:80", {"b"})}));
  Restart();
  Apply(State({Of("tcp/*:80", {"b", "a"})}));
  EXPECT_EQ(reconciler_->BackendId("a"), 1u);
  EXPECT_EQ(store_.slots.at(1).generation, 3u) << "also over a restart";
}

TEST_F(ReconcilerTest, GenerationsSkipZero) {
  Restart({.services = 10, .backends = 2});
  store_.slots[1] = GoneRecord(UINT32_MAX);
  Restart();
  Apply(State({Of("tcp/*:80", {"a"})}));
  EXPECT_EQ(store_.slots.at(1).generation, 1u);
}

TEST_F(ReconcilerTest, TheLongestFreeIdIsGivenFirst) {
  Restart({.services = 10, .backends = 5});
  Apply(State({Of("tcp/*:80", {"a", "b", "c", "d"})}));
  Apply(State({Of("tcp/*:80", {"a", "b", "d"})}));
  Apply(State({Of("tcp/*:80", {"b", "d"})}));
  Apply(State({Of("tcp/*:80", {"b", "d", "e"})}));
  EXPECT_EQ(reconciler_->BackendId("e"), 3u);
}

TEST_F(ReconcilerTest, AServiceIdGivenAgainHasFreshStats) {
  Restart({.services = 2, .backends = 10});
  Apply(State({Of("tcp/*:80", {"a"})}));
  Apply(State({}));
  EXPECT_EQ(Apply(State({Of("tcp/*:81", {"b"})})),
            (Log{"reset backend 2", "backend 2 active", "ring 1+1", "reset service 1", "service 1 ring 1+1"}));
}

TEST_F(ReconcilerTest, ABackendThatMovesToAnotherServiceGetsANewId) {
  Apply(State({Of("tcp/*:80", {"a"}), Of("tcp/*:81", {"b"})}));
  EXPECT_EQ(Apply(State({Of("tcp/*:80", {}), Of("tcp/*:81", {"a", "b"})})),
            (Log{"reset backend 3", "backend 3 active", "ring 2+2", "service 1 ring 0+0", "service 2 ring 2+2",
                 "backend 1 gone", "node epoch 2"}));
  EXPECT_EQ(reconciler_->BackendId("a"), 3u);
}

TEST_F(ReconcilerTest, ABackendOfTwoServicesIsRefused) {
  const absl::Status both_new = Refused(State({Of("tcp/*:80", {"a"}), Of("tcp/*:81", {"b", "a"})}));
  EXPECT_EQ(both_new.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(both_new), "backend \"a\" (a) of service tcp/*:81 belongs to service tcp/*:80 already");
  EXPECT_EQ(Refused(State({Of("tcp/*:80", {"a", "a"})})).code(), absl::StatusCode::kInvalidArgument);
  Apply(State({Of("tcp/*:80", {"a"}), Of("tcp/*:81", {"b"})}));
  EXPECT_EQ(Message(Refused(State({Of("tcp/*:80", {"a"}), Of("tcp/*:81", {"b", "a"})}))),
            "backend \"a\" (a) of service tcp/*:81 belongs to service tcp/*:80 already");
  EXPECT_EQ(Message(Refused(State({Of("tcp/*:80", {"a", "b"}), Of("tcp/*:81", {"b"})}))),
            "backend \"b\" (b) of service tcp/*:80 belongs to service tcp/*:81 already");
}

TEST_F(ReconcilerTest, BackendsLeftByAnUnfinishedRemovalAreRemovedLater) {
  Apply(State({Of("tcp/*:80", {"a"})}));
  store_.FailAfter(1);  // the service goes, its backend does not
  EXPECT_FALSE(reconciler_->Apply(State({})).ok());
  Restart();
  EXPECT_EQ(Apply(State({})), (Log{"backend 1 gone", "node epoch 2"}));
}

TEST_F(ReconcilerTest, AnUnfinishedAdditionKeepsItsId) {
  store_.FailAfter(3);  // node, backend with its reset, then the ring
  EXPECT_FALSE(reconciler_->Apply(State({Of("tcp/*:80", {"a"})})).ok());
  Restart();
  EXPECT_EQ(Apply(State({Of("tcp/*:80", {"a"})})),
            (Log{"ring 0+1", "reset service 1", "service 1 ring 0+1", "add address"}));
}

TEST_F(ReconcilerTest, ARegionIsNotReusedWithinItsGracePeriod) {
  Apply(State({Of("tcp/*:80", {"a", "b"})}));
  EXPECT_EQ(Apply(State({Of("tcp/*:80", {"b", "a"})})), (Log{"ring 2+2", "service 1 ring 2+2"}));
  clock_.Advance(seconds(1));
  EXPECT_EQ(Apply(State({Of("tcp/*:80", {"a", "b"})})), (Log{"ring 4+2", "service 1 ring 4+2"}));
  clock_.Advance(seconds(1));
  EXPECT_EQ(Apply(State({Of("tcp/*:80", {"b", "a"})})), (Log{"ring 0+2", "service 1 ring 0+2"}));
}

TEST_F(ReconcilerTest, ARingThatFitsOnlyAfterTheGracePeriodIsRefusedUntilThen) {
  Restart({.services = 10, .backends = 10, .ring_slots = 5});
  Apply(State({Of("tcp/*:80", {"a", "b"})}));
  Apply(State({Of("tcp/*:80", {"b", "a"})}));
  const absl::Status status = Refused(State({Of("tcp/*:80", {"a", "b"})}));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Message(status),
            "no room for the 2 slots of service tcp/*:80: of 5 slots 1 are free, at most 1 side by side, and 2 come "
            "free within 2 s");
  clock_.Advance(seconds(2));
  EXPECT_EQ(Apply(State({Of("tcp/*:80", {"a", "b"})})), (Log{"ring 0+2", "service 1 ring 0+2"}));
}

TEST_F(ReconcilerTest, LoadKeepsGracePeriods) {
  Apply(State({Of("tcp/*:80", {"a", "b"})}));
  Apply(State({Of("tcp/*:80", {"b", "a"})}));
  ASSERT_TRUE(reconciler_->Load().ok());
  EXPECT_EQ(Apply(State({Of("tcp/*:80", {"a", "b"})})), (Log{"ring 4+2", "service 1 ring 4+2"}));
}

TEST_F(ReconcilerTest, LoadTrustsTheMapsAndNothingElse) {
  const DesiredState desired = State({Of("tcp/*:80", {"a"})});
  Apply(desired);
  store_.slots.at(1).state = XLB_BACKEND_DOWN;  // by another hand
  EXPECT_EQ(Apply(desired), Log{});
  ASSERT_TRUE(reconciler_->Load().ok());
  EXPECT_EQ(Apply(desired), (Log{"backend 1 active"}));
}

TEST_F(ReconcilerTest, RefusesWhatDoesNotFit) {
  Restart({.services = 3, .backends = 3, .ring_slots = 100, .addresses = 1});
  EXPECT_EQ(Message(Refused(State({Of("tcp/*:1", {}), Of("tcp/*:2", {}), Of("tcp/*:3", {})}))),
            "3 services are more than the 2 that the data path has room for");
  EXPECT_EQ(Message(Refused(State({Of("tcp/*:1", {"a", "b"}), Of("tcp/*:2", {"c"})}))),
            "3 backends are more than the 2 that the data path has room for");
  DesiredState desired = State({});
  desired.node.addresses.insert(Ip("192.0.2.9"));
  EXPECT_EQ(Refused(desired).code(), absl::StatusCode::kResourceExhausted);
  Apply(State({Of("tcp/*:1", {"a", "b"}), Of("tcp/*:2", {})}));
}

TEST_F(ReconcilerTest, WhatFitsAloneButNotBesideTheOldIsDoneInTwoSteps) {
  Restart({.services = 3, .backends = 4, .ring_slots = 100});
  Apply(State({Of("tcp/*:80", {"a", "b"}), Of("tcp/*:81", {"c"})}));
  const DesiredState desired = State({Of("tcp/*:80", {"b", "d", "e"}), Of("udp/*:53", {})});
  EXPECT_EQ(Apply(desired),
            (Log{"ring 3+1", "service 1 ring 3+1", "remove service 2", "backend 1 gone", "backend 3 gone",
                 "node epoch 2",  // the old is gone, the new comes
                 "reset backend 1", "backend 1 active", "reset backend 3", "backend 3 active", "ring 4+3",
                 "service 1 ring 4+3", "reset service 2", "service 2 ring 0+0"}));
  EXPECT_EQ(store_.slots.at(1).generation, 2u);
  EXPECT_EQ(Apply(desired), Log{});
}

TEST_F(ReconcilerTest, AFullAddressMapIsRemovedFromFirst) {
  Restart({.services = 3, .backends = 4, .ring_slots = 100, .addresses = 1});
  DesiredState desired = State({});
  Apply(desired);
  desired.node.addresses = {Ip("192.0.2.2")};
  EXPECT_EQ(Apply(desired), (Log{"remove address", "add address"}));
}

}  // namespace
}  // namespace xlb
