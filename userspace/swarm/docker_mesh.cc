#include "swarm/docker_mesh.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace xlb {
namespace {

constexpr char kIngressChain[] = "DOCKER-INGRESS";
constexpr char kNftTable[] = "docker-bridges";

// "28.0.1", "28.0.1-rc.1", "29.8": numbers that compare as versions do. All zero: no version.
std::array<int, 3> ParseVersion(std::string_view text) {
  std::array<int, 3> version{};
  for (int& part : version) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), part);
    if (error != std::errc()) break;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (!text.starts_with('.')) break;
    text.remove_prefix(1);
  }
  return version;
}

char GenerationOfVersion(const std::string& text) {
  const auto version = ParseVersion(text);
  if (version[0] == 0) return '?';
  if (version < std::array{28, 0, 1}) return 'A';
  return version < std::array{29, 8, 0} ? 'B' : 'C';
}

bool Jumps(const FirewallRules& rules, const char* table, const char* from, const char* to) {
  const auto chain = rules.ChainRules(table, from);
  return std::any_of(chain.begin(), chain.end(), [to](const FirewallRule& rule) { return rule.target == to; });
}

// A DNAT rule of the chain whose destination is the sandbox: "172.18.0.2:8080".
bool MapsToSandbox(const MeshFacts& facts, const char* chain) {
  for (const FirewallRule& rule : facts.rules.ChainRules("nat", chain)) {
    if (rule.target != "DNAT") continue;
    const std::string_view destination = rule.Option("--to-destination");
    const auto address = Ipv4::Parse(destination.substr(0, destination.find(':')));
    if (address && facts.sandbox_addresses.contains(*address)) return true;
  }
  return false;
}

std::string_view MadeOf(char generation) {
  switch (generation) {
    case 'A':
    case 'B':
      return " (IPVS, iptables)";
    case 'C':
      return " (IPVS, port mapping)";
    case 'D':
      return " (nftables)";
    default:
      return "";
  }
}

// What of the host's rules a packet needs and does not find; empty: all is there.
std::string MissingRules(const MeshFacts& facts, char generation) {
  const char* const restart = "a restart of dockerd brings it back";
  if (generation == 'D') return "";
  if (generation == 'C') {
    if (!Jumps(facts.rules, "nat", "PREROUTING", "DOCKER")) return fmt::format("its rules are gone, {}", restart);
    return MapsToSandbox(facts, "DOCKER") ? "" : fmt::format("it maps no port, {}", restart);
  }
  if (!MapsToSandbox(facts, kIngressChain) || !Jumps(facts.rules, "nat", "PREROUTING", kIngressChain)) {
    return fmt::format("its rules in the table nat are gone, {}", restart);
  }
  const char* const forward = generation == 'A' ? "FORWARD" : "DOCKER-FORWARD";
  if (!Jumps(facts.rules, "filter", forward, kIngressChain)) {
    return fmt::format("its rules in the table filter are gone, {}", restart);
  }
  return "";
}

std::string StateOf(const MeshFacts& facts, char generation) {
  if (!facts.has_sandbox) return "dead: this node has no ingress sandbox";
  const bool mapped = MapsToSandbox(facts, kIngressChain) || MapsToSandbox(facts, "DOCKER");
  // dockerd loads IPVS for the first published port.
  if (!facts.publishes && !mapped && generation != 'D') return "idle: nothing is published";
  if (!facts.has_ipvs && generation != 'D') return "dead: the kernel has no IPVS, xlb is the whole mesh";
  if (!facts.rules_unknown.empty()) return fmt::format("not known to be alive: {}", facts.rules_unknown);
  const std::string missing = MissingRules(facts, generation);
  return missing.empty() ? "alive" : fmt::format("dead: {}", missing);
}

}  // namespace

char MeshGeneration(const MeshFacts& facts) {
  if (facts.nft_tables.contains(kNftTable)) return 'D';
  if (Jumps(facts.rules, "filter", "FORWARD", kIngressChain)) return 'A';
  if (Jumps(facts.rules, "filter", "DOCKER-FORWARD", kIngressChain)) return 'B';
  if (MapsToSandbox(facts, "DOCKER")) return 'C';
  return GenerationOfVersion(facts.server_version);
}

std::string DescribeDockerMesh(const MeshFacts& facts) {
  if (!facts.in_swarm) return "none: this node is in no swarm";
  const char generation = MeshGeneration(facts);
  const std::string name =
      generation == '?' ? "of unknown generation" : fmt::format("generation {}{}", generation, MadeOf(generation));
  return fmt::format("{}, {}", name, StateOf(facts, generation));
}

}  // namespace xlb
