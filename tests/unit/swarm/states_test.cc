// Which tasks get flows: states, nodes, updates, removals.
#include <gtest/gtest.h>

#include "unit/swarm/classic.h"

namespace xlb {
namespace {

std::string WebBackends(const Classic& swarm) { return Backends(ServiceAt(swarm.View(), "tcp/*:8091")); }

TEST(TaskStateTest, RunningAndWantedIsActive) {
  Classic swarm;
  EXPECT_EQ(WebBackends(swarm), "web.1 active vxlan, web.2 active local");
  swarm.remote().desired_state = "complete";  // a job's
  EXPECT_EQ(WebBackends(swarm), "web.1 active vxlan, web.2 active local");
}

TEST(TaskStateTest, RunningAndNotWantedDrains) {
  for (const char* desired : {"shutdown", "remove"}) {
    Classic swarm;
    swarm.remote().desired_state = swarm.local().desired_state = desired;
    EXPECT_EQ(WebBackends(swarm), "web.1 draining vxlan, web.2 draining local") << desired;
  }
}

TEST(TaskStateTest, NotRunningIsAbsent) {
  for (const char* state : {"new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "complete",
                            "shutdown", "failed", "rejected", "orphaned", "remove", "", "anything"}) {
    Classic swarm;
    swarm.remote().state = state;
    EXPECT_EQ(WebBackends(swarm), "web.2 active local") << state;
  }
}

TEST(TaskStateTest, WantedForSomethingElseIsAbsent) {
  Classic swarm;
  swarm.remote().desired_state = "ready";
  EXPECT_EQ(WebBackends(swarm), "web.2 active local");
}

TEST(TaskStateTest, ANodeThatIsDownTakesItsTasksDown) {
  Classic swarm;
  swarm.docker.nodes[1].state = "down";
  EXPECT_EQ(WebBackends(swarm), "web.1 down vxlan, web.2 active local");
  swarm.remote().desired_state = "shutdown";
  EXPECT_EQ(WebBackends(swarm), "web.1 down vxlan, web.2 active local");
  // A new leader does not know yet.
  swarm = Classic();
  swarm.docker.nodes[1].state = "unknown";
  EXPECT_EQ(WebBackends(swarm), "web.1 active vxlan, web.2 active local");
}

TEST(TaskStateTest, AContainerThatDiedIsAbsentAtOnce) {
  Classic swarm;
  swarm.docker.dead_containers.insert(swarm.local().container_id);
  const Service service = ServiceAt(swarm.View(), "tcp/*:8091");
  EXPECT_EQ(Backends(service), "web.1 active vxlan");
  EXPECT_TRUE(service.unreachable.empty());
}

TEST(RemovedServiceTest, ItsTasksDrain) {
  Classic swarm;
  swarm.docker.removed_services = std::move(swarm.docker.services);
  swarm.docker.services.clear();
  EXPECT_EQ(WebBackends(swarm), "web.1 draining vxlan, web.2 draining local");
}

TEST(RemovedServiceTest, APortPublishedAnewBelongsToItsNewService) {
  Classic swarm;
  swarm.docker.removed_services = {swarm.web()};
  swarm.web().id = "new";
  swarm.web().name = "shop";
  swarm.web().ports = {{"tcp", 8080, 8091, "ingress"}};
  swarm.remote().service_id = "new";
  const Service service = ServiceAt(swarm.View(), "tcp/*:8091");
  EXPECT_EQ(service.name, "shop");
  EXPECT_EQ(Backends(service), "shop.1 active vxlan, web.2 draining local");
}

// `docker service update --publish-add 8096:9000` and a change of 8091's target to 8080: task 1 is of before, task 2
// new.
class PortUpdateTest : public ::testing::Test {
 protected:
  PortUpdateTest() {
    SwarmService& web = swarm_.web();
    web.has_previous = true;
    web.previous_ports = web.ports;
    web.ports[0].target = 8080;
    web.ports.push_back({"tcp", 9000, 8096, "ingress"});
    web.update_state = "updating";
    web.update_started_ns = swarm_.remote().created_ns + 1'000'000'000;
    web.updated_ns = web.update_started_ns + 1000;
    swarm_.local().created_ns = web.update_started_ns + 500;
  }
  std::string At(const char* frontend) { return Backends(ServiceAt(swarm_.View(), frontend)); }
  Classic swarm_;
};

TEST_F(PortUpdateTest, OldTasksDoNotKnowTheNewPort) {
  EXPECT_EQ(At("tcp/*:8096"), "web.2 active local");
  EXPECT_EQ(At("tcp/*:8091"), "web.1 active vxlan, web.2 active local");
}

TEST_F(PortUpdateTest, OldTasksKeepTheirTargetPort) {
  std::swap(swarm_.local().created_ns, swarm_.remote().created_ns);
  const Service service = ServiceAt(swarm_.View(), "tcp/*:8091");
  ASSERT_EQ(service.backends.size(), 2u);
  EXPECT_EQ(service.backends[1].reach.port, 80);
  EXPECT_EQ(At("tcp/*:8096"), "web.1 active vxlan");
}

TEST_F(PortUpdateTest, AfterwardsEveryTaskKnowsEveryPort) {
  for (const char* state : {"completed", "rollback_completed"}) {
    swarm_.web().update_state = state;
    EXPECT_EQ(At("tcp/*:8096"), "web.1 active vxlan, web.2 active local") << state;
  }
}

TEST_F(PortUpdateTest, AnUpdateOfWhichNoStartIsKnown) {
  swarm_.web().update_state.clear();
  swarm_.web().update_started_ns = 0;
  EXPECT_EQ(At("tcp/*:8096"), "");
  EXPECT_EQ(At("tcp/*:8091"), "web.1 active vxlan, web.2 active local");
}

TEST_F(PortUpdateTest, APortThatDockerChoseIsKnownByItsTarget) {
  swarm_.web().previous_ports[1].published = 0;
  EXPECT_EQ(At("tcp/*:8092"), "web.1 active vxlan, web.2 active local");
}

// `--publish-rm`: task 1, of before, has connections at the port that is gone.
TEST_F(PortUpdateTest, ARemovedPortDrainsWithTheTasksFromBefore) {
  swarm_.web().ports.erase(swarm_.web().ports.begin());
  for (const char* state : {"updating", "completed"}) {
    swarm_.web().update_state = state;
    const Service service = ServiceAt(swarm_.View(), "tcp/*:8091");
    EXPECT_EQ(Backends(service), "web.1 draining vxlan") << state;
    EXPECT_EQ(service.backends[0].reach.port, 0) << "its namespace still maps the port";
  }
  swarm_.remote().state = "shutdown";
  for (const Service& service : swarm_.View().services) EXPECT_NE(service.frontend.ToString(), "tcp/*:8091");
}

TEST_F(PortUpdateTest, ARemovedPortThatAnotherServiceHasNowDrainsThere) {
  swarm_.web().ports.erase(swarm_.web().ports.begin());
  SwarmService other = swarm_.web();
  other.id = "other";
  other.name = "other";
  other.has_previous = false;
  other.ports = {{"tcp", 80, 8091, "ingress"}};
  swarm_.docker.services.push_back(other);
  swarm_.local().service_id = "other";
  const Service service = ServiceAt(swarm_.View(), "tcp/*:8091");
  EXPECT_EQ(service.name, "other");
  EXPECT_EQ(Backends(service), "other.2 active local, web.1 draining vxlan");
}

}  // namespace
}  // namespace xlb
