#include "xlbd/peer_reach.h"

#include <gtest/gtest.h>

namespace xlb {
namespace {

const Ipv4 kNode = *Ipv4::Parse("192.0.2.12");

class PeerReachTest : public testing::Test {
 protected:
  PeerReachTest() {
    Service service;
    service.frontend = *Frontend::Parse("tcp/*:8091");
    Backend remote;
    remote.identity = "swarm:a/tcp:8091";
    remote.node = "node-2";
    remote.reach.kind = BackendKind::kVxlan;
    remote.reach.tunnel_dst = kNode;
    Backend local;
    local.identity = "swarm:b/tcp:8091";
    local.reach.kind = BackendKind::kLocal;
    service.backends = {remote, local};
    state_.services[service.frontend] = service;
    tracker_.SetPeers(BackendsByNode(state_));
  }
  void Answer(bool delivers, uint16_t version = XLB_HELLO_VERSION) {
    tracker_.Ask(++seq_);
    tracker_.Note(kNode, {.seq = seq_, .version = version, .capabilities = 0, .delivers = delivers ? 1u : 0u});
    clock_.Advance(std::chrono::milliseconds(250));
    tracker_.Judge();
  }
  void Silence(std::chrono::milliseconds time) {
    for (; time.count() > 0; time -= std::chrono::milliseconds(250)) {
      clock_.Advance(std::chrono::milliseconds(250));
      tracker_.Judge();
    }
  }
  const Backend& Apply(bool was_peer = false) {
    result_ = state_;
    ApplyPeers(
        tracker_, [&](const std::string&) { return was_peer; }, result_);
    EXPECT_EQ(backends()[1], state_.services.begin()->second.backends[1]) << "what is local stays as it is";
    return backends()[0];
  }
  std::string Why() { return WhyNotPeer(tracker_, result_.services.begin()->second, backends()[0]); }
  const std::vector<Backend>& backends() const { return result_.services.begin()->second.backends; }

  FakeClock clock_;
  PeerTracker tracker_{&clock_, PeerTimes{}};
  DesiredState state_, result_;
  uint64_t seq_ = 0;
};

TEST_F(PeerReachTest, ByFullNatUntilThePeerAnswers) {
  EXPECT_FALSE(Apply().reach.peer);
  EXPECT_EQ(Why(), "xlb on node-2 has not answered yet");
  Answer(true);
  EXPECT_TRUE(Apply().reach.peer);
  EXPECT_EQ(Why(), "");
}

TEST_F(PeerReachTest, AnEarlierProcesssKnowledgeStandsForAWhile) {
  EXPECT_TRUE(Apply(true).reach.peer);
  EXPECT_EQ(Why(), "");
  Silence(std::chrono::milliseconds(2500));
  EXPECT_FALSE(Apply(true).reach.peer);
  EXPECT_EQ(Why(), "no xlb on node-2");
  EXPECT_EQ(Apply(true).state, BackendState::kActive);
}

TEST_F(PeerReachTest, ByFullNatWhereThePeerHasNoWay) {
  Answer(false);
  EXPECT_FALSE(Apply(true).reach.peer);
  EXPECT_EQ(Why(), "xlb on node-2 has no way to it by docker_gwbridge");
}

TEST_F(PeerReachTest, DownWhileItsNodeIsSilent) {
  Answer(true);
  Silence(std::chrono::milliseconds(2000));
  EXPECT_EQ(Apply(true).state, BackendState::kDown);
  EXPECT_EQ(Why(), "xlb on node-2 does not answer");
  for (int i = 0; i < 3; i++) Answer(true);
  EXPECT_EQ(Apply(true).state, BackendState::kActive);
}

TEST_F(PeerReachTest, ByFullNatWhereTheServiceAsksForIt) {
  Answer(true);
  state_.services.begin()->second.snat = true;
  Apply();
  EXPECT_EQ(Why(), "the service asks for it: xlb.source-ip=snat");
}

TEST_F(PeerReachTest, ByFullNatToAnotherVersion) {
  Answer(true, 7);
  EXPECT_FALSE(Apply(true).reach.peer);
  EXPECT_EQ(Why(), "xlb on node-2 speaks version 7 between nodes, this one 1");
}

}  // namespace
}  // namespace xlb
