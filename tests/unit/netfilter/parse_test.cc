// The fixtures are what both programs of iptables 1.8.9 printed of one set of rules.
#include "netfilter/parse.h"

#include <gtest/gtest.h>

#include "base/file.h"

namespace xlb {
namespace {

FirewallRule Rule(const std::string& line) {
  FirewallDump dump = ParseIptablesSave("*filter\n" + line + "\nCOMMIT\n");
  EXPECT_TRUE(dump.problems.empty()) << line;
  EXPECT_EQ(dump.tables["filter"].size(), 1u) << line;
  auto& rules = dump.tables["filter"].begin()->second.rules;
  EXPECT_EQ(rules.size(), 1u) << line;
  return rules.empty() ? FirewallRule{} : rules[0];
}

class FixtureTest : public testing::TestWithParam<const char*> {
 protected:
  FirewallDump Read() {
    const auto text = ReadFile(std::string(XLB_FIXTURES) + "/netfilter/docker-user-" + GetParam() + ".save");
    EXPECT_TRUE(text.ok()) << text.status();
    return text.ok() ? ParseIptablesSave(*text) : FirewallDump{};
  }
};
INSTANTIATE_TEST_SUITE_P(, FixtureTest, testing::Values("nft", "legacy"));

TEST_P(FixtureTest, TablesChainsAndPolicies) {
  const FirewallDump dump = Read();
  EXPECT_TRUE(dump.problems.empty());
  EXPECT_EQ(dump.tables.size(), 4u);
  ASSERT_NE(dump.Chain("filter", "FORWARD"), nullptr);
  EXPECT_EQ(dump.Chain("filter", "FORWARD")->policy, "DROP");
  EXPECT_EQ(dump.Chain("filter", "DOCKER-USER")->policy, "-");
  EXPECT_EQ(dump.Chain("filter", "FORWARD")->rules.size(), 7u);
  EXPECT_EQ(dump.Chain("filter", "FORWARD")->rules[0].target, "DOCKER-USER");
  EXPECT_EQ(dump.Chain("filter", "DOCKER")->rules.size(), 0u);
  EXPECT_EQ(dump.Chain("filter", "PREROUTING"), nullptr);
  EXPECT_EQ(dump.Chain("security", "FORWARD"), nullptr);
}

TEST_P(FixtureTest, WhatDockerWrites) {
  const FirewallDump dump = Read();
  const FirewallRule& dnat = dump.Chain("nat", "DOCKER-INGRESS")->rules.at(0);
  EXPECT_EQ(dnat.target, "DNAT");
  EXPECT_EQ(dnat.Option("--to-destination"), "172.18.0.2:8080");
  const FirewallRule& redirect = dump.Chain("nat", "PREROUTING")->rules.at(1);
  EXPECT_EQ(redirect.protocol->name, "udp");
  EXPECT_EQ(redirect.destination->address.ToString(), "10.0.0.7");
  EXPECT_EQ(redirect.ports, (std::vector<PortMatch>{{PortKind::kDestination, {{5353, 5353}}, false}}));
  EXPECT_EQ(redirect.Option("--to-ports"), "53");
  EXPECT_EQ(redirect.Option("--to-destination"), "");
  const FirewallRule& mark = dump.Chain("mangle", "PREROUTING")->rules.at(1);
  EXPECT_EQ(mark.target, "MARK");
  EXPECT_EQ(mark.Option("--set-xmark"), "0x100/0xffffffff");
  const FirewallRule& replies = dump.Chain("filter", "DOCKER-INGRESS")->rules.at(1);
  EXPECT_EQ(replies.states.at(0).states, (std::vector<std::string>{"RELATED", "ESTABLISHED"}));
  EXPECT_EQ(replies.ports.at(0).kind, PortKind::kSource);
  const FirewallRule& sandbox = dump.Chain("raw", "PREROUTING")->rules.at(0);
  EXPECT_TRUE(sandbox.in->negated);
  EXPECT_EQ(sandbox.in->name, "docker_gwbridge");
}

TEST_P(FixtureTest, WhatUsersWrite) {
  const FirewallDump dump = Read();
  const auto& rules = dump.Chain("filter", "DOCKER-USER")->rules;
  ASSERT_EQ(rules.size(), 13u);
  EXPECT_TRUE(rules[0].states[0].Matches("ESTABLISHED"));
  EXPECT_FALSE(rules[0].states[0].Matches("NEW"));
  EXPECT_EQ(rules[1].comment, "bad \"guys\" -j ACCEPT");
  EXPECT_EQ(rules[1].target, "DROP");
  EXPECT_EQ(rules[1].source->PrefixLength(), 24);
  EXPECT_TRUE(rules[1].source->Matches(*Ipv4::Parse("192.0.2.77")));
  EXPECT_FALSE(rules[1].source->Matches(*Ipv4::Parse("192.0.3.77")));
  EXPECT_TRUE(rules[2].source->negated);
  EXPECT_TRUE(rules[2].ports[0].Matches(1500));
  EXPECT_FALSE(rules[2].ports[0].Matches(81));
  EXPECT_EQ(rules[2].unknown, (std::vector<std::string>{"-m limit --limit 3/min"}));
  EXPECT_EQ(rules[2].Option("--log-prefix"), "who is \"it\"");
  EXPECT_EQ(rules[3].ports[0].kind, PortKind::kOriginalDestination);
  EXPECT_EQ(rules[3].direction, "ORIGINAL");
  EXPECT_TRUE(rules[3].unknown.empty());
  EXPECT_EQ(rules[3].Option("--reject-with"), "icmp-port-unreachable");
  EXPECT_TRUE(rules[4].original_destination->negated);
  EXPECT_FALSE(rules[5].source->PrefixLength().has_value());
  EXPECT_TRUE(rules[5].ports[0].negated);
  EXPECT_EQ(rules[6].unknown, (std::vector<std::string>{"-f"}));
  EXPECT_EQ(rules[7].unknown, (std::vector<std::string>{"-m length --length 0:100"}));
  EXPECT_EQ(rules[7].source_range->range, (AddressRange{0xc0000201, 0xc0000209}));
  EXPECT_EQ(rules[7].target, "DROP");
  EXPECT_TRUE(rules[8].only_syn);
  EXPECT_EQ(rules[8].unknown, (std::vector<std::string>{"-m string --string -j", "-m string --algo bm"}));
  EXPECT_EQ(rules[9].protocol->name, "sctp");
  EXPECT_EQ(rules[10].target, "");
  EXPECT_TRUE(rules[11].is_goto);
  EXPECT_EQ(rules[12].comment, "-j");
  EXPECT_EQ(rules[12].target, "RETURN");
  EXPECT_EQ(rules[12].text, "-A DOCKER-USER -m comment --comment -j -j RETURN");
}

TEST_P(FixtureTest, OtherTables) {
  const FirewallDump dump = Read();
  const FirewallRule& notrack = dump.Chain("raw", "PREROUTING")->rules.at(1);
  EXPECT_EQ(notrack.mark, (MarkMatch{1, 0xff, false}));
  ASSERT_EQ(notrack.address_types.size(), 2u);
  EXPECT_NE(notrack.address_types[0].negated, notrack.address_types[1].negated);
  EXPECT_TRUE(notrack.unknown.empty());
  // A module that decides without any option.
  EXPECT_EQ(dump.Chain("mangle", "PREROUTING")->rules.at(0).unknown, (std::vector<std::string>{"-m socket"}));
}

TEST(ParseIptablesSaveTest, MatchesInFormsThatAreNotKnownAreKept) {
  EXPECT_EQ(Rule("-A X -s 1.2.3.4/33 -j DROP").unknown, (std::vector<std::string>{"-s 1.2.3.4/33"}));
  EXPECT_EQ(Rule("-A X -p tcp -m tcp --dport http -j DROP").unknown, (std::vector<std::string>{"-m tcp --dport http"}));
  EXPECT_EQ(Rule("-A X -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP").unknown.size(), 1u);
  EXPECT_EQ(Rule("-A X -p tcp -m tcp --tcp-flags SYN,RST SYN -j DROP").unknown.size(), 1u);
  EXPECT_EQ(Rule("-A X -m set ! --match-set bad src -j DROP").unknown,
            (std::vector<std::string>{"-m set ! --match-set bad src"}));
  EXPECT_EQ(Rule("-A X -m multiport --dports 1,2,x -j DROP").unknown.size(), 1u);
  EXPECT_EQ(Rule("-A X -m dccp --dport 1 -j DROP").unknown.size(), 1u);
  EXPECT_EQ(Rule("-A X -m conntrack --ctdir ORIGINAL --ctdir REPLY -j DROP").unknown.size(), 1u);
  EXPECT_EQ(Rule("-A X -m conntrack --ctproto 6 -j DROP").unknown.size(), 1u);
  EXPECT_EQ(Rule("-A X -m set --match-set -i eth0 -j DROP").in->name, "eth0");
  EXPECT_EQ(Rule("-A X stray -j DROP").unknown, (std::vector<std::string>{"stray"}));
  EXPECT_EQ(Rule("-A X -j").unknown, (std::vector<std::string>{"-j"}));
}

TEST(ParseIptablesSaveTest, SeveralAtOnce) {
  const FirewallRule rule =
      Rule("[12:345] -A X -i eth+ -p tcp -m tcp --sport 1:9 --dport :1023 -m multiport ! --ports 5,7:8 -j ACCEPT");
  EXPECT_TRUE(rule.in->Matches("eth7"));
  EXPECT_FALSE(rule.in->Matches("ens1"));
  ASSERT_EQ(rule.ports.size(), 3u);
  EXPECT_EQ(rule.ports[1].ranges[0], (PortRange{0, 1023}));
  EXPECT_EQ(rule.ports[2].kind, PortKind::kEither);
  EXPECT_FALSE(rule.ports[2].Matches(8));
  EXPECT_TRUE(rule.ports[2].Matches(6));
  EXPECT_TRUE(rule.text.starts_with("-A X"));
}

TEST(ParseIptablesSaveTest, WhatTheProgramCouldNotPrint) {
  const FirewallDump dump = ParseIptablesSave(
      "# Generated by iptables-nft-save\n# Table `filter' is incompatible, use 'nft' tool.\n*nat\n:X - [0:0]\n"
      "rubbish\nCOMMIT\n-A X -j DROP\n");
  ASSERT_EQ(dump.problems.size(), 3u);
  EXPECT_EQ(dump.problems[0], "Table `filter' is incompatible, use 'nft' tool.");
  EXPECT_EQ(dump.problems[1], "not understood: rubbish");
  EXPECT_TRUE(ParseIptablesSave("").tables.empty());
  EXPECT_TRUE(ParseIptablesSave("\n\n").problems.empty());
}

}  // namespace
}  // namespace xlb
