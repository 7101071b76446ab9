// generation-a.save is what iptables-save said on a node of dockerd 20.10.24 under Debian's 6.1; the others say what
// they were written after.
#include "swarm/docker_mesh.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "netfilter/parse.h"

namespace xlb {
namespace {

FirewallRules Read(const std::string& name) {
  const auto text = ReadFile(std::string(XLB_FIXTURES) + "/mesh/" + name + ".save");
  EXPECT_TRUE(text.ok()) << text.status();
  FirewallRules rules;
  if (text.ok()) rules.parts.push_back({"nft", *text, ParseIptablesSave(*text)});
  return rules;
}

// A node whose mesh works.
MeshFacts Node(const std::string& version, FirewallRules rules = {}) {
  MeshFacts facts;
  facts.server_version = version;
  facts.in_swarm = facts.publishes = facts.has_ipvs = facts.has_sandbox = true;
  facts.sandbox_addresses = {*Ipv4::Parse("172.18.0.2"), *Ipv4::Parse("10.0.0.2")};
  facts.rules = std::move(rules);
  return facts;
}

void Remove(FirewallRules& rules, const std::string& table, const std::string& chain, const std::string& target) {
  auto& in = rules.parts[0].dump.tables.at(table).at(chain).rules;
  ASSERT_NE(std::erase_if(in, [&](const FirewallRule& rule) { return rule.target == target; }), 0u);
}

TEST(DockerMeshTest, EachGenerationByItsRules) {
  EXPECT_EQ(DescribeDockerMesh(Node("20.10.24", Read("generation-a"))), "generation A (IPVS, iptables), alive");
  EXPECT_EQ(DescribeDockerMesh(Node("28.3.0", Read("generation-b"))), "generation B (IPVS, iptables), alive");
  EXPECT_EQ(DescribeDockerMesh(Node("29.8.0", Read("generation-c"))), "generation C (IPVS, port mapping), alive");
}

// Distributions backport, and a node may run rules of the engine that it had before its upgrade.
TEST(DockerMeshTest, RulesSayMoreThanTheVersion) {
  EXPECT_EQ(MeshGeneration(Node("29.8.0", Read("generation-a"))), 'A');
  EXPECT_EQ(MeshGeneration(Node("20.10.24", Read("generation-b"))), 'B');
  EXPECT_EQ(MeshGeneration(Node("", Read("generation-c"))), 'C');
}

TEST(DockerMeshTest, WithoutRulesByTheVersion) {
  const std::pair<const char*, char> cases[] = {
      {"20.10.24", 'A'}, {"27.5.1", 'A'}, {"28.0.0", 'A'}, {"28.0.1", 'B'}, {"29.7.1", 'B'},     {"29.8.0", 'C'},
      {"30.0.0", 'C'},   {"29.8", 'C'},   {"", '?'},       {"dev", '?'},    {"28.0.1-rc.1", 'B'}};
  for (const auto& [version, generation] : cases) EXPECT_EQ(MeshGeneration(Node(version)), generation) << version;
}

TEST(DockerMeshTest, NftablesWithoutIpvs) {
  MeshFacts facts = Node("29.9.0");
  facts.has_ipvs = false;
  facts.nft_tables = {"filter", "docker-bridges"};
  EXPECT_EQ(DescribeDockerMesh(facts), "generation D (nftables), alive");
}

// dockerd then says nothing, writes no rule, and no port answers.
TEST(DockerMeshTest, DeadWithoutIpvs) {
  MeshFacts facts = Node("20.10.24");
  facts.has_ipvs = false;
  EXPECT_EQ(DescribeDockerMesh(facts),
            "generation A (IPVS, iptables), dead: the kernel has no IPVS, xlb is the whole mesh");
}

TEST(DockerMeshTest, DeadWhenSomebodyFlushedItsRules) {
  MeshFacts nat = Node("20.10.24", Read("generation-a"));
  nat.rules.parts[0].dump.tables.erase("nat");
  EXPECT_EQ(
      DescribeDockerMesh(nat),
      "generation A (IPVS, iptables), dead: its rules in the table nat are gone, a restart of dockerd brings it back");
  MeshFacts filter = Node("20.10.24", Read("generation-a"));
  Remove(filter.rules, "filter", "FORWARD", "DOCKER-INGRESS");
  EXPECT_EQ(DescribeDockerMesh(filter),
            "generation A (IPVS, iptables), dead: its rules in the table filter are gone, "
            "a restart of dockerd brings it back");
  MeshFacts mapping = Node("29.8.0", Read("generation-c"));
  Remove(mapping.rules, "nat", "PREROUTING", "DOCKER");
  EXPECT_EQ(DescribeDockerMesh(mapping),
            "generation C (IPVS, port mapping), dead: its rules are gone, a restart of dockerd brings it back");
}

// The sandbox of before a restart of dockerd had another address.
TEST(DockerMeshTest, DeadWhenItsRulesLeadElsewhere) {
  MeshFacts facts = Node("20.10.24", Read("generation-a"));
  facts.sandbox_addresses = {*Ipv4::Parse("172.18.0.7")};
  EXPECT_TRUE(DescribeDockerMesh(facts).starts_with("generation A (IPVS, iptables), dead: its rules in the table nat"));
  facts.has_sandbox = false;
  EXPECT_EQ(DescribeDockerMesh(facts), "generation A (IPVS, iptables), dead: this node has no ingress sandbox");
}

// Port mappings of containers are no ingress: their addresses are not the sandbox's.
TEST(DockerMeshTest, PortsOfContainersAreNoMesh) {
  MeshFacts facts = Node("29.8.0", Read("generation-c"));
  facts.sandbox_addresses = {*Ipv4::Parse("172.18.0.9")};
  EXPECT_EQ(DescribeDockerMesh(facts),
            "generation C (IPVS, port mapping), dead: it maps no port, a restart of dockerd brings it back");
}

TEST(DockerMeshTest, IdleUntilAPortIsPublished) {
  MeshFacts facts = Node("20.10.24");
  facts.publishes = facts.has_ipvs = false;
  EXPECT_EQ(DescribeDockerMesh(facts), "generation A (IPVS, iptables), idle: nothing is published");
  // A worker is not told what is published, but sees the rules.
  facts = Node("20.10.24", Read("generation-a"));
  facts.publishes = false;
  EXPECT_EQ(DescribeDockerMesh(facts), "generation A (IPVS, iptables), alive");
}

TEST(DockerMeshTest, SaysWhenTheRulesCannotBeRead) {
  MeshFacts facts = Node("20.10.24");
  facts.rules_unknown = "iptables is not installed";
  EXPECT_EQ(DescribeDockerMesh(facts),
            "generation A (IPVS, iptables), not known to be alive: iptables is not installed");
}

TEST(DockerMeshTest, NoneOutsideASwarm) {
  EXPECT_EQ(DescribeDockerMesh(MeshFacts{}), "none: this node is in no swarm");
}

}  // namespace
}  // namespace xlb
