// A worker's source, and a manager's that tells it: both against a Docker of their own.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "docker/readers.h"
#include "swarm/swarm_source.h"
#include "unit/docker/fake_docker.h"
#include "unit/peer/authority.h"
#include "unit/swarm/classic.h"

namespace xlb {
namespace {

using std::chrono::milliseconds;

constexpr char kVersion[] = R"({"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12"})";
constexpr char kOverlays[] = "/v1.41/networks?filters=%7B%22driver%22%3A%5B%22overlay%22%5D%7D";
constexpr char kIngress[] = "/v1.41/networks/ohyl83iizlsu1tz7v9fswd3nw";

// One node: its Docker and its source. Nodes have loopback addresses of their own and one port for xlbd.
struct TestNode {
  TestNode(boost::asio::io_context& loop, const Authority& ca, std::string node_id, int number, uint16_t port)
      : loop_(loop), id(std::move(node_id)), address(fmt::format("127.0.0.{}", number)) {
    answers = {{"/version", Ok(kVersion)},
               {kOverlays, Ok(FixtureText("networks"))},
               {kIngress, Ok(FixtureText("ingress"))},
               {"/v1.41/networks/docker_gwbridge", Ok(FixtureText("gateway"))}};
    options.docker_socket = directory.path() + "/docker.sock";
    options.netns_dir = directory.path();
    options.poll_interval = options.role_poll_interval = milliseconds(30);
    options.backoff_min = milliseconds(10);
    options.backoff_max = milliseconds(40);
    options.look_after = options.look_interval = milliseconds(50);
    options.peers.listen = {"0.0.0.0", port};
    options.peers.certificates = directory.path() + "/certificates";
    options.peers.check_every = milliseconds(50);
    options.peers.follower.backoff_min = milliseconds(20);
    options.peers.follower.backoff_max = milliseconds(50);
    options.peers.follower.limits.poll = std::chrono::seconds(1);
    Certify(ca, kWorkerRole);
  }

  void Certify(const Authority& ca, const char* role) {
    ca.Issue({.node_id = id, .role = role}).WriteTo(options.peers.certificates);
  }
  void BeManager(const Authority& ca) {
    Certify(ca, kManagerRole);
    for (const char* name : {"nodes", "services", "tasks"}) {
      answers[std::string("/v1.41/") + name] = Ok(FixtureText(name));
    }
    SetInfo(true, "");
  }
  void BeWorker(const std::string& managers) {
    for (const char* name : {"nodes", "services", "tasks"}) {
      answers[std::string("/v1.41/") + name] = Refuse(503, "This node is not a swarm manager.");
    }
    SetInfo(false, managers);
  }
  void SetInfo(bool manager, const std::string& managers) {
    answers["/v1.41/info"] = Ok(fmt::format(
        R"({{"Name":"x","ServerVersion":"20.10.24","Swarm":{{"NodeID":"{}","NodeAddr":"{}","LocalNodeState":"active",)"
        R"("ControlAvailable":{},"RemoteManagers":[{}]}}}})",
        id, address, manager, managers));
  }
  std::string AsManager() const { return fmt::format(R"({{"NodeID":"{}","Addr":"{}:2377"}})", id, address); }

  void Start() {
    docker.emplace(loop_, options.docker_socket, [this](const std::string& target) {
      if (target.starts_with("/v1.41/events")) return Stream("");
      const auto found = answers.find(target);
      return found == answers.end() ? Refuse(404, "not found") : found->second;
    });
    StartSource();
  }
  void StartSource() {
    source.emplace(loop_.get_executor(), options, nullptr,
                   [this](const std::string& kind, const std::string&, const std::string&) { events.push_back(kind); });
    source->Start();
  }
  const SwarmView& view() const { return source->view(); }
  bool HasWarning(std::string_view part) const {
    return std::any_of(view().warnings.begin(), view().warnings.end(),
                       [&](const std::string& warning) { return warning.find(part) != warning.npos; });
  }

  boost::asio::io_context& loop_;
  std::string id;
  std::string address;
  TemporaryDirectory directory;
  SwarmOptions options;
  std::map<std::string, FakeReply> answers;
  std::optional<FakeDocker> docker;
  std::optional<SwarmSource> source;
  std::vector<std::string> events;
};

class WorkerTest : public ::testing::Test {
 protected:
  WorkerTest() {
    manager_.BeManager(ca_);
    worker_.BeWorker(manager_.AsManager());
  }

  // Below the ports that the kernel gives to clients: a worker that keeps asking for one of those, while nobody listens
  // there, is given that very port in the end, and connects to itself.
  static uint16_t FreePort() {
    static int next = getpid();
    boost::asio::io_context loop;
    for (;;) {
      const auto port = static_cast<uint16_t>(20000 + next++ % 12000);
      boost::asio::ip::tcp::acceptor probe(loop, boost::asio::ip::tcp::v4());
      boost::system::error_code taken;
      probe.bind({boost::asio::ip::tcp::v4(), port}, taken);
      if (!taken) return port;
    }
  }
  bool Until(const std::function<bool()>& done) { return RunUntil(loop_, done); }
  bool UntilFollowed() {
    return Until([this] { return worker_.view().services.size() == 3 && worker_.view().services_known; });
  }
  void RunFor(milliseconds time) {
    loop_.restart();
    loop_.run_for(time);
  }

  boost::asio::io_context loop_;
  Authority ca_;
  const uint16_t port_ = FreePort();
  TestNode manager_{loop_, ca_, kNode0, 1, port_};
  TestNode worker_{loop_, ca_, kNode1, 2, port_};
};

TEST_F(WorkerTest, IsToldByAManager) {
  manager_.Start();
  worker_.Start();
  ASSERT_TRUE(UntilFollowed());
  EXPECT_EQ(worker_.view().role, "worker");
  EXPECT_TRUE(worker_.view().warnings.empty());
  EXPECT_EQ(worker_.source->DescribePeers(),
            fmt::format("follows the manager n0 at 127.0.0.1:{}, last heard 0 s ago", port_));
  EXPECT_EQ(manager_.source->DescribePeers(),
            fmt::format("serves the swarm's nodes at 127.0.0.1:{}, 1 connected", port_));
}

TEST_F(WorkerTest, HearsOfEveryChange) {
  manager_.Start();
  worker_.Start();
  ASSERT_TRUE(UntilFollowed());
  manager_.answers["/v1.41/services"] = Ok("[]");
  manager_.answers["/v1.41/tasks"] = Ok("[]");
  manager_.docker->Push("{\"Type\":\"service\",\"Action\":\"remove\"}\n");
  ASSERT_TRUE(Until([this] { return worker_.view().services.empty(); }));
  EXPECT_TRUE(worker_.view().services_known);
}

TEST_F(WorkerTest, SaysWhatItWaitsFor) {
  worker_.Start();
  ASSERT_TRUE(Until([this] {
    return worker_.view().pending.find("127.0.0.1 refuses the connection: does xlbd run on that manager") !=
           std::string::npos;
  }));
  EXPECT_FALSE(worker_.view().services_known);
  manager_.Start();
  ASSERT_TRUE(UntilFollowed());
}

TEST_F(WorkerTest, NamesThePortsThatItCannotServeByItself) {
  worker_.answers[std::string(kIngress) + "?verbose=true"] =
      Ok(R"({"Services":{"web":{"Ports":["Target: 80, Publish: 8091"],"Tasks":[)"
         R"({"Name":"web.1.t1","EndpointIP":"10.0.0.7","Info":{"Host IP":"192.0.2.12"}}]}}})");
  worker_.Start();
  ASSERT_TRUE(Until([this] { return worker_.HasWarning("web: port 8091 is left to Docker's mesh"); }));
  EXPECT_TRUE(worker_.view().services_known);
  EXPECT_EQ(worker_.view().unknown_ports, std::set<uint16_t>{8091});
  EXPECT_TRUE(worker_.view().services.empty());
  EXPECT_NE(worker_.view().pending.find("no manager's xlbd can be followed"), std::string::npos);
  manager_.Start();
  ASSERT_TRUE(UntilFollowed());
  ASSERT_TRUE(Until([this] { return worker_.view().warnings.empty(); }));
  EXPECT_TRUE(worker_.view().unknown_ports.empty());
}

TEST_F(WorkerTest, LosesTasksThatNobodySeesAnyMoreAndTheirReturnWithTheManager) {
  manager_.Start();
  worker_.Start();
  ASSERT_TRUE(UntilFollowed());
  const auto endpoints = [this] {
    const Service web = ServiceAt(worker_.view(), "tcp/*:8091");
    return web.backends.size() + web.unreachable.size();
  };
  ASSERT_EQ(endpoints(), 2u);
  worker_.answers[std::string(kIngress) + "?verbose=true"] =
      Ok(R"({"Services":{"web":{"Ports":["Target: 80, Publish: 8091"],"Tasks":[)"
         R"({"Name":"web.1.t1","EndpointIP":"10.0.0.9","Info":{"Host IP":"192.0.2.12"}}]}}})");
  manager_.source.reset();
  ASSERT_TRUE(Until([&] { return endpoints() == 1; }));
  manager_.StartSource();
  ASSERT_TRUE(Until([&] { return endpoints() == 2; }));
}

TEST_F(WorkerTest, GoesOnWithWhatItKnowsWhenNobodyTells) {
  manager_.Start();
  worker_.Start();
  ASSERT_TRUE(UntilFollowed());
  manager_.source.reset();
  ASSERT_TRUE(Until([this] { return worker_.HasWarning("what was last known is served"); }));
  EXPECT_EQ(worker_.view().services.size(), 3u);
  EXPECT_TRUE(worker_.view().services_known);
  manager_.StartSource();
  ASSERT_TRUE(Until([this] { return worker_.view().warnings.empty(); }));
}

TEST_F(WorkerTest, AManagerWhoseDockerIsAwayIsNotBelieved) {
  manager_.Start();
  worker_.Start();
  ASSERT_TRUE(UntilFollowed());
  manager_.docker->Stop();
  ASSERT_TRUE(Until([this] { return worker_.HasWarning("this manager's Docker is away"); }));
  EXPECT_EQ(worker_.view().services.size(), 3u);
}

TEST_F(WorkerTest, ChangesSidesWithItsRole) {
  manager_.Start();
  worker_.Start();
  ASSERT_TRUE(UntilFollowed());
  // Both at once: the worker becomes the manager, and the manager a worker.
  worker_.BeManager(ca_);
  manager_.Certify(ca_, kWorkerRole);
  manager_.BeWorker(worker_.AsManager());
  ASSERT_TRUE(Until([this] { return worker_.view().role == "manager" && manager_.view().role == "worker"; }));
  ASSERT_TRUE(Until([this] { return manager_.source->DescribePeers().starts_with("follows the manager n1"); }));
  EXPECT_TRUE(worker_.source->DescribePeers().starts_with("serves the swarm's nodes at 127.0.0.2:"));
  EXPECT_EQ(manager_.view().services.size(), 3u);
}

TEST_F(WorkerTest, AnAutolockedManagerSaysThatItCannotServe) {
  manager_.Start();
  worker_.Start();
  ASSERT_TRUE(UntilFollowed());
  std::ofstream(manager_.options.peers.certificates + "/swarm-node.key", std::ios::trunc)
      << "-----BEGIN ENCRYPTED PRIVATE KEY-----\nkek-version: 9\n\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
  ASSERT_TRUE(Until([this] { return manager_.HasWarning("no worker can follow this manager: "); }));
  EXPECT_TRUE(manager_.HasWarning("autolocked"));
  EXPECT_EQ(manager_.source->DescribePeers(), "serves no other node");
  ASSERT_TRUE(Until([this] { return worker_.HasWarning("what was last known is served"); }));
  // Unlocked for good.
  manager_.Certify(ca_, kManagerRole);
  ASSERT_TRUE(Until([this] { return manager_.view().warnings.empty() && worker_.view().warnings.empty(); }));
}

TEST_F(WorkerTest, ANewCaIsFollowed) {
  manager_.Start();
  worker_.Start();
  ASSERT_TRUE(UntilFollowed());
  const Authority next;
  manager_.Certify(next, kManagerRole);
  worker_.Certify(next, kWorkerRole);
  RunFor(milliseconds(300));
  manager_.answers["/v1.41/services"] = Ok("[]");
  manager_.answers["/v1.41/tasks"] = Ok("[]");
  manager_.docker->Push("{\"Type\":\"service\",\"Action\":\"remove\"}\n");
  ASSERT_TRUE(Until([this] { return worker_.view().services.empty() && worker_.view().warnings.empty(); }));
}

TEST_F(WorkerTest, ANodeThatLeavesTheSwarmForgetsIt) {
  manager_.Start();
  worker_.Start();
  ASSERT_TRUE(UntilFollowed());
  worker_.answers["/v1.41/info"] = Ok(R"({"Name":"x","Swarm":{"LocalNodeState":"inactive","ControlAvailable":false}})");
  ASSERT_TRUE(Until([this] { return worker_.view().role == "none"; }));
  EXPECT_TRUE(worker_.view().services.empty());
  EXPECT_TRUE(worker_.view().services_known);
  EXPECT_EQ(worker_.source->DescribePeers(), "");
}

TEST_F(WorkerTest, ATakenPortIsSaid) {
  boost::asio::io_context other;
  PeerServer squatter(other.get_executor());
  ASSERT_TRUE(squatter.Listen("0.0.0.0", port_).ok());
  manager_.Start();
  ASSERT_TRUE(Until([this] { return manager_.HasWarning("cannot listen on"); }));
  squatter.Close();
  ASSERT_TRUE(Until([this] { return manager_.view().warnings.empty() && manager_.view().services_known; }));
}

}  // namespace
}  // namespace xlb
