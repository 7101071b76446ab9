// What is written, and in which order.
#include "unit/model/reconciler_fixture.h"

namespace xlb {
namespace {

using make::At;
using make::Ip;
using make::Of;
using make::State;

TEST_F(ReconcilerTest, FirstStart) {
  EXPECT_EQ(Apply(State({Of("tcp/*:80", {"a", "b"}), Of("udp/192.0.2.10:53", {"c"})})),
            (Log{"node epoch 1", "reset backend 1", "backend 1 active", "reset backend 2", "backend 2 active",
                 "reset backend 3", "backend 3 active", "ring 0+2", "ring 2+1", "reset service 1", "service 1 ring 0+2",
                 "reset service 2", "service 2 ring 2+1", "add address"}));
  EXPECT_EQ(store_.node.schema, static_cast<uint32_t>(XLB_SCHEMA));
  EXPECT_EQ(store_.addresses, std::set<uint32_t>{Ip("192.0.2.1").be});
  EXPECT_EQ(RingAt("tcp/*:80"), (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(RingAt("udp/192.0.2.10:53"), (std::vector<uint32_t>{3}));
  EXPECT_EQ(UidOf(store_.slots.at(3)), BackendUid("c"));
  EXPECT_EQ(store_.slots.at(3).service, 2u);
}

TEST_F(ReconcilerTest, NothingToDoWritesNothing) {
  const DesiredState desired = State({Of("tcp/*:80", {"a", "b"}), Of("tcp/*:81", {})});
  Apply(desired);
  EXPECT_EQ(Apply(desired), Log{});
  Restart();
  EXPECT_EQ(Apply(desired), Log{}) << "a restart is just another diff";
  EXPECT_EQ(Apply(desired), Log{});
}

TEST_F(ReconcilerTest, MakePlanChangesNothing) {
  const DesiredState desired = State({Of("tcp/*:80", {"a"})});
  const absl::StatusOr<Plan> first = reconciler_->MakePlan(desired);
  const absl::StatusOr<Plan> second = reconciler_->MakePlan(desired);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->writes.size(), 5u);  // node, address, backend, ring, service
  EXPECT_EQ(second->writes.size(), 5u);
  EXPECT_EQ(store_.log(), Log{});
  EXPECT_EQ(reconciler_->ServiceId(At("tcp/*:80")), 0u);
}

TEST_F(ReconcilerTest, RefusesToPlanBeforeTheMapsAreRead) {
  Reconciler reconciler(&store_, &clock_, ListedOrder);
  EXPECT_EQ(reconciler.Apply(State({})).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store_.log(), Log{});
}

TEST_F(ReconcilerTest, AddingRaisesNoEpoch) {
  Apply(State({Of("tcp/*:80", {"a"})}));
  EXPECT_EQ(Apply(State({Of("tcp/*:80", {"a", "b"}), Of("tcp/*:81", {"c"})})),
            (Log{"reset backend 2", "backend 2 active", "reset backend 3", "backend 3 active", "ring 1+2", "ring 3+1",
                 "service 1 ring 1+2", "reset service 2", "service 2 ring 3+1"}));
}

TEST_F(ReconcilerTest, RemovingABackendSwapsTheRingFirstAndRaisesTheEpochLast) {
  Apply(State({Of("tcp/*:80", {"a", "b"})}));
  EXPECT_EQ(Apply(State({Of("tcp/*:80", {"b"})})),
            (Log{"ring 2+1", "service 1 ring 2+1", "backend 1 gone", "node epoch 2"}));
  EXPECT_EQ(store_.slots.at(1).generation, 1u) << "kept, so that the next owner gets another";
  EXPECT_EQ(RingAt("tcp/*:80"), (std::vector<uint32_t>{2}));
}

TEST_F(ReconcilerTest, RemovingAServiceComesBeforeItsBackends) {
  Apply(State({Of("tcp/*:80", {"a"}), Of("tcp/*:81", {"b"})}));
  EXPECT_EQ(Apply(State({Of("tcp/*:81", {"b"})})), (Log{"remove service 1", "backend 1 gone", "node epoch 2"}));
}

TEST_F(ReconcilerTest, AReplacedBackendIsWrittenBeforeItsPredecessorGoes) {
  Apply(State({Of("tcp/*:80", {"a"})}));
  EXPECT_EQ(Apply(State({Of("tcp/*:80", {"b"})})), (Log{"reset backend 2", "backend 2 active", "ring 1+1",
                                                        "service 1 ring 1+1", "backend 1 gone", "node epoch 2"}));
}

TEST_F(ReconcilerTest, DrainingLeavesTheRingAndRaisesNoEpoch) {
  DesiredState desired = State({Of("tcp/*:80", {"a", "b"})});
  Apply(desired);
  desired.services.begin()->second.backends[0].state = BackendState::kDraining;
  EXPECT_EQ(Apply(desired), (Log{"backend 1 draining", "ring 2+1", "service 1 ring 2+1"}));
  desired.services.begin()->second.backends[0].state = BackendState::kActive;
  EXPECT_EQ(Apply(desired), (Log{"backend 1 active", "ring 3+2", "service 1 ring 3+2"}));
}

TEST_F(ReconcilerTest, DrainingABackendOfUdpRaisesTheEpochAsItsFlowsCanMove) {
  DesiredState desired = State({Of("udp/*:80", {"a", "b"})});
  Apply(desired);
  desired.services.begin()->second.backends[0].state = BackendState::kDraining;
  EXPECT_EQ(Apply(desired), (Log{"backend 1 draining", "ring 2+1", "service 1 ring 2+1", "node epoch 2"}));
  EXPECT_EQ(Apply(desired), Log{});
}

TEST_F(ReconcilerTest, GoingDownRaisesTheEpochAndComingBackDoesNot) {
  DesiredState desired = State({Of("tcp/*:80", {"a", "b"})});
  Apply(desired);
  desired.services.begin()->second.backends[0].state = BackendState::kDown;
  EXPECT_EQ(Apply(desired), (Log{"backend 1 down", "ring 2+1", "service 1 ring 2+1", "node epoch 2"}));
  desired.services.begin()->second.backends[0].state = BackendState::kActive;
  EXPECT_EQ(Apply(desired), (Log{"backend 1 active", "ring 3+2", "service 1 ring 3+2"}));
}

TEST_F(ReconcilerTest, WithoutEligibleBackendsTheRingIsEmpty) {
  DesiredState desired = State({Of("tcp/*:80", {"a"})});
  Apply(desired);
  desired.services.begin()->second.backends[0].weight = 0;
  EXPECT_EQ(Apply(desired), (Log{"backend 1 active", "service 1 ring 0+0"}));
  EXPECT_EQ(Apply(desired), Log{});
  Restart();
  EXPECT_EQ(Apply(desired), Log{});
  desired.services.begin()->second.backends[0].weight = 1;
  EXPECT_EQ(Apply(desired), (Log{"backend 1 active", "ring 0+1", "service 1 ring 0+1"}));
}

TEST_F(ReconcilerTest, AChangedReachIsWrittenInPlaceWithARaisedEpoch) {
  DesiredState desired = State({Of("tcp/*:80", {"a", "b"})});
  Apply(desired);
  desired.services.begin()->second.backends[1].reach.address = Ip("10.1.0.9");
  EXPECT_EQ(Apply(desired), (Log{"backend 2 active", "node epoch 2"}));
  EXPECT_EQ(store_.slots.at(2).addr, Ip("10.1.0.9").be);
  EXPECT_EQ(store_.slots.at(2).generation, 1u);
}

TEST_F(ReconcilerTest, WhatTheMapsDoNotShowIsNotWritten) {
  DesiredState desired = State({Of("tcp/*:80", {"a"})});
  Apply(desired);
  Service& service = desired.services.begin()->second;
  service.name = "renamed";
  service.backends[0].name = "web.1";
  service.backends[0].node = "node2";
  service.unreachable.push_back({"web.2", "no route"});
  EXPECT_EQ(Apply(desired), Log{});
}

TEST_F(ReconcilerTest, SchedulerSetsThePick) {
  DesiredState desired = State({Of("tcp/*:80", {"a"})});
  Apply(desired);
  EXPECT_EQ(ServiceAt("tcp/*:80").pick, XLB_PICK_NEXT);
  desired.services.begin()->second.scheduler = SchedulerKind::kMaglev;
  EXPECT_EQ(Apply(desired), (Log{"service 1 ring 0+1"})) << "the ring happens to be the same";
  EXPECT_EQ(ServiceAt("tcp/*:80").pick, XLB_PICK_HASH);
}

TEST_F(ReconcilerTest, AddressesAreAddedWhenTheServicesAreThereAndRemovedLast) {
  DesiredState desired = State({Of("tcp/*:80", {"a"})});
  Apply(desired);
  desired.node.addresses = {Ip("192.0.2.2")};
  desired.services.begin()->second.backends.push_back(make::Routed("b"));
  EXPECT_EQ(Apply(desired), (Log{"reset backend 2", "backend 2 active", "ring 1+2", "service 1 ring 1+2", "add address",
                                 "remove address"}));
  EXPECT_EQ(store_.addresses, std::set<uint32_t>{Ip("192.0.2.2").be});
}

TEST_F(ReconcilerTest, ChangedNodeFactsRaiseTheEpoch) {
  DesiredState desired = State({Of("tcp/*:80", {"a"})});
  Apply(desired);
  desired.node.vni = 4097;
  EXPECT_EQ(Apply(desired), (Log{"node epoch 2"}));
  EXPECT_EQ(store_.node.vni, NodeRecord(desired.node, 2).vni);
  desired.node.tunnel_mtu = 1400;
  EXPECT_EQ(Apply(desired), (Log{"node epoch 3"}));
  EXPECT_EQ(store_.node.tunnel_mtu, 1400);
}

TEST_F(ReconcilerTest, EpochsSkipZero) {
  EXPECT_TRUE(reconciler_->BumpEpoch().ok());
  EXPECT_EQ(store_.log(), Log{}) << "without a node record there are no flows";
  Apply(State({}));
  store_.ClearLog();
  ASSERT_TRUE(reconciler_->BumpEpoch().ok());
  EXPECT_EQ(store_.log(), (Log{"node epoch 2"}));
  EXPECT_EQ(store_.node.vni, NodeRecord(State({}).node, 0).vni) << "the facts stay";
  store_.node.epoch = UINT32_MAX;
  Restart();
  ASSERT_TRUE(reconciler_->BumpEpoch().ok());
  EXPECT_EQ(store_.node.epoch, 1u);
  EXPECT_EQ(Apply(State({})), Log{});
  store_.node.epoch = UINT32_MAX;
  Restart();
  DesiredState desired = State({});
  desired.node.tunnel_mtu = 1400;
  EXPECT_EQ(Apply(desired), (Log{"node epoch 1"}));
}

TEST_F(ReconcilerTest, AnEpochIsOwedUntilItIsWritten) {
  DesiredState desired = State({Of("tcp/*:80", {"a", "b"})});
  Apply(desired);
  desired.services.begin()->second.backends.pop_back();
  store_.FailAfter(3);  // ring, service, backend gone, then the node
  EXPECT_EQ(reconciler_->Apply(desired).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Apply(desired), (Log{"node epoch 2"}));
  desired.services.begin()->second.backends[0].state = BackendState::kDown;
  store_.FailAfter(1);
  EXPECT_FALSE(reconciler_->Apply(desired).ok());
  ASSERT_TRUE(reconciler_->Load().ok()) << "reading the maps again does not forget it";
  EXPECT_EQ(Apply(desired), (Log{"service 1 ring 0+0", "node epoch 3"}));
}

TEST_F(ReconcilerTest, AfterAFailureTheNextApplyGoesOnFromThere) {
  const DesiredState desired = State({Of("tcp/*:80", {"a", "b"})});
  store_.FailAfter(5);  // node, two backends with their resets, then the ring
  EXPECT_EQ(reconciler_->Apply(desired).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Apply(desired), (Log{"ring 0+2", "reset service 1", "service 1 ring 0+2", "add address"}));
  EXPECT_EQ(Apply(desired), Log{});
}

TEST_F(ReconcilerTest, OnlyChangedServicesGetTheirRingsBuilt) {
  DesiredState desired = State({Of("tcp/*:80", {"a"}), Of("tcp/*:81", {"b"}), Of("tcp/*:82", {"c"})});
  Apply(desired);
  rings_built_ = 0;
  Apply(desired);
  EXPECT_EQ(rings_built_, 0);
  desired.services[At("tcp/*:81")].backends.push_back(make::Routed("d"));
  Apply(desired);
  EXPECT_EQ(rings_built_, 1);
}

TEST_F(ReconcilerTest, RingsAreReadOnceAtLoad) {
  Apply(State({Of("tcp/*:80", {"a"}), Of("tcp/*:81", {"b"})}));
  EXPECT_EQ(store_.rings_read, 0u);
  Restart();
  Apply(State({Of("tcp/*:80", {"a"}), Of("tcp/*:81", {"b", "c"})}));
  EXPECT_EQ(store_.rings_read, 2u);
}

TEST_F(ReconcilerTest, RefusesMapsOfAnotherVersion) {
  store_.node.schema = XLB_SCHEMA + 1;
  const absl::Status status = reconciler_->Load();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Message(status), fmt::format("the pinned maps have schema {}, this xlbd writes {}; 'xlbctl detach' takes "
                                         "them away",
                                         XLB_SCHEMA + 1, XLB_SCHEMA));
}

TEST_F(ReconcilerTest, RefusesMapsThatContradictThemselves) {
  Apply(State({Of("tcp/*:80", {"a", "b"}), Of("tcp/*:81", {"c"})}));
  const auto services = store_.services;
  const auto second = [&]() -> xlb_service& { return store_.services.at(ServiceKey(At("tcp/*:81"))); };
  second().ring_off = 1;  // a slot of the first
  EXPECT_EQ(reconciler_->Load().code(), absl::StatusCode::kDataLoss);
  store_.services = services;
  second().id = 1;
  EXPECT_EQ(Message(reconciler_->Load()),
            "the pinned maps are damaged (service tcp/*:81 has id 1); 'xlbctl detach' and a restart of xlbd make new "
            "ones");
  store_.services = services;
  EXPECT_TRUE(reconciler_->Load().ok());
}

}  // namespace
}  // namespace xlb
