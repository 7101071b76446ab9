// Random desired states, with writes that fail anywhere, restarts, and time that passes: whatever happens, the programs
// see nothing that they must not see (the fake store looks after every write), and in the end the maps say what is
// desired.
#include <random>

#include "scheduler/ring.h"
#include "unit/model/reconciler_fixture.h"

namespace xlb {
namespace {

using make::State;

class Chaos {
 public:
  explicit Chaos(uint32_t seed) : random_(seed) {}

  size_t Below(size_t bound) { return random_() % bound; }
  bool OneIn(size_t n) { return Below(n) == 0; }

  // A few services over one pool of backends, which so move between services, come back, and change.
  DesiredState Next() {
    std::map<std::string, Service*> owner;
    DesiredState desired = State({});
    for (uint16_t port = 1; port <= 6; ++port) {
      if (OneIn(3)) continue;
      const Frontend frontend{Protocol::kTcp, {}, port};
      Service& service = desired.services[frontend];
      service.frontend = frontend;
      // Maglev's large rings seldom: the store looks at every slot after every write.
      service.handling = OneIn(4) ? static_cast<Handling>(Below(3)) : Handling::kServe;
      if (OneIn(2)) service.sources = NextSources();
      service.scheduler = OneIn(8) ? SchedulerKind::kMaglev : static_cast<SchedulerKind>(Below(2));
    }
    for (int i = 0; i < 14 && !desired.services.empty(); ++i) {
      if (OneIn(3)) continue;
      auto service = std::next(desired.services.begin(), static_cast<int>(Below(desired.services.size())));
      service->second.backends.push_back(NextBackend("backend " + std::to_string(i)));
    }
    for (auto& [frontend, service] : desired.services) {
      std::shuffle(service.backends.begin(), service.backends.end(), random_);
    }
    desired.node.vni = OneIn(4) ? 4097 : 4096;
    desired.node.addresses = {Ipv4{static_cast<uint32_t>(1 + Below(3))}, Ipv4{static_cast<uint32_t>(1 + Below(3))}};
    return desired;
  }

 private:
  Backend NextBackend(std::string identity) {
    Backend backend = make::Routed(std::move(identity));
    backend.weight = static_cast<uint32_t>(Below(4));
    backend.state = OneIn(4) ? static_cast<BackendState>(Below(3)) : BackendState::kActive;
    backend.reach.port = OneIn(4) ? 8081 : 8080;
    return backend;
  }

  // Of few contents, so that services share lists, and lists come back.
  SourceList NextSources() {
    AddressMap<SourceVerdicts> verdicts(AllVerdicts(OneIn(2) ? XLB_SOURCE_ALLOW : XLB_SOURCE_DENY));
    const auto first = static_cast<uint32_t>(Below(3)) << 30;
    verdicts.Update({first, first + 5}, [&](SourceVerdicts) { return static_cast<SourceVerdicts>(Below(3)); });
    return SourceList(verdicts);
  }

  std::mt19937 random_;
};

// What the maps say, in terms of the desired state; independent of how they came to say it.
void ExpectMapsSay(const DesiredState& desired, const FakeMapStore& store) {
  ASSERT_EQ(store.services.size(), desired.services.size());
  size_t backends = 0, in_use = 0;
  std::set<uint32_t> lists;
  for (const auto& [id, slot] : store.slots) in_use += slot.state != XLB_BACKEND_GONE;
  for (const auto& [frontend, service] : desired.services) {
    const xlb_service& record = store.services.at(ServiceKey(frontend));
    EXPECT_EQ(record.pick, PickOf(service.scheduler));
    EXPECT_EQ(record.flags, ServiceRecord(service, 0).flags);
    EXPECT_EQ(record.sources == 0, service.sources.empty());
    if (record.sources != 0) {
      EXPECT_EQ(store.sources.at(record.sources), service.sources.entries());
      lists.insert(record.sources);
    }
    std::map<Uid, uint32_t> ids;
    for (const auto& [id, slot] : store.slots) {
      if (slot.state != XLB_BACKEND_GONE && slot.service == record.id) ids[UidOf(slot)] = id;
    }
    EXPECT_EQ(ids.size(), service.backends.size());
    backends += ids.size();
    for (const Backend& backend : service.backends) {
      const Uid uid = BackendUid(backend.identity);
      ASSERT_TRUE(ids.contains(uid)) << backend.identity;
      const xlb_backend& slot = store.slots.at(ids.at(uid));
      EXPECT_TRUE(SameRecord(slot, BackendRecord(backend, uid, slot.generation, record.id)));
    }
    std::vector<uint32_t> ring = BuildRing(service);
    for (uint32_t& slot : ring) slot = ids.at(BackendUid(service.backends[slot].identity));
    const auto first = store.ring.begin() + record.ring_off;
    EXPECT_EQ(std::vector<uint32_t>(first, first + record.ring_len), ring);
  }
  EXPECT_EQ(backends, in_use);
  EXPECT_EQ(store.sources.size(), lists.size());
  EXPECT_TRUE(SameRecord(store.node, NodeRecord(desired.node, store.node.epoch)));
  std::set<uint32_t> addresses;
  for (const Ipv4 address : desired.node.addresses) addresses.insert(address.be);
  EXPECT_EQ(store.addresses, addresses);
}

constexpr Limits kRoomy{.services = 100, .backends = 100, .ring_slots = 100000, .addresses = 100};

class PropertyTest : public testing::TestWithParam<uint32_t> {
 protected:
  void Run(const Limits& limits);

  FakeClock clock_;
  FakeMapStore store_{&clock_};
  int applied_ = 0, failed_ = 0, refused_ = 0;
};

void PropertyTest::Run(const Limits& limits) {
  Chaos chaos(GetParam());
  std::optional<Reconciler> reconciler;
  const auto restart = [&] {
    clock_.Advance(kRingGrace);  // what a process before this one released is not known any more
    reconciler.emplace(&store_, &clock_, BuildRing, limits);
    ASSERT_TRUE(reconciler->Load().ok());
  };
  restart();
  for (int step = 0; step < 150 && !HasFailure(); ++step) {
    SCOPED_TRACE(fmt::format("seed {} step {}", GetParam(), step));
    if (chaos.OneIn(2)) clock_.Advance(std::chrono::milliseconds(chaos.Below(2500)));
    if (chaos.OneIn(3)) store_.FailAfter(chaos.Below(25));
    if (chaos.OneIn(6)) restart();
    if (chaos.OneIn(6)) {
      ASSERT_TRUE(reconciler->Load().ok());
    }
    const DesiredState desired = chaos.Next();
    store_.ClearLog();
    const absl::Status status = reconciler->Apply(desired).status();
    store_.FailNoMore();
    ASSERT_EQ(store_.violations(), std::vector<std::string>{});
    if (absl::IsResourceExhausted(status)) {
      ++refused_;
      EXPECT_TRUE(store_.log().empty()) << "refused, but written";
      continue;
    }
    if (absl::IsUnavailable(status)) {
      ++failed_;
      continue;
    }
    ASSERT_TRUE(status.ok()) << status;
    ++applied_;
    ExpectMapsSay(desired, store_);
    EXPECT_TRUE(reconciler->MakePlan(desired)->empty());
    Reconciler after_restart(&store_, &clock_, BuildRing, limits);
    ASSERT_TRUE(after_restart.Load().ok());
    EXPECT_TRUE(after_restart.MakePlan(desired)->empty());
  }
}

TEST_P(PropertyTest, WithRoom) {
  Run(kRoomy);
  EXPECT_EQ(refused_, 0);
  EXPECT_GT(applied_, 50);
  EXPECT_GT(failed_, 10);
}

// Ids for hardly more than what is desired, slots for a few of the large rings: plans in two steps, and refusals.
TEST_P(PropertyTest, CloseToTheLimits) {
  Run(Limits{.services = 7, .backends = 15, .ring_slots = 1100, .addresses = 2});
  EXPECT_GT(applied_, 30);
  EXPECT_GT(failed_, 5);
}

// No restart that forgets the epoch it owes: then every backend moved or lost is told to the flows by the time that the
// desired state is reached.
TEST_P(PropertyTest, FlowsAreTold) {
  Chaos chaos(GetParam());
  Reconciler reconciler(&store_, &clock_, BuildRing, kRoomy);
  ASSERT_TRUE(reconciler.Load().ok());
  int told = 0;
  for (int step = 0; step < 150; ++step) {
    if (chaos.OneIn(2)) store_.FailAfter(chaos.Below(25));
    if (chaos.OneIn(6)) {
      ASSERT_TRUE(reconciler.Load().ok());
    }
    const uint32_t epoch = store_.node.epoch;
    const bool reached = reconciler.Apply(chaos.Next()).ok();
    store_.FailNoMore();
    if (!reached) continue;
    ASSERT_FALSE(store_.epoch_due()) << "seed " << GetParam() << " step " << step;
    told += store_.node.epoch != epoch;
  }
  EXPECT_GT(told, 20);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PropertyTest, testing::Range(uint32_t{1}, uint32_t{21}));

}  // namespace
}  // namespace xlb
