// What a worker finds out by itself, from what a real engine (20.10) says on one.
#include "swarm/local_facts.h"

#include <gtest/gtest.h>

#include "docker/readers.h"
#include "netfilter/parse.h"
#include "swarm/local_rules.h"
#include "unit/swarm/classic.h"

namespace xlb {
namespace {

constexpr char kVerbose[] = R"({"Name":"ingress","Services":{
  "":{"VIP":"<nil>","Ports":[],"LocalLBIndex":0,"Tasks":[
    {"Name":"ingress-endpoint","EndpointIP":"10.0.0.3","Info":{"Host IP":"192.0.2.11"}}]},
  "web":{"VIP":"10.0.0.5","Ports":["Target: 7000, Publish: 8092","Target: 80, Publish: 8091"],"LocalLBIndex":256,"Tasks":[
    {"Name":"web.2.x342gblr5y0l96hp4pc1v973a","EndpointIP":"10.0.0.6","Info":{"Host IP":"192.0.2.11"}},
    {"Name":"web.1.a0o7i917xjkz1rf66udhy7cwo","EndpointIP":"10.0.0.7","Info":{"Host IP":"192.0.2.12"}}]}}})";

FirewallRules Rules(const char* text) {
  FirewallRules rules;
  rules.parts.push_back({"nft", text, ParseIptablesSave(text)});
  return rules;
}

std::vector<GossipService> Gossip(const char* text) { return ReadGossip(ParseJson(text).value()); }

class LocalFactsTest : public ::testing::Test {
 protected:
  LocalFactsTest() {
    // This node is 192.0.2.12, and web.1 is on it.
    docker_.info.node_id = "here";
    docker_.ingress = DockerNetwork();
    docker_.ingress->id = "ingress-id";
    docker_.ingress->endpoints["container-1"] = {"web.1", {}, Ip("10.0.0.7")};
    local_.services = Gossip(kVerbose);
  }
  LocalFacts Complete() { return CompleteLocally(told_, docker_, local_); }
  static std::string Ports(const SwarmService& service) {
    std::string text;
    for (const PublishedPort& port : service.ports) {
      text += port.protocol + " " + std::to_string(port.published) + ">" + std::to_string(port.target) + ";";
    }
    return text;
  }

  SwarmFacts told_;
  DockerSnapshot docker_;
  LocalKnowledge local_;
};

TEST_F(LocalFactsTest, ReadsWhatTheNodesTellEachOther) {
  const auto services = Gossip(kVerbose);
  ASSERT_EQ(services.size(), 2u);
  EXPECT_EQ(services[1].name, "web");
  EXPECT_EQ(services[1].mark, 256u);
  EXPECT_EQ(services[1].ports, (std::vector<GossipPort>{{80, 8091}, {7000, 8092}}));
  ASSERT_EQ(services[1].tasks.size(), 2u);
  EXPECT_EQ(services[1].tasks[1], (GossipTask{"web.2.x342gblr5y0l96hp4pc1v973a", Ip("10.0.0.6"), Ip("192.0.2.11")}));
  EXPECT_TRUE(Gossip(R"({"Services":{"a":{"Ports":["Target: 1","Target: 1, Publish: 99999",3],"Tasks":[{}]}}})")[0]
                  .ports.empty());
  EXPECT_TRUE(Gossip("[]").empty());
}

TEST_F(LocalFactsTest, GuessesNoProtocol) {
  const LocalFacts made = Complete();
  ASSERT_EQ(made.facts.services.size(), 1u);
  EXPECT_TRUE(made.facts.services[0].ports.empty());
  EXPECT_EQ(made.unknown, (std::vector<std::pair<std::string, uint16_t>>{{"web", 8091}, {"web", 8092}}));
}

TEST_F(LocalFactsTest, ALocalTasksNamespaceKnows) {
  local_.redirected["container-1"] = RedirectedPorts(
      Rules("*nat\n:PREROUTING ACCEPT [0:0]\n"
            "-A PREROUTING -d 10.0.0.7/32 -p tcp -m tcp --dport 8091 -j REDIRECT --to-ports 80\n"
            "-A PREROUTING -d 10.0.0.7/32 -p tcp -m tcp --dport 8092 -j REDIRECT --to-ports 7000\nCOMMIT\n"));
  const LocalFacts made = Complete();
  EXPECT_EQ(Ports(made.facts.services.at(0)), "tcp 8091>80;tcp 8092>7000;");
  EXPECT_TRUE(made.unknown.empty());
}

TEST_F(LocalFactsTest, SoDoTheMarksOfTheMesh) {
  local_.marked =
      MarkedPorts(Rules("*mangle\n:PREROUTING ACCEPT [0:0]\n"
                        "-A PREROUTING -p udp -m udp --dport 8091 -j MARK --set-xmark 0x100/0xffffffff\n"
                        "-A PREROUTING -p tcp -m tcp --dport 8092 -j MARK --set-xmark 0x101/0xffffffff\nCOMMIT\n"));
  const LocalFacts made = Complete();
  // The second one is another service's.
  EXPECT_EQ(Ports(made.facts.services.at(0)), "udp 8091>80;");
  EXPECT_EQ(made.unknown, (std::vector<std::pair<std::string, uint16_t>>{{"web", 8092}}));
}

TEST_F(LocalFactsTest, RulesWithOtherConditionsSayNothing) {
  const FirewallRules rules = Rules(
      "*nat\n:PREROUTING ACCEPT [0:0]\n"
      "-A PREROUTING ! -p tcp -m tcp --dport 8091 -j REDIRECT --to-ports 80\n"
      "-A PREROUTING -p tcp -m tcp --dport 8091:8092 -j REDIRECT --to-ports 80\n"
      "-A PREROUTING -p tcp -m tcp --dport 8091 -m set --match-set a src -j REDIRECT --to-ports 80\n"
      "-A PREROUTING -p tcp -m tcp --dport 8091 -j DNAT --to-destination 10.0.0.7:80\n"
      "-A PREROUTING -p tcp -m tcp --dport 8091 -j REDIRECT --to-ports 80-90\nCOMMIT\n");
  EXPECT_TRUE(RedirectedPorts(rules).empty());
}

// One published port for both protocols is told twice, and known when both are.
TEST_F(LocalFactsTest, BothProtocolsOfAPortMustBeKnown) {
  local_.services[1].ports = {{53, 5353}, {53, 5353}};
  local_.redirected["container-1"] = {{"tcp", 53, 5353, "ingress"}};
  EXPECT_EQ(Complete().unknown.size(), 1u);
  local_.redirected["container-1"].push_back({"udp", 53, 5353, "ingress"});
  EXPECT_TRUE(Complete().unknown.empty());
}

TEST_F(LocalFactsTest, TasksAreWhatAManagerWouldTell) {
  const LocalFacts made = Complete();
  ASSERT_EQ(made.facts.tasks.size(), 2u);
  const SwarmTask& here = made.facts.tasks[0];
  EXPECT_EQ(here.id, "a0o7i917xjkz1rf66udhy7cwo");
  EXPECT_EQ(here.slot, 1u);
  EXPECT_EQ(here.node_id, "here");
  EXPECT_EQ(here.container_id, "container-1");
  const SwarmTask& there = made.facts.tasks[1];
  EXPECT_EQ(there.networks, (std::vector<NetworkAttachment>{{"ingress-id", Ip("10.0.0.6")}}));
  ASSERT_EQ(made.facts.nodes.size(), 1u);
  EXPECT_EQ(made.facts.nodes[0].id, there.node_id);
  EXPECT_EQ(made.facts.nodes[0].address, Ip("192.0.2.11"));
}

TEST_F(LocalFactsTest, AManagersLastWordStandsForWhatIsStillThere) {
  SwarmService web;
  web.id = "service-1";
  web.name = "web";
  web.ports = {{"tcp", 80, 8091, "ingress"}, {"tcp", 7000, 8092, "ingress"}};
  told_.services = {web};
  SwarmTask draining, gone;
  draining.id = "x342gblr5y0l96hp4pc1v973a";
  draining.service_id = gone.service_id = "service-1";
  draining.desired_state = "shutdown";
  gone.id = "gone";
  told_.tasks = {draining, gone};
  told_.nodes = {{"n1", "n1", "worker", "ready", Ip("192.0.2.11")}};
  const LocalFacts made = Complete();
  EXPECT_TRUE(made.unknown.empty());
  ASSERT_EQ(made.facts.tasks.size(), 2u);
  EXPECT_EQ(made.facts.tasks[0].service_id, "service-1");  // a new one
  EXPECT_EQ(made.facts.tasks[0].desired_state, "running");
  EXPECT_EQ(made.facts.tasks[1], draining);
  EXPECT_EQ(made.facts.nodes, told_.nodes);
  // A port that came since, and that nothing here shows.
  local_.services[1].ports.push_back({90, 8099});
  EXPECT_EQ(Complete().unknown, (std::vector<std::pair<std::string, uint16_t>>{{"web", 8099}}));
}

}  // namespace
}  // namespace xlb
