// The source against a Docker that comes, goes, changes its mind and lies. The kernel knows nothing of the tasks here:
// no namespace of theirs exists.
#include "swarm/swarm_source.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <map>
#include <optional>

#include "unit/docker/fake_docker.h"
#include "unit/swarm/classic.h"

namespace xlb {
namespace {

using std::chrono::milliseconds;

constexpr char kVersion[] = R"({"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12"})";

std::string Info(const char* state, bool manager) {
  return std::string(R"({"Name":"n0","ServerVersion":"20.10.24","Swarm":{"NodeID":"x9sipksxwwr1q7xg1g7xle69p",)") +
         R"("NodeAddr":"192.0.2.10","LocalNodeState":")" + state + R"(","ControlAvailable":)" +
         (manager ? "true" : "false") + "}}";
}

class SwarmSourceTest : public ::testing::Test {
 protected:
  SwarmSourceTest() {
    answers_ = {{"/version", Ok(kVersion)},
                {"/v1.41/info", Ok(Info("active", true))},
                {"/v1.41/nodes", Ok(FixtureText("nodes"))},
                {"/v1.41/services", Ok(FixtureText("services"))},
                {"/v1.41/tasks", Ok(FixtureText("tasks"))},
                {"/v1.41/networks?filters=%7B%22driver%22%3A%5B%22overlay%22%5D%7D", Ok(FixtureText("networks"))},
                {"/v1.41/networks/ohyl83iizlsu1tz7v9fswd3nw", Ok(FixtureText("ingress"))},
                {"/v1.41/networks/docker_gwbridge", Ok(FixtureText("gateway"))}};
    SwarmOptions options;
    options.docker_socket = directory_.path() + "/docker.sock";
    options.netns_dir = directory_.path();
    options.poll_interval = options.role_poll_interval = milliseconds(30);
    options.backoff_min = milliseconds(10);
    options.backoff_max = milliseconds(40);
    options.http.headers = milliseconds(1000);
    source_.emplace(
        loop_.get_executor(), options, [this](const SwarmView&) { ++changes_; },
        [this](std::string kind, std::string, std::string) { events_.push_back(std::move(kind)); });
  }

  void StartServer() {
    server_.emplace(loop_, directory_.path() + "/docker.sock", [this](const std::string& target) {
      if (target.starts_with("/v1.41/events")) return Stream("");
      const auto found = answers_.find(target);
      return found == answers_.end() ? Refuse(404, "not found") : found->second;
    });
  }
  bool Until(const std::function<bool()>& done) { return RunUntil(loop_, done); }
  bool UntilDocker(const std::string& state) {
    return Until([&] { return source_->view().docker.starts_with(state); });
  }
  bool Told(const std::string& kind) { return std::count(events_.begin(), events_.end(), kind) > 0; }

  std::map<std::string, FakeReply> answers_;
  boost::asio::io_context loop_;
  TemporaryDirectory directory_;
  std::optional<FakeDocker> server_;
  std::optional<SwarmSource> source_;
  int changes_ = 0;
  std::vector<std::string> events_;
};

TEST_F(SwarmSourceTest, SaysThatDockerIsAbsentOnce) {
  source_->Start();
  ASSERT_TRUE(UntilDocker("absent: "));
  loop_.run_for(milliseconds(200));
  EXPECT_EQ(changes_, 1);
  EXPECT_FALSE(Told("docker-lost"));
}

TEST_F(SwarmSourceTest, FindsADockerThatComesLater) {
  source_->Start();
  ASSERT_TRUE(UntilDocker("absent: "));
  StartServer();
  ASSERT_TRUE(UntilDocker("connected"));
  EXPECT_EQ(source_->view().role, "manager");
  EXPECT_EQ(source_->view().services.size(), 3u);
  EXPECT_TRUE(Told("docker-connected"));
  EXPECT_TRUE(Told("swarm-role"));
  EXPECT_TRUE(Told("swarm-pending"));  // no such network in the kernel
  EXPECT_NE(source_->view().pending.find("the ingress network is not up on this node"), std::string::npos);
}

TEST_F(SwarmSourceTest, TellsNothingWhileNothingChanges) {
  StartServer();
  source_->Start();
  ASSERT_TRUE(UntilDocker("connected"));
  const int changes = changes_;
  const size_t requests = server_->targets().size();
  ASSERT_TRUE(Until([&] { return server_->targets().size() > requests + 5; }));  // it polls
  EXPECT_EQ(changes_, changes);
}

TEST_F(SwarmSourceTest, PollsTheTasks) {
  StartServer();
  source_->Start();
  ASSERT_TRUE(UntilDocker("connected"));
  EXPECT_EQ(source_->view().services[0].unreachable.size(), 2u);
  answers_["/v1.41/tasks"] = Ok("[]");
  ASSERT_TRUE(Until([this] { return source_->view().services[0].unreachable.empty(); }));
}

// A new ingress network: first it is listed, then a task is in it, then the node itself, and no event tells.
TEST_F(SwarmSourceTest, AsksForTheNodesOwnAddressUntilItIsThere) {
  const FakeReply ingress = answers_["/v1.41/networks/ohyl83iizlsu1tz7v9fswd3nw"];
  std::string without = ingress.bytes.substr(ingress.bytes.find("\r\n\r\n") + 4);
  without.replace(without.find("\"ingress-sbox\""), 14, "\"some-container\"");
  answers_["/v1.41/networks/ohyl83iizlsu1tz7v9fswd3nw"] = Ok(without);
  StartServer();
  source_->Start();
  ASSERT_TRUE(UntilDocker("connected"));
  EXPECT_TRUE(source_->view().ingress_address.IsUnset());
  answers_["/v1.41/networks/ohyl83iizlsu1tz7v9fswd3nw"] = ingress;
  ASSERT_TRUE(Until([this] { return source_->view().ingress_address == Ip("10.0.0.2"); }));
}

TEST_F(SwarmSourceTest, AnEventIsFollowedAtOnce) {
  StartServer();
  source_->Start();
  ASSERT_TRUE(UntilDocker("connected"));
  answers_["/v1.41/services"] = Ok("[]");
  answers_["/v1.41/tasks"] = Ok("[]");
  loop_.run_for(milliseconds(100));
  EXPECT_EQ(source_->view().services.size(), 3u);  // services are not polled
  server_->Push(R"({"Type":"service","Action":"remove","Actor":{"ID":"x"}})"
                "\n");
  ASSERT_TRUE(Until([this] { return source_->view().services.empty(); }));
}

TEST_F(SwarmSourceTest, ADeadContainerLeavesBeforeItsTaskSaysSo) {
  StartServer();
  source_->Start();
  ASSERT_TRUE(UntilDocker("connected"));
  ASSERT_EQ(source_->view().services[0].unreachable.size(), 2u);
  server_->Push(R"({"Type":"container","Action":"die","Actor":{"ID":")" + Classic().local().container_id + "\"}}\n");
  ASSERT_TRUE(Until([this] { return source_->view().services[0].unreachable.size() == 1; }));
  EXPECT_EQ(source_->view().services[0].unreachable[0].first, "web.1");
}

TEST_F(SwarmSourceTest, KeepsTheServicesWhileDockerIsGone) {
  StartServer();
  source_->Start();
  ASSERT_TRUE(UntilDocker("connected"));
  const auto services = source_->view().services;
  server_->Stop();
  ASSERT_TRUE(UntilDocker("absent: "));
  EXPECT_TRUE(Told("docker-lost"));
  EXPECT_EQ(source_->view().services, services);
  source_->OnLinksChanged();
  EXPECT_EQ(source_->view().services, services);
  EXPECT_EQ(source_->view().docker.find("absent: "), 0u);
  answers_["/v1.41/tasks"] = Ok("[]");
  StartServer();
  ASSERT_TRUE(UntilDocker("connected"));
  ASSERT_TRUE(Until([this] { return source_->view().services[0].unreachable.empty(); }));
}

TEST_F(SwarmSourceTest, AHungDockerIsLostAndFoundAgain) {
  StartServer();
  source_->Start();
  ASSERT_TRUE(UntilDocker("connected"));
  const FakeReply tasks = std::exchange(answers_["/v1.41/tasks"], FakeReply{"", true});
  ASSERT_TRUE(UntilDocker("connecting: "));
  EXPECT_NE(source_->view().docker.find("is dockerd hung?"), std::string::npos);
  EXPECT_EQ(source_->view().services.size(), 3u);
  answers_["/v1.41/tasks"] = tasks;
  ASSERT_TRUE(UntilDocker("connected"));
}

TEST_F(SwarmSourceTest, AnEventStreamThatEndsIsOpenedAgain) {
  StartServer();
  source_->Start();
  ASSERT_TRUE(UntilDocker("connected"));
  server_->CloseStreams();
  ASSERT_TRUE(UntilDocker("connecting: "));
  ASSERT_TRUE(UntilDocker("connected"));
}

TEST_F(SwarmSourceTest, GarbageIsAnErrorAndNothingElse) {
  answers_["/v1.41/nodes"] = Ok("<html>");
  StartServer();
  source_->Start();
  ASSERT_TRUE(UntilDocker("connecting: Docker answers GET /nodes with something that is not JSON"));
  EXPECT_TRUE(source_->view().services.empty());
}

// Workers are the subject of worker_test.cc; here xlbd's peers are off.
TEST_F(SwarmSourceTest, AWorkerSaysWhatItCannotKnow) {
  answers_["/v1.41/info"] = Ok(Info("active", false));
  StartServer();
  source_->Start();
  ASSERT_TRUE(UntilDocker("connected"));
  EXPECT_EQ(source_->view().role, "worker");
  EXPECT_FALSE(source_->view().services_known);
  EXPECT_TRUE(source_->view().services.empty());
  ASSERT_EQ(source_->view().warnings.size(), 1u);
  // Promoted.
  answers_["/v1.41/info"] = Ok(Info("active", true));
  ASSERT_TRUE(Until([this] { return source_->view().role == "manager"; }));
  ASSERT_TRUE(Until([this] { return source_->view().services.size() == 3; }));
  EXPECT_TRUE(source_->view().services_known);
  EXPECT_TRUE(source_->view().warnings.empty());
}

TEST_F(SwarmSourceTest, ADemotedManagerIsNotLostAndForgetsNothing) {
  StartServer();
  source_->Start();
  ASSERT_TRUE(Until([this] { return source_->view().services.size() == 3; }));
  answers_["/v1.41/info"] = Ok(Info("active", false));
  answers_["/v1.41/tasks"] = Refuse(503, "This node is not a swarm manager.");
  ASSERT_TRUE(Until([this] { return source_->view().role == "worker"; }));
  EXPECT_EQ(source_->view().services.size(), 3u);
  EXPECT_EQ(source_->view().docker, "connected");
  EXPECT_FALSE(Told("docker-lost"));
}

TEST_F(SwarmSourceTest, ASwarmWithoutALeaderKeepsItsServices) {
  StartServer();
  source_->Start();
  ASSERT_TRUE(Until([this] { return source_->view().services.size() == 3; }));
  const FakeReply tasks = std::exchange(answers_["/v1.41/tasks"], Refuse(500, "The swarm does not have a leader."));
  ASSERT_TRUE(UntilDocker("connected: Docker refuses GET /tasks: The swarm does not have a leader."));
  EXPECT_EQ(source_->view().services.size(), 3u);
  EXPECT_FALSE(Told("docker-lost"));
  answers_["/v1.41/tasks"] = tasks;
  ASSERT_TRUE(Until([this] { return source_->view().docker == "connected"; }));
}

TEST_F(SwarmSourceTest, AnEngineOutsideAnySwarm) {
  answers_["/v1.41/info"] = Ok(Info("inactive", false));
  StartServer();
  source_->Start();
  ASSERT_TRUE(UntilDocker("connected"));
  EXPECT_EQ(source_->view().role, "none");
  EXPECT_TRUE(source_->view().warnings.empty());
}

TEST_F(SwarmSourceTest, AnEngineThatComesUpKeepsTheServices) {
  StartServer();
  source_->Start();
  ASSERT_TRUE(Until([this] { return source_->view().services.size() == 3; }));
  server_->Stop();
  ASSERT_TRUE(UntilDocker("absent: "));
  answers_["/v1.41/info"] = Ok(Info("pending", false));
  StartServer();
  ASSERT_TRUE(UntilDocker("connected: the swarm is pending"));
  EXPECT_EQ(source_->view().services.size(), 3u);
}

TEST_F(SwarmSourceTest, NothingComesAfterStop) {
  StartServer();
  source_->Start();
  ASSERT_TRUE(UntilDocker("connected"));
  source_->Stop();
  const int changes = changes_;
  answers_["/v1.41/tasks"] = Ok("[]");
  server_->Stop();
  loop_.restart();
  loop_.run();  // ends: no timer and no connection is left
  EXPECT_EQ(changes_, changes);
}

TEST_F(SwarmSourceTest, MayBeDestroyedAtAnyMoment) {
  for (const int turns : {0, 1, 2, 5, 10, 20, 40, 80}) {
    server_.reset();
    StartServer();
    source_->Start();
    for (int i = 0; i < turns; ++i) loop_.run_one_for(milliseconds(20));
    SwarmOptions options;
    options.docker_socket = directory_.path() + "/docker.sock";
    source_.emplace(loop_.get_executor(), options, nullptr, nullptr);
  }
  source_.reset();
  server_.reset();
  loop_.restart();
  loop_.run();
}

}  // namespace
}  // namespace xlb
