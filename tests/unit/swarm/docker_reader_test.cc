#include "swarm/docker_reader.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <optional>

#include "peer/pair_key.h"
#include "unit/docker/fake_docker.h"
#include "unit/swarm/classic.h"

namespace xlb {
namespace {

namespace asio = boost::asio;

DockerEvent Event(const char* type, const char* action) { return DockerEvent{type, action, "id", {}}; }

TEST(PartsConcernedByTest, AskForWhatTheEventIsAbout) {
  EXPECT_EQ(PartsConcernedBy(Event("service", "update")), kServicesPart | kTasksPart);
  EXPECT_EQ(PartsConcernedBy(Event("node", "update")), kNodesPart | kTasksPart);
  EXPECT_EQ(PartsConcernedBy(Event("network", "create")) & kIngressPart, kIngressPart);
  EXPECT_EQ(PartsConcernedBy(Event("network", "disconnect")) & kNamespacesPart, kNamespacesPart);
  EXPECT_EQ(PartsConcernedBy(Event("daemon", "reload")), kEveryPart);
  for (const char* action : {"start", "die", "kill", "destroy", "health_status: healthy"}) {
    EXPECT_EQ(PartsConcernedBy(Event("container", action)), kGatewayPart | kTasksPart) << action;
  }
  // A health check makes three of these every few seconds.
  for (const char* action : {"exec_create: sh", "exec_start: sh", "exec_die", "top", "resize", ""}) {
    EXPECT_EQ(PartsConcernedBy(Event("container", action)), 0u) << action;
  }
  EXPECT_EQ(PartsConcernedBy(Event("image", "pull")), 0u);
}

class DockerReaderTest : public ::testing::Test {
 protected:
  DockerReaderTest() {
    answers_ = {{"/nodes", FixtureText("nodes")},
                {"/services", FixtureText("services")},
                {"/tasks", FixtureText("tasks")},
                {"/networks?filters=%7B%22driver%22%3A%5B%22overlay%22%5D%7D", FixtureText("networks")},
                {"/networks/ohyl83iizlsu1tz7v9fswd3nw", FixtureText("ingress")},
                {"/networks/docker_gwbridge", FixtureText("gateway")}};
  }
  absl::Status Read(uint32_t parts) {
    std::optional<absl::Status> result;
    asio::co_spawn(loop_, Store(parts, result), asio::detached);
    EXPECT_TRUE(RunUntil(loop_, [&] { return result.has_value(); }));
    return result.value_or(absl::UnknownError("no end"));
  }
  asio::awaitable<void> Store(uint32_t parts, std::optional<absl::Status>& result) {
    result = co_await reader_.Read(parts);
  }

  std::map<std::string, std::string> answers_;
  asio::io_context loop_;
  TemporaryDirectory directory_;
  std::string socket_ = directory_.path() + "/docker.sock";
  FakeDocker server_{loop_, socket_, [this](const std::string& target) {
                       const auto found = answers_.find(target);
                       return found == answers_.end() ? Refuse(404, "not found") : Ok(found->second);
                     }};
  DockerClient client_{loop_.get_executor(), socket_};
  DockerReader reader_{client_};
};

TEST_F(DockerReaderTest, ReadsEverything) {
  const absl::Status status = Read(kEveryPart);
  ASSERT_TRUE(status.ok()) << status;
  const Classic classic;
  const DockerSnapshot& snapshot = reader_.snapshot();
  EXPECT_EQ(snapshot.ingress, classic.docker.ingress);
  EXPECT_EQ(snapshot.gateway_network, classic.docker.gateway_network);
  EXPECT_EQ(snapshot.services, classic.docker.services);
  EXPECT_EQ(snapshot.tasks, classic.docker.tasks);
  EXPECT_EQ(snapshot.nodes, classic.docker.nodes);
}

TEST_F(DockerReaderTest, ANetworkThatIsGoneIsNoError) {
  ASSERT_TRUE(Read(kEveryPart).ok());
  answers_.erase("/networks/docker_gwbridge");
  answers_.erase("/networks/ohyl83iizlsu1tz7v9fswd3nw");
  const absl::Status status = Read(kEveryPart);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_FALSE(reader_.snapshot().ingress);
  EXPECT_FALSE(reader_.snapshot().gateway_network);
  // And it may come back with the same answer as before.
  answers_["/networks/ohyl83iizlsu1tz7v9fswd3nw"] = FixtureText("ingress");
  ASSERT_TRUE(Read(kIngressPart).ok());
  EXPECT_TRUE(reader_.snapshot().ingress);
}

TEST_F(DockerReaderTest, AnErrorLeavesWhatWasKnown) {
  ASSERT_TRUE(Read(kEveryPart).ok());
  const auto tasks = reader_.snapshot().tasks;
  for (const char* bad : {"", "<html>", "[{"}) {
    answers_["/tasks"] = bad;
    const absl::Status status = Read(kTasksPart);
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_EQ(reader_.snapshot().tasks, tasks);
  }
  answers_["/tasks"] = "[]";
  ASSERT_TRUE(Read(kTasksPart).ok());
  EXPECT_TRUE(reader_.snapshot().tasks.empty());
}

TEST_F(DockerReaderTest, KeepsARemovedServiceWhileItsTasksRun) {
  ASSERT_TRUE(Read(kEveryPart).ok());
  answers_["/services"] = "[]";
  ASSERT_TRUE(Read(kServicesPart | kTasksPart).ok());
  EXPECT_TRUE(reader_.snapshot().services.empty());
  ASSERT_EQ(reader_.snapshot().removed_services.size(), 1u);
  EXPECT_EQ(reader_.snapshot().removed_services[0].name, "web");
  answers_["/tasks"] = "[]";
  ASSERT_TRUE(Read(kTasksPart).ok());
  EXPECT_TRUE(reader_.snapshot().removed_services.empty());
}

TEST_F(DockerReaderTest, AServiceThatComesBackIsNotRemoved) {
  ASSERT_TRUE(Read(kEveryPart).ok());
  const std::string services = std::exchange(answers_["/services"], "[]");
  ASSERT_TRUE(Read(kServicesPart).ok());
  answers_["/services"] = services;
  ASSERT_TRUE(Read(kServicesPart).ok());
  EXPECT_TRUE(reader_.snapshot().removed_services.empty());
  EXPECT_EQ(reader_.snapshot().services.size(), 1u);
}

TEST_F(DockerReaderTest, RemembersTheDeadUntilTheirTasksSaySo) {
  ASSERT_TRUE(Read(kEveryPart).ok());
  reader_.SetInfo(Classic().docker.info);
  const std::string container = Classic().local().container_id;
  const DockerReader::Time death{};
  ASSERT_EQ(reader_.LocalTasks().size(), 1u);
  reader_.ContainerDied(container, death);
  EXPECT_TRUE(reader_.LocalTasks().empty());
  // However long Docker takes.
  reader_.ForgetDead(death + std::chrono::hours(1));
  EXPECT_TRUE(reader_.snapshot().dead_containers.contains(container));
  answers_["/tasks"] = "[]";
  ASSERT_TRUE(Read(kTasksPart).ok());
  // The task that says "running" may still be on its way.
  reader_.ForgetDead(death + std::chrono::seconds(1));
  EXPECT_TRUE(reader_.snapshot().dead_containers.contains(container));
  reader_.ForgetDead(death + std::chrono::hours(1));
  EXPECT_FALSE(reader_.snapshot().dead_containers.contains(container));
}

TEST_F(DockerReaderTest, AContainerStartedAgainLives) {
  reader_.ContainerDied("c", {});
  reader_.ContainerStarted("c");
  EXPECT_TRUE(reader_.snapshot().dead_containers.empty());
}

TEST_F(DockerReaderTest, DerivesTheTunnelsSecretAndForgetsTheToken) {
  ASSERT_TRUE(Read(kEveryPart).ok());
  EXPECT_EQ(reader_.snapshot().tunnel_secret, "") << "without an answer there is none";
  answers_["/swarm"] = R"({"ID":"cluster-1","JoinTokens":{"Worker":"SWMTKN-1-w","Manager":"SWMTKN-1-m"}})";
  ASSERT_TRUE(Read(kNodesPart).ok());
  EXPECT_EQ(reader_.snapshot().tunnel_secret, TunnelSecret("cluster-1", "SWMTKN-1-w"));
  answers_["/swarm"] = R"({"ID":"cluster-1","JoinTokens":{"Worker":"SWMTKN-1-x","Manager":"SWMTKN-1-m"}})";
  ASSERT_TRUE(Read(kNodesPart).ok());
  EXPECT_EQ(reader_.snapshot().tunnel_secret, TunnelSecret("cluster-1", "SWMTKN-1-x"));
}

}  // namespace
}  // namespace xlb
