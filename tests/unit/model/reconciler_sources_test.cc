// Lists of sources, and ports that are left or closed, as writes.
#include "unit/model/reconciler_fixture.h"

namespace xlb {
namespace {

using make::Of;
using make::State;

SourceList Only(std::string_view prefix) {
  AddressMap<SourceVerdicts> verdicts(AllVerdicts(XLB_SOURCE_DENY));
  const Ipv4Prefix allowed = *Ipv4Prefix::Parse(prefix);
  verdicts.Update({allowed.First(), allowed.Last()}, [](SourceVerdicts) { return AllVerdicts(XLB_SOURCE_ALLOW); });
  return SourceList(verdicts);
}

Service With(Service service, const SourceList& sources) {
  service.sources = sources;
  return service;
}

class ReconcilerSourcesTest : public ReconcilerTest {};

TEST_F(ReconcilerSourcesTest, TheListComesBeforeTheServiceAndFlowsAreTold) {
  Apply(State({Of("tcp/*:80", {"a"})}));
  EXPECT_EQ(Apply(State({With(Of("tcp/*:80", {"a"}), Only("10.0.0.0/8"))})),
            (Log{"source 1 0.0.0.0/0", "source 1 10.0.0.0/8", "service 1 ring 0+1", "node epoch 2"}));
  EXPECT_EQ(ServiceAt("tcp/*:80").sources, 1);
}

TEST_F(ReconcilerSourcesTest, AChangedListIsANewOneAndTheOldGoesLast) {
  Apply(State({With(Of("tcp/*:80", {"a"}), Only("10.0.0.0/8"))}));
  EXPECT_EQ(Apply(State({With(Of("tcp/*:80", {"a"}), Only("10.1.0.0/16"))})),
            (Log{"source 2 0.0.0.0/0", "source 2 10.1.0.0/16", "service 1 ring 0+1", "remove source 1 0.0.0.0/0",
                 "remove source 1 10.0.0.0/8", "node epoch 3"}));
  EXPECT_EQ(Apply(State({Of("tcp/*:80", {"a"})})),
            (Log{"service 1 ring 0+1", "remove source 2 0.0.0.0/0", "remove source 2 10.1.0.0/16", "node epoch 4"}));
}

TEST_F(ReconcilerSourcesTest, TheSameListIsShared) {
  const DesiredState both =
      State({With(Of("tcp/*:80", {"a"}), Only("10.0.0.0/8")), With(Of("udp/*:80", {"b"}), Only("10.0.0.0/8"))});
  Apply(both);
  EXPECT_EQ(store_.sources.size(), 1u);
  EXPECT_EQ(ServiceAt("tcp/*:80").sources, ServiceAt("udp/*:80").sources);
  // One leaves it, the other keeps it.
  Apply(State({Of("tcp/*:80", {"a"}), With(Of("udp/*:80", {"b"}), Only("10.0.0.0/8"))}));
  EXPECT_EQ(store_.sources.size(), 1u);
  Restart();
  EXPECT_EQ(Apply(both), (Log{"service 1 ring 0+1", "node epoch 4"}));
}

TEST_F(ReconcilerSourcesTest, ARestartFindsItsLists) {
  const DesiredState desired = State({With(Of("tcp/*:80", {"a"}), Only("10.0.0.0/8"))});
  Apply(desired);
  Restart();
  EXPECT_EQ(Apply(desired), Log{});
}

TEST_F(ReconcilerSourcesTest, ServicesThatAreKeptKeepTheirLists) {
  Apply(State({With(Of("tcp/*:80", {"a"}), Only("10.0.0.0/8"))}));
  Restart();
  DesiredState kept = State({});
  kept.kept.insert(make::At("tcp/*:80"));
  EXPECT_EQ(Apply(kept), Log{});
  EXPECT_EQ(store_.sources.size(), 1u);
}

TEST_F(ReconcilerSourcesTest, AHalfWrittenListIsNeverNamed) {
  Apply(State({Of("tcp/*:80", {"a"})}));
  const DesiredState desired = State({With(Of("tcp/*:80", {"a"}), Only("10.0.0.0/8"))});
  store_.FailAfter(1);
  EXPECT_FALSE(reconciler_->Apply(desired).ok());
  Apply(desired);
  EXPECT_EQ(ServiceAt("tcp/*:80").sources, 2);
  EXPECT_EQ(store_.sources.size(), 1u);
}

TEST_F(ReconcilerSourcesTest, MorePrefixesThanFitAreRefused) {
  Restart(Limits{.sources = 3});
  Apply(State({With(Of("tcp/*:80", {"a"}), Only("10.0.0.0/8"))}));
  EXPECT_TRUE(absl::IsResourceExhausted(Refused(State({With(Of("tcp/*:80", {"a"}), Only("10.1.0.0/16"))}))));
}

TEST_F(ReconcilerSourcesTest, LeftPortsKeepTheirRingAndTheirFlows) {
  Apply(State({Of("tcp/*:22", {"a"})}));
  Service left = Of("tcp/*:22", {"a"});
  left.handling = Handling::kLeave;
  EXPECT_EQ(Apply(State({left})), (Log{"service 1 ring 0+1"}));
  EXPECT_EQ(ServiceAt("tcp/*:22").flags, XLB_SERVICE_LEFT);
}

TEST_F(ReconcilerSourcesTest, AnAddressIsClosedBeforeItIsServed) {
  Apply(State({Of("tcp/*:80", {"a"})}));
  Service closed = Of("tcp/192.0.2.9:80", {});
  closed.handling = Handling::kClose;
  DesiredState desired = State({Of("tcp/*:80", {"a"}), closed});
  desired.node.addresses.insert(make::Ip("192.0.2.9"));
  EXPECT_EQ(Apply(desired), (Log{"reset service 2", "service 2 ring 0+0", "add address", "node epoch 2"}));
  EXPECT_EQ(ServiceAt("tcp/192.0.2.9:80").flags, XLB_SERVICE_CLOSED);
}

}  // namespace
}  // namespace xlb
