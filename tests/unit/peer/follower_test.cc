#include "peer/follower.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>

#include "unit/peer/peer_fixture.h"

namespace xlb {
namespace {

using std::chrono::milliseconds;

// Managers m1, m2, ... at 127.0.0.1, 127.0.0.2, ... on one port.
class FollowerTest : public PeerTest {
 protected:
  void StartManager(int number, const std::string& service) {
    const std::string node = "m" + std::to_string(number);
    auto& server = servers_[number] = std::make_unique<PeerServer>(loop_.get_executor());
    server->Use(Read(ca_.Issue({.node_id = node, .role = kManagerRole})));
    ASSERT_TRUE(server->Listen("127.0.0." + std::to_string(number), port_).ok());
    port_ = server->port();
    server->Publish(FactsOf(service), {});
  }
  void StopManager(int number) { servers_.erase(number); }

  static RemoteManager Manager(int number) {
    return {"m" + std::to_string(number), "127.0.0." + std::to_string(number)};
  }

  void StartFollower(std::vector<RemoteManager> managers) {
    worker_ = Read(ca_.Issue({.node_id = "n1"}));
    FollowerOptions options;
    options.port = port_;
    options.limits.connect = milliseconds(300);
    options.limits.poll = std::chrono::seconds(1);
    options.limits.answer = milliseconds(500);
    options.backoff_min = milliseconds(20);
    options.backoff_max = milliseconds(100);
    follower_.emplace(
        loop_.get_executor(), options, [this] { return worker_; },
        [this](const SwarmFacts& facts) { told_.push_back(facts.services.at(0).name); }, [this] { ++states_; });
    follower_->SetManagers(std::move(managers));
    follower_->Start();
  }
  bool Until(const std::function<bool()>& done) { return RunUntil(loop_, done); }
  bool UntilTold(const std::string& service) {
    return Until([&] { return !told_.empty() && told_.back() == service; });
  }
  const FollowerState& state() { return follower_->state(); }

  uint16_t port_ = 0;
  std::map<int, std::unique_ptr<PeerServer>> servers_;
  absl::StatusOr<std::shared_ptr<const Credentials>> worker_ = absl::UnknownError("none");
  std::optional<Follower> follower_;
  std::vector<std::string> told_;
  int states_ = 0;
};

TEST_F(FollowerTest, FollowsAManager) {
  StartManager(1, "web");
  StartFollower({Manager(1)});
  ASSERT_TRUE(UntilTold("web"));
  EXPECT_EQ(state().manager, Manager(1));
  EXPECT_TRUE(state().last_heard.has_value());
  servers_[1]->Publish(FactsOf("shop"), {});
  ASSERT_TRUE(UntilTold("shop"));
  EXPECT_EQ(told_.size(), 2u);
}

TEST_F(FollowerTest, SticksToOneThatAnswers) {
  StartManager(1, "web");
  StartManager(2, "web");
  StartFollower({Manager(1), Manager(2)});
  ASSERT_TRUE(UntilTold("web"));
  const auto first = state().manager;
  loop_.restart();
  loop_.run_for(milliseconds(1500));
  EXPECT_EQ(state().manager, first);
  EXPECT_EQ(states_, 1);
  EXPECT_EQ(told_.size(), 1u);
}

TEST_F(FollowerTest, TakesTheNextWhenOneGoes) {
  StartManager(1, "web");
  StartManager(2, "web");
  StartFollower({Manager(1), Manager(2)});
  ASSERT_TRUE(UntilTold("web"));
  const int lost = state().manager == Manager(1) ? 1 : 2;
  const int next = 3 - lost;
  StopManager(lost);
  ASSERT_TRUE(Until([&] { return state().manager == Manager(next); }));
  // What the second says is what the first said: nothing is told twice.
  EXPECT_EQ(told_.size(), 1u);
  servers_[next]->Publish(FactsOf("shop"), {});
  EXPECT_TRUE(UntilTold("shop"));
}

TEST_F(FollowerTest, OneThatCannotSayIsPassedOver) {
  StartManager(1, "web");
  StartManager(2, "web");
  servers_[1]->Withhold("the swarm does not have a leader");
  StartFollower({Manager(1), Manager(2)});
  ASSERT_TRUE(UntilTold("web"));
  EXPECT_EQ(state().manager, Manager(2));
  servers_[1]->Publish(FactsOf("web"), {});
  servers_[2]->Withhold("dockerd is away");
  ASSERT_TRUE(Until([&] { return state().manager == Manager(1); }));
}

TEST_F(FollowerTest, SaysWhyNoneIsFollowedAndGoesOnTrying) {
  StartManager(1, "web");
  StopManager(1);
  StartFollower({Manager(1), Manager(2)});
  ASSERT_TRUE(Until([&] { return state().failures.size() == 2; }));
  EXPECT_EQ(state().failures.at("127.0.0.1"),
            "refuses the connection: does xlbd run on that manager, and can it serve?");
  EXPECT_FALSE(state().manager.has_value());
  ASSERT_TRUE(Until([&] { return states_ > 0; }));
  StartManager(2, "web");
  ASSERT_TRUE(UntilTold("web"));
  EXPECT_TRUE(state().failures.empty());
}

TEST_F(FollowerTest, RememberedFactsAreNotForgottenWhenAllAreAway) {
  StartManager(1, "web");
  StartFollower({Manager(1)});
  ASSERT_TRUE(UntilTold("web"));
  StopManager(1);
  ASSERT_TRUE(Until([&] { return state().failures.size() == 1; }));
  EXPECT_FALSE(state().manager.has_value());
  EXPECT_TRUE(state().last_heard.has_value());
  EXPECT_EQ(told_.size(), 1u);
}

TEST_F(FollowerTest, LeavesOneThatIsNoManagerAnyMore) {
  StartManager(1, "web");
  StartManager(2, "shop");
  StartFollower({Manager(1)});
  ASSERT_TRUE(UntilTold("web"));
  follower_->SetManagers({Manager(2)});
  ASSERT_TRUE(UntilTold("shop"));
  EXPECT_EQ(state().manager, Manager(2));
}

TEST_F(FollowerTest, AServerThatHangsIsLeft) {
  // A listener that never answers, as a manager whose process is stopped.
  boost::asio::ip::tcp::acceptor hung(loop_, {boost::asio::ip::make_address("127.0.0.1"), 0});
  port_ = hung.local_endpoint().port();
  StartManager(2, "web");
  StartFollower({Manager(1), Manager(2)});
  follower_->SetManagers({Manager(1), Manager(2)});
  ASSERT_TRUE(UntilTold("web"));
}

TEST_F(FollowerTest, WithoutCredentialsItSaysWhy) {
  StartManager(1, "web");
  StartFollower({Manager(1)});
  const auto good = std::exchange(worker_, absl::NotFoundError("there is no swarm-node.crt"));
  ASSERT_TRUE(Until([&] { return state().failures.size() == 1; }));
  EXPECT_EQ(state().failures.at("127.0.0.1"), "there is no swarm-node.crt");
  worker_ = good;
  ASSERT_TRUE(UntilTold("web"));
}

TEST_F(FollowerTest, StartsAnewAfterAStop) {
  StartManager(1, "web");
  StartFollower({Manager(1)});
  ASSERT_TRUE(UntilTold("web"));
  follower_->Stop();
  EXPECT_FALSE(state().manager.has_value());
  told_.clear();
  follower_->Start();
  ASSERT_TRUE(UntilTold("web"));
}

TEST_F(FollowerTest, NothingComesAfterItsEnd) {
  for (const int turns : {0, 1, 2, 3, 5, 8, 13, 21, 34}) {
    servers_.clear();
    port_ = 0;
    StartManager(1, "web");
    StartFollower({Manager(1)});
    for (int i = 0; i < turns; ++i) {
      if (loop_.stopped()) loop_.restart();
      loop_.run_one_for(milliseconds(20));
    }
    follower_.reset();
    const size_t told = told_.size();
    servers_.clear();
    loop_.restart();
    loop_.run();
    EXPECT_EQ(told_.size(), told);
  }
}

}  // namespace
}  // namespace xlb
