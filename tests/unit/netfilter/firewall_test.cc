// Rules as a user would write them, and what becomes of clients.
#include "netfilter/firewall.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <random>

#include "netfilter/parse.h"

namespace xlb {
namespace {

constexpr auto kAdmit = FirewallVerdict::kAdmit;
constexpr auto kDeny = FirewallVerdict::kDeny;
constexpr auto kLeave = FirewallVerdict::kLeave;

Ipv4 Ip(std::string_view text) { return *Ipv4::Parse(text); }

FirewallRules Parsed(const std::string& text) {
  FirewallRules rules;
  rules.parts.push_back({"nft", text, ParseIptablesSave(text)});
  EXPECT_TRUE(rules.parts[0].dump.problems.empty()) << text;
  return rules;
}

// As Docker 20.10 sets it up, with these rules in DOCKER-USER.
FirewallRules DockerUser(const std::string& rules) {
  return Parsed("*filter\n:FORWARD DROP\n:DOCKER-USER -\n:DOCKER-INGRESS -\n" + rules +
                "\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-INGRESS\n-A FORWARD -j DROP\n"
                "-A DOCKER-INGRESS -p tcp -m tcp --dport 8080 -j ACCEPT\n-A DOCKER-INGRESS -j RETURN\nCOMMIT\n");
}

FirewallQuestion Web() {
  FirewallQuestion question;
  question.protocol = "tcp";
  question.port = 8080;
  question.devices = {"eth0"};
  question.asked = {Ip("192.0.2.11")};
  question.sandbox = {Ip("172.18.0.2").HostOrder(), Ip("172.18.0.2").HostOrder()};
  return question;
}
FirewallQuestion Living() {
  FirewallQuestion question = Web();
  question.living = true;
  return question;
}

FirewallVerdict Ask(const FirewallRules& rules, std::string_view client, const FirewallQuestion& question = Web()) {
  return AskFirewall(rules, question).verdicts.At(Ip(client).HostOrder());
}

TEST(FirewallTest, DockersOwnRulesAndThePolicyLetEverybodyIn) {
  const FirewallRules rules = DockerUser("-A DOCKER-USER -j RETURN");
  EXPECT_EQ(AskFirewall(rules, Web()).verdicts, AddressMap<FirewallVerdict>(kAdmit));
  EXPECT_EQ(AskFirewall(FirewallRules{}, Web()).verdicts, AddressMap<FirewallVerdict>(kAdmit));
  // Even so where the jumps are gone: the policy, and rules like it, stand behind them.
  for (const char* flushed :
       {"*filter\n:FORWARD DROP\nCOMMIT\n", "*filter\n:FORWARD ACCEPT\n-A FORWARD -j REJECT\nCOMMIT\n"}) {
    EXPECT_EQ(Ask(Parsed(flushed), "192.0.2.50"), kAdmit) << flushed;
  }
  EXPECT_EQ(Ask(Parsed("*filter\n:FORWARD DROP\n-A FORWARD -s 192.0.2.50/32 -j DROP\nCOMMIT\n"), "192.0.2.50"), kDeny);
}

TEST(FirewallTest, TheFirstRuleThatMatchesDecides) {
  const FirewallRules rules = DockerUser(
      "-A DOCKER-USER -s 10.1.0.0/16 -j RETURN\n-A DOCKER-USER -s 10.0.0.0/8 -j DROP\n"
      "-A DOCKER-USER -s 10.1.2.3/32 -j DROP\n-A DOCKER-USER ! -s 192.0.2.0/24 -j ACCEPT\n"
      "-A DOCKER-USER -m iprange --src-range 192.0.2.7-192.0.2.9 -j DROP");
  EXPECT_EQ(Ask(rules, "10.1.2.3"), kAdmit);
  EXPECT_EQ(Ask(rules, "10.2.0.1"), kDeny);
  EXPECT_EQ(Ask(rules, "192.0.2.8"), kDeny);
  EXPECT_EQ(Ask(rules, "192.0.2.10"), kAdmit);
  EXPECT_EQ(Ask(rules, "203.0.113.1"), kAdmit);
}

TEST(FirewallTest, OnlyTheServicesThatARuleNames) {
  const FirewallRules rules = DockerUser(
      "-A DOCKER-USER -s 192.0.2.0/24 -p tcp -m tcp --dport 8080 -j DROP\n"
      "-A DOCKER-USER -s 192.0.2.0/24 -p tcp -m multiport --dports 81,90:99 -j DROP\n"
      "-A DOCKER-USER -s 192.0.2.0/24 -m conntrack --ctorigdstport 53 --ctdir ORIGINAL -j DROP");
  FirewallQuestion question = Web();
  const auto at = [&](std::string protocol, uint16_t port) {
    question.protocol = std::move(protocol);
    question.port = port;
    return Ask(rules, "192.0.2.50", question);
  };
  EXPECT_EQ(at("tcp", 8080), kDeny);
  EXPECT_EQ(at("udp", 8080), kAdmit);
  EXPECT_EQ(at("tcp", 8081), kAdmit);
  EXPECT_EQ(at("tcp", 95), kDeny);
  EXPECT_EQ(at("udp", 53), kDeny);
}

TEST(FirewallTest, BeginningsAndLivingConnections) {
  const FirewallRules rules = DockerUser(
      "-A DOCKER-USER -s 192.0.2.66/32 -j DROP\n-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
      "-A DOCKER-USER -m conntrack --ctstate INVALID -j DROP\n-A DOCKER-USER -s 10.0.0.0/8 -j RETURN\n-A DOCKER-USER "
      "-j DROP");
  EXPECT_EQ(Ask(rules, "192.0.2.66", Living()), kDeny);
  EXPECT_EQ(Ask(rules, "192.0.2.50", Living()), kAdmit);
  EXPECT_EQ(Ask(rules, "192.0.2.50"), kDeny);
  EXPECT_EQ(Ask(rules, "10.0.0.1"), kAdmit);
  const FirewallRules beginnings = DockerUser(
      "-A DOCKER-USER -s 192.0.2.66/32 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP\n"
      "-A DOCKER-USER -s 192.0.2.67/32 -m state --state NEW -j DROP");
  for (const char* client : {"192.0.2.66", "192.0.2.67"}) {
    EXPECT_EQ(Ask(beginnings, client), kDeny);
    EXPECT_EQ(Ask(beginnings, client, Living()), kAdmit);
  }
}

TEST(FirewallTest, ARejectIsTheKernelsToAnswer) {
  const FirewallRules rules = DockerUser("-A DOCKER-USER -s 192.0.2.66/32 -j REJECT --reject-with tcp-reset");
  EXPECT_EQ(Ask(rules, "192.0.2.66"), kLeave);
  EXPECT_EQ(Ask(rules, "192.0.2.67"), kAdmit);
  EXPECT_EQ(AskFirewall(rules, Web()).because.size(), 1u);
}

TEST(FirewallTest, WhatIsNotUnderstoodLeavesWhomItMayMean) {
  const FirewallRules rules = DockerUser(
      "-A DOCKER-USER -s 10.0.0.0/8 -m set --match-set bad src -j DROP\n"
      "-A DOCKER-USER -s 192.0.2.0/24 -m limit --limit 3/min -j LOG\n-A DOCKER-USER -p udp -m set --match-set bad src "
      "-j DROP");
  EXPECT_EQ(Ask(rules, "10.0.0.1"), kLeave);
  EXPECT_EQ(Ask(rules, "192.0.2.1"), kAdmit);
  EXPECT_EQ(AskFirewall(rules, Web()).because,
            (std::set<std::string>{"-A DOCKER-USER -s 10.0.0.0/8 -m set --match-set bad src -j DROP"}));
  for (const char* rule : {"-m mark --mark 0x1 -j DROP", "-m string --string x --algo bm -j DROP", "-j NFQUEUE",
                           "-p tcp -m tcp --sport 1024:2000 -j DROP", "-m addrtype --src-type LOCAL -j DROP",
                           "-s 10.0.0.0/255.0.255.0 -j DROP", "-m socket -j DROP"}) {
    EXPECT_EQ(Ask(DockerUser(fmt::format("-A DOCKER-USER {}", rule)), "10.0.0.1"), kLeave) << rule;
  }
}

TEST(FirewallTest, WhereBothWaysEndTheSameItIsKnown) {
  EXPECT_EQ(
      Ask(DockerUser("-A DOCKER-USER -m set --match-set good src -j ACCEPT\n-A DOCKER-USER -j RETURN"), "10.0.0.1"),
      kAdmit);
  EXPECT_EQ(Ask(DockerUser("-A DOCKER-USER -m set --match-set bad src -j DROP\n-A DOCKER-USER -j DROP"), "10.0.0.1"),
            kDeny);
  EXPECT_EQ(Ask(DockerUser("-A DOCKER-USER -m set --match-set good src -j RETURN\n-A DOCKER-USER -j DROP"), "10.0.0.1"),
            kLeave);
}

TEST(FirewallTest, ChainsOfTheUsersOwn) {
  const FirewallRules rules = DockerUser(
      ":f2b -\n:inner -\n-A DOCKER-USER -p tcp -m multiport --dports 80,8080 -j f2b\n-A DOCKER-USER -s 192.0.2.70/32 "
      "-g inner\n"
      "-A DOCKER-USER -s 192.0.2.71/32 -j DROP\n-A f2b -s 192.0.2.66/32 -j DROP\n-A f2b -s 192.0.2.71/32 -j ACCEPT\n"
      "-A f2b -j RETURN\n-A inner -s 192.0.2.64/26 -j RETURN\n-A inner -j DROP");
  EXPECT_EQ(Ask(rules, "192.0.2.66"), kDeny);
  EXPECT_EQ(Ask(rules, "192.0.2.71"), kAdmit);
  EXPECT_EQ(Ask(rules, "192.0.2.70"), kAdmit);  // -g: back to FORWARD, not to DOCKER-USER
  const FirewallRules loop = DockerUser(":a -\n-A DOCKER-USER -j a\n-A a -s 192.0.2.66/32 -j DROP\n-A a -j a");
  EXPECT_EQ(Ask(loop, "192.0.2.66"), kDeny);
  // It may or may not be entered.
  const FirewallRules maybe = DockerUser(":a -\n-A DOCKER-USER -m mark --mark 0x1 -j a\n-A a -s 192.0.2.66/32 -j DROP");
  EXPECT_EQ(Ask(maybe, "192.0.2.66"), kLeave);
  EXPECT_EQ(Ask(maybe, "192.0.2.67"), kAdmit);
}

TEST(FirewallTest, Devices) {
  const FirewallRules rules = DockerUser(
      "-A DOCKER-USER -i eth0 -s 192.0.2.66/32 -j DROP\n-A DOCKER-USER -o docker0 -j DROP\n"
      "-A DOCKER-USER ! -o docker_gwbridge -j DROP");
  FirewallQuestion question = Web();
  EXPECT_EQ(Ask(rules, "192.0.2.66"), kDeny);
  EXPECT_EQ(Ask(rules, "192.0.2.67"), kAdmit);
  question.devices = {"eth1"};
  EXPECT_EQ(Ask(rules, "192.0.2.66", question), kAdmit);
  question.devices = {"eth0", "eth1"};
  EXPECT_EQ(Ask(rules, "192.0.2.66", question), kLeave);
  EXPECT_EQ(DistinctDevices(rules, {"a", "b", "eth0"}).size(), 2u);
}

TEST(FirewallTest, Destinations) {
  FirewallQuestion question = Web();
  const FirewallRules to_bridge = DockerUser(
      "-A DOCKER-USER -d 172.16.0.0/12 -s 192.0.2.66/32 -j DROP\n"
      "-A DOCKER-USER -d 172.18.0.3/32 -j DROP");
  EXPECT_EQ(Ask(to_bridge, "192.0.2.66"), kDeny);
  EXPECT_EQ(Ask(to_bridge, "192.0.2.67"), kAdmit);
  question.sandbox = {Ip("172.18.0.0").HostOrder(), Ip("172.18.255.255").HostOrder()};
  EXPECT_EQ(Ask(to_bridge, "192.0.2.66", question), kDeny);
  EXPECT_EQ(Ask(to_bridge, "192.0.2.67", question), kLeave);
  const FirewallRules to_node = Parsed(
      "*raw\n:PREROUTING ACCEPT\n-A PREROUTING -d 192.0.2.11/32 -p tcp -m tcp --dport 8080 -j DROP\n"
      "-A PREROUTING -d 172.18.0.2/32 ! -i docker_gwbridge -j DROP\nCOMMIT\n");
  EXPECT_EQ(Ask(to_node, "192.0.2.66"), kDeny);
  question.asked = {Ip("192.0.2.11"), Ip("192.0.2.12")};
  EXPECT_EQ(Ask(to_node, "192.0.2.66", question), kLeave);
  question.asked = {Ip("192.0.2.12")};
  EXPECT_EQ(Ask(to_node, "192.0.2.66", question), kAdmit);
}

TEST(FirewallTest, Prerouting) {
  const FirewallRules rules = Parsed(
      "*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -s 192.0.2.66/32 -j DROP\n-A PREROUTING -s 192.0.2.67/32 -j ACCEPT\n"
      "-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff\nCOMMIT\n"
      "*nat\n:PREROUTING ACCEPT\n:DOCKER-INGRESS -\n-A PREROUTING -s 192.0.2.68/32 -p tcp -m tcp --dport 8080 -j "
      "REDIRECT --to-ports 80\n"
      "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER-INGRESS\n-A PREROUTING -j REDIRECT\nCOMMIT\n");
  EXPECT_EQ(Ask(rules, "192.0.2.66"), kDeny);
  EXPECT_EQ(Ask(rules, "192.0.2.67"), kAdmit);
  EXPECT_EQ(Ask(rules, "192.0.2.68"), kLeave);
  EXPECT_EQ(Ask(rules, "192.0.2.68", Living()), kAdmit);
  EXPECT_EQ(Ask(rules, "192.0.2.69"), kAdmit);
  // Without connection tracking no DNAT: not for xlb to guess.
  EXPECT_EQ(Ask(Parsed("*raw\n:PREROUTING ACCEPT\n-A PREROUTING -p tcp -j NOTRACK\nCOMMIT\n"), "10.0.0.1"), kLeave);
}

TEST(FirewallTest, APacketMustGetThroughBothKindsOfTables) {
  FirewallRules rules = DockerUser("-A DOCKER-USER -s 192.0.2.66/32 -j DROP");
  rules.parts.push_back(DockerUser("-A DOCKER-USER -s 192.0.2.67/32 -j DROP").parts[0]);
  EXPECT_EQ(Ask(rules, "192.0.2.66"), kDeny);
  EXPECT_EQ(Ask(rules, "192.0.2.67"), kDeny);
  EXPECT_EQ(Ask(rules, "192.0.2.68"), kAdmit);
}

// Random rules over sources, against a reader that walks them for one client at a time.
class Naive {
 public:
  explicit Naive(std::mt19937& random) : random_(random) {
    for (int i = 0; i < 12; ++i) {
      Rule rule;
      rule.length = static_cast<int>(random_() % 9) + 24;
      rule.address = (0xc0000200u | (random_() % 256)) & ~((uint64_t{1} << (32 - rule.length)) - 1);
      rule.negated = random_() % 4 == 0;
      rule.port = random_() % 3 == 0 ? 8081 : random_() % 3 == 0 ? 8080 : 0;
      rule.established = random_() % 8 == 0;
      rule.chain = static_cast<int>(random_() % 3);
      const char* targets[] = {"DROP", "ACCEPT", "RETURN", "c1", "c2"};
      // Deeper chains alone, so that there is no loop.
      do {
        rule.target = targets[random_() % 5];
      } while ((rule.chain >= 1 && rule.target == "c1") || (rule.chain == 2 && rule.target == "c2"));
      rules_.push_back(rule);
    }
  }

  std::string Text() const {
    std::string text = ":c1 -\n:c2 -\n";
    const char* chains[] = {"DOCKER-USER", "c1", "c2"};
    for (const Rule& rule : rules_) {
      text += fmt::format("-A {}{} -s {}/{}{}{} -j {}\n", chains[rule.chain], rule.negated ? " !" : "",
                          Ipv4::FromHostOrder(static_cast<uint32_t>(rule.address)).ToString(), rule.length,
                          rule.port != 0 ? fmt::format(" -p tcp -m tcp --dport {}", rule.port) : "",
                          rule.established ? " -m conntrack --ctstate ESTABLISHED" : "", rule.target);
    }
    return text;
  }

  FirewallVerdict Of(uint32_t client, bool living) const {
    const int end = Chain(0, client, living);
    return end == kDropped ? kDeny : kAdmit;
  }

 private:
  struct Rule {
    uint64_t address = 0;
    int length = 0, port = 0, chain = 0;
    bool negated = false, established = false;
    std::string target;
  };
  static constexpr int kBack = 0, kDropped = 1, kAccepted = 2;

  int Chain(int chain, uint32_t client, bool living) const {
    for (const Rule& rule : rules_) {
      if (rule.chain != chain || rule.port == 8081 || (rule.established && !living)) continue;
      const bool inside = (client & ~((uint64_t{1} << (32 - rule.length)) - 1)) == rule.address;
      if (inside == rule.negated) continue;
      if (rule.target == "DROP") return kDropped;
      if (rule.target == "ACCEPT") return kAccepted;
      if (rule.target == "RETURN") return kBack;
      const int end = Chain(rule.target == "c1" ? 1 : 2, client, living);
      if (end != kBack) return end;
    }
    return kBack;
  }

  std::mt19937& random_;
  std::vector<Rule> rules_;
};

TEST(FirewallTest, RandomRulesAgainstANaiveReader) {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    const Naive naive(random);
    const FirewallRules rules = DockerUser(naive.Text());
    for (const bool living : {false, true}) {
      const FirewallAnswer answer = AskFirewall(rules, living ? Living() : Web());
      for (uint32_t client = 0xc00001f0; client < 0xc0000310; ++client) {
        ASSERT_EQ(answer.verdicts.At(client), naive.Of(client, living))
            << naive.Text() << Ipv4::FromHostOrder(client).ToString() << (living ? " living" : "");
      }
      EXPECT_TRUE(answer.because.empty());
    }
  }
}

// A ban list of a usual size is asked about at every port, on the daemon's loop.
TEST(FirewallTest, TenThousandBans) {
  std::string text = ":f2b -\n-A DOCKER-USER -j f2b\n";
  for (uint32_t i = 0; i < 10000; ++i) {
    text += fmt::format("-A f2b -s {}/32 -j DROP\n", Ipv4::FromHostOrder(0x0a000000 + i * 7919).ToString());
  }
  const FirewallRules rules = DockerUser(text);
  const FirewallAnswer answer = AskFirewall(rules, Web());
  EXPECT_EQ(answer.verdicts.runs(), 20001u);
}

}  // namespace
}  // namespace xlb
