#include "peer/peer_tracker.h"

#include <gtest/gtest.h>

namespace xlb {
namespace {

using std::chrono::milliseconds;

const Ipv4 kPeer = *Ipv4::Parse("192.0.2.12");
constexpr UidPrefix kWeb{1, 2, 3, 4, 5, 6}, kDns{7, 7, 7, 7, 7, 7};

class PeerTrackerTest : public testing::Test {
 protected:
  PeerTrackerTest() { tracker_.SetPeers({{kPeer, {kWeb}}}); }

  // A round, as PeerNodes makes it: what came since the last one, then the next question.
  void Round(bool answers, uint32_t delivers = 1, uint16_t version = XLB_HELLO_VERSION) {
    clock_.Advance(milliseconds(250));
    if (answers) tracker_.Note(kPeer, {.seq = seq_, .version = version, .capabilities = 0, .delivers = delivers});
    changed_ |= tracker_.Judge();
    tracker_.Ask(++seq_);
  }
  void Rounds(int count, bool answers) {
    for (int i = 0; i < count; i++) Round(answers);
  }
  void Farewell() { tracker_.Note(kPeer, {.seq = ~uint64_t{0}, .version = 0, .capabilities = 0, .delivers = 0}); }
  bool Changed() { return std::exchange(changed_, false); }

  FakeClock clock_;
  PeerTracker tracker_{&clock_, PeerTimes{}};
  uint64_t seq_ = 0;
  bool changed_ = false;
};

TEST_F(PeerTrackerTest, IsUpWithItsFirstAnswer) {
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kUnknown);
  EXPECT_EQ(tracker_.Delivers(kPeer, kWeb), std::nullopt);
  Round(false);
  Round(true);
  EXPECT_TRUE(Changed());
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kUp);
  EXPECT_EQ(tracker_.Delivers(kPeer, kWeb), true);
  Rounds(5, true);
  EXPECT_FALSE(Changed());
}

TEST_F(PeerTrackerTest, WithoutAnAnswerItIsANodeWithoutXlb) {
  Rounds(8, false);
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kUnknown);
  Round(false);
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kPlain);
  Rounds(1, false);
  Round(true);
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kUp) << "xlb was installed there";
}

TEST_F(PeerTrackerTest, SilenceIsNoticedWithinTwoSeconds) {
  Round(false);
  Rounds(4, true);
  Changed();
  int rounds = 0;
  while (tracker_.State(kPeer) == PeerState::kUp) Round(false), rounds++;
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kSilent);
  EXPECT_LE(rounds * 250, 2000);
  EXPECT_GE(rounds * 250, 1500);
  EXPECT_TRUE(Changed());
}

TEST_F(PeerTrackerTest, LostAnswersAreNoSilence) {
  Round(false);
  Round(true);
  Changed();
  for (int i = 0; i < 20; i++) {
    Rounds(4, false);
    Round(true);
  }
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kUp);
  EXPECT_FALSE(Changed());
}

TEST_F(PeerTrackerTest, ComesBackAfterThreeAnswersInARow) {
  Round(false);
  Round(true);
  Rounds(10, false);
  ASSERT_EQ(tracker_.State(kPeer), PeerState::kSilent);
  // One now and then does not count: it would come and go.
  for (int i = 0; i < 5; i++) {
    Round(true);
    Rounds(4, false);
    EXPECT_EQ(tracker_.State(kPeer), PeerState::kSilent);
  }
  Rounds(2, true);
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kSilent);
  Round(true);
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kUp);
}

TEST_F(PeerTrackerTest, SilentForLongIsANodeWithoutXlb) {
  Round(false);
  Round(true);
  Rounds(2300, false);
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kSilent);
  Rounds(200, false);
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kPlain);
  EXPECT_EQ(tracker_.Delivers(kPeer, kWeb), std::nullopt);
}

TEST_F(PeerTrackerTest, OldAndForeignAnswersSayNothing) {
  Round(false);
  Round(true);
  const uint64_t answered = seq_ - 1;
  Rounds(2, false);
  tracker_.Note(kPeer, {.seq = answered, .version = XLB_HELLO_VERSION, .capabilities = 0, .delivers = 0});
  tracker_.Note(kPeer, {.seq = 999, .version = XLB_HELLO_VERSION, .capabilities = 0, .delivers = 0});
  tracker_.Note(*Ipv4::Parse("192.0.2.66"), {.seq = seq_, .version = 1, .capabilities = 0, .delivers = 0});
  EXPECT_EQ(tracker_.Delivers(kPeer, kWeb), true);
  Rounds(6, false);
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kSilent);
}

TEST_F(PeerTrackerTest, AnotherVersionIsSpokenToAsToNodesWithoutXlb) {
  Round(false);
  Round(true, 1, XLB_HELLO_VERSION + 1);
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kPlain);
  EXPECT_EQ(tracker_.Version(kPeer), XLB_HELLO_VERSION + 1);
  Round(true);
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kUp) << "it was brought to this version";
}

TEST_F(PeerTrackerTest, AFarewellEndsItSoon) {
  Round(false);
  Round(true);
  Farewell();
  Round(true);  // was on its way already
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kUp);
  Rounds(2, false);
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kPlain);
  Round(true);
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kUp) << "it came back";
}

TEST_F(PeerTrackerTest, AFarewellThatIsPlayedAgainDoesNothing) {
  Round(false);
  Round(true);
  Changed();
  for (int i = 0; i < 20; i++) {
    Farewell();
    Round(false);  // that answer was given before
    Round(true);
  }
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kUp);
  EXPECT_FALSE(Changed());
}

TEST_F(PeerTrackerTest, AShortTimeoutWorksWithTimersThatAreLate) {
  PeerTracker tracker(&clock_, {.silence = milliseconds(1000)});
  tracker.SetPeers({{kPeer, {kWeb}}});
  tracker.Ask(1);
  tracker.Note(kPeer, {.seq = 1, .version = XLB_HELLO_VERSION, .capabilities = 0, .delivers = 1});
  for (int i = 0; i < 8; i++) {
    clock_.Advance(milliseconds(260));
    tracker.Judge();
  }
  EXPECT_EQ(tracker.State(kPeer), PeerState::kSilent);
}

TEST_F(PeerTrackerTest, AProcessThatSleptBlamesNobody) {
  Round(false);
  Rounds(3, true);
  Changed();
  clock_.Advance(std::chrono::minutes(10));
  // The answer to the last question before was noted meanwhile.
  tracker_.Note(kPeer, {.seq = seq_, .version = XLB_HELLO_VERSION, .capabilities = 0, .delivers = 1});
  EXPECT_FALSE(tracker_.Judge());
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kUp);
  Rounds(8, false);
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kSilent) << "but what then does not answer is silent";
}

TEST_F(PeerTrackerTest, AQuestionThatDidNotLeaveIsNoSilence) {
  Round(false);
  Round(true);
  for (int i = 0; i < 20; i++) {
    Round(false);
    tracker_.NotAsked(kPeer);
  }
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kUp);
}

TEST_F(PeerTrackerTest, KnowsWhichBackendsAreDelivered) {
  tracker_.SetPeers({{kPeer, {kWeb, kDns}}});
  Round(false);
  Round(true, 0b01);
  EXPECT_EQ(tracker_.Delivers(kPeer, kWeb), true);
  EXPECT_EQ(tracker_.Delivers(kPeer, kDns), false);
  EXPECT_TRUE(tracker_.Hurries()) << "its xlbd may hear of a new task a little later";
  Rounds(30, true);
  EXPECT_FALSE(tracker_.Hurries());
}

TEST_F(PeerTrackerTest, AsksAboutEveryBackendInTime) {
  std::set<UidPrefix> many;
  for (uint8_t i = 0; i < 3 * XLB_HELLO_UIDS; i++) many.insert({i, 1, 1, 1, 1, 1});
  tracker_.SetPeers({{kPeer, many}});
  std::set<UidPrefix> asked;
  for (uint64_t round = 1; round <= 3; round++) {
    const auto questions = tracker_.Ask(round);
    ASSERT_EQ(questions.size(), 1u);
    ASSERT_EQ(questions[0].uids.size(), size_t{XLB_HELLO_UIDS});
    asked.insert(questions[0].uids.begin(), questions[0].uids.end());
  }
  EXPECT_EQ(asked, many);
}

TEST_F(PeerTrackerTest, ForgetsNodesThatLeave) {
  Round(false);
  Round(true);
  Changed();
  tracker_.SetPeers({});
  EXPECT_TRUE(tracker_.Judge());
  EXPECT_TRUE(tracker_.Peers().empty());
  EXPECT_EQ(tracker_.State(kPeer), PeerState::kUnknown);
}

}  // namespace
}  // namespace xlb
