#include "peer/document.h"

#include <fmt/core.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <iterator>
#include <utility>
#include <vector>

#include "docker/json.h"
#include "docker/readers.h"

namespace xlb {
namespace {

namespace json = boost::json;

constexpr std::string_view kLabelPrefix = "xlb.";

// The writers take values apart by structured bindings: a member that is added to a type and forgotten here, and which
// workers would then do without, does not compile.
json::object Write(const PublishedPort& port);
json::object Write(const SwarmService& service);
json::object Write(const NetworkAttachment& attachment);
json::object Write(const SwarmTask& task);
json::object Write(const SwarmNode& node);

std::string HexOf(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// Empty when it is none.
std::string FromHex(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned char byte = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc() || end != text.data() + i + 2) return {};
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

template <typename Value>
json::array WriteList(const std::vector<Value>& values) {
  json::array list;
  list.reserve(values.size());
  for (const Value& value : values) list.push_back(Write(value));
  return list;
}

json::object Write(const PublishedPort& port) {
  const auto& [protocol, target, published, mode] = port;
  return {{"protocol", protocol}, {"target", target}, {"published", published}, {"mode", mode}};
}

json::object Write(const SwarmService& service) {
  const auto& [id, name, global, labels, ports, has_previous, previous_ports, update_state, update_started_ns,
               updated_ns] = service;
  json::object label_object;
  for (const auto& [key, value] : labels) label_object[key] = value;
  return {{"id", id},
          {"name", name},
          {"global", global},
          {"labels", std::move(label_object)},
          {"ports", WriteList(ports)},
          {"has_previous", has_previous},
          {"previous_ports", WriteList(previous_ports)},
          {"update_state", update_state},
          {"update_started_ns", update_started_ns},
          {"updated_ns", updated_ns}};
}

json::object Write(const NetworkAttachment& attachment) {
  const auto& [network_id, address] = attachment;
  return {{"network_id", network_id}, {"address", address.ToString()}};
}

json::object Write(const SwarmTask& task) {
  const auto& [id, service_id, node_id, slot, state, desired_state, container_id, created_ns, networks] = task;
  return {{"id", id},
          {"service_id", service_id},
          {"node_id", node_id},
          {"slot", slot},
          {"state", state},
          {"desired_state", desired_state},
          {"container_id", container_id},
          {"created_ns", created_ns},
          {"networks", WriteList(networks)}};
}

json::object Write(const SwarmNode& node) {
  const auto& [id, hostname, role, state, address] = node;
  return {{"id", id}, {"hostname", hostname}, {"role", role}, {"state", state}, {"address", address.ToString()}};
}

json::object Write(const SwarmFacts& facts) {
  const auto& [services, removed_services, tasks, nodes, tunnel_secret] = facts;
  return {{"services", WriteList(services)},
          {"removed_services", WriteList(removed_services)},
          {"tasks", WriteList(tasks)},
          {"nodes", WriteList(nodes)},
          {"tunnel_secret", HexOf(tunnel_secret)}};
}

template <typename Value>
std::vector<Value> ReadList(JsonReader list, Value (*read)(JsonReader)) {
  std::vector<Value> values;
  list.ForEach([&](JsonReader entry) { values.push_back(read(entry)); });
  return values;
}

PublishedPort ReadPort(JsonReader entry) {
  return {entry["protocol"].String(), entry["target"].Port(), entry["published"].Port(), entry["mode"].String()};
}

SwarmService ReadService(JsonReader entry) {
  SwarmService service;
  service.id = entry["id"].String();
  service.name = entry["name"].String();
  service.global = entry["global"].Bool();
  entry["labels"].ForEachMember(
      [&](std::string_view key, JsonReader value) { service.labels[std::string(key)] = value.String(); });
  service.ports = ReadList(entry["ports"], &ReadPort);
  service.has_previous = entry["has_previous"].Bool();
  service.previous_ports = ReadList(entry["previous_ports"], &ReadPort);
  service.update_state = entry["update_state"].String();
  service.update_started_ns = entry["update_started_ns"].Int();
  service.updated_ns = entry["updated_ns"].Int();
  return service;
}

NetworkAttachment ReadAttachment(JsonReader entry) {
  return {entry["network_id"].String(), entry["address"].Address()};
}

SwarmTask ReadTask(JsonReader entry) {
  SwarmTask task;
  task.id = entry["id"].String();
  task.service_id = entry["service_id"].String();
  task.node_id = entry["node_id"].String();
  task.slot = static_cast<uint64_t>(std::max<int64_t>(entry["slot"].Int(), 0));
  task.state = entry["state"].String();
  task.desired_state = entry["desired_state"].String();
  task.container_id = entry["container_id"].String();
  task.created_ns = entry["created_ns"].Int();
  task.networks = ReadList(entry["networks"], &ReadAttachment);
  return task;
}

SwarmNode ReadNode(JsonReader entry) {
  return {entry["id"].String(), entry["hostname"].String(), entry["role"].String(), entry["state"].String(),
          entry["address"].Address()};
}

bool IsOnIngress(const SwarmService& service) {
  const auto on_ingress = [](const PublishedPort& port) { return port.mode == "ingress"; };
  return std::any_of(service.ports.begin(), service.ports.end(), on_ingress) ||
         std::any_of(service.previous_ports.begin(), service.previous_ports.end(), on_ingress);
}

std::vector<SwarmService> ServicesForPeers(const std::vector<SwarmService>& services) {
  std::vector<SwarmService> chosen;
  std::copy_if(services.begin(), services.end(), std::back_inserter(chosen), IsOnIngress);
  for (SwarmService& service : chosen) {
    std::erase_if(service.labels, [](const auto& label) { return !label.first.starts_with(kLabelPrefix); });
  }
  return chosen;
}

bool IsOver(const SwarmTask& task) {
  static const std::set<std::string_view> kEnds = {"complete", "shutdown", "failed", "rejected", "remove", "orphaned"};
  return kEnds.contains(task.state);
}

std::string HashOf(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return HexOf({reinterpret_cast<const char*>(digest.data()), 16});
}

}  // namespace

SwarmFacts FactsForPeers(const SwarmFacts& facts, const std::set<std::string>& dead_containers) {
  SwarmFacts chosen;
  chosen.services = ServicesForPeers(facts.services);
  chosen.removed_services = ServicesForPeers(facts.removed_services);
  chosen.nodes = facts.nodes;
  chosen.tunnel_secret = facts.tunnel_secret;
  std::set<std::string_view> ids;
  for (const auto* services : {&chosen.services, &chosen.removed_services}) {
    for (const SwarmService& service : *services) ids.insert(service.id);
  }
  for (const SwarmTask& task : facts.tasks) {
    if (!ids.contains(task.service_id) || IsOver(task) || dead_containers.contains(task.container_id)) continue;
    chosen.tasks.push_back(task);
  }
  return chosen;
}

WrittenDocument WriteDocument(const SwarmFacts& facts) {
  json::object document = Write(facts);
  document["version"] = kPeerDocumentVersion;
  WrittenDocument written;
  written.hash = HashOf(json::serialize(document));
  document["hash"] = written.hash;
  written.text = json::serialize(document);
  return written;
}

absl::StatusOr<PeerDocument> ReadDocument(std::string_view text) {
  XLB_ASSIGN_OR_RETURN(const json::value value, ParseJson(text));
  const JsonReader reader(value);
  if (!reader["version"].exists()) return absl::DataLossError("it is not what xlbd tells its peers");
  if (const int64_t version = reader["version"].Int(); version != kPeerDocumentVersion) {
    return absl::UnimplementedError(fmt::format(
        "the manager's xlbd speaks version {} and this one {}: upgrade the older one", version, kPeerDocumentVersion));
  }
  PeerDocument document;
  document.hash = reader["hash"].String();
  document.facts.services = ReadList(reader["services"], &ReadService);
  document.facts.removed_services = ReadList(reader["removed_services"], &ReadService);
  document.facts.tasks = ReadList(reader["tasks"], &ReadTask);
  document.facts.nodes = ReadList(reader["nodes"], &ReadNode);
  document.facts.tunnel_secret = FromHex(reader["tunnel_secret"].String());
  return document;
}

}  // namespace xlb
