#include "docker/readers.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cstdint>
#include <cstdio>
#include <tuple>
#include <utility>

#include "docker/json.h"

namespace xlb {
namespace {

std::map<std::string, std::string> ReadStrings(JsonReader object) {
  std::map<std::string, std::string> strings;
  object.ForEachMember([&](std::string_view key, JsonReader value) { strings[std::string(key)] = value.String(); });
  return strings;
}

std::vector<PublishedPort> ReadPorts(JsonReader list) {
  std::vector<PublishedPort> ports;
  list.ForEach([&](JsonReader entry) {
    PublishedPort port;
    port.protocol = entry["Protocol"].String();
    port.target = entry["TargetPort"].Port();
    port.published = entry["PublishedPort"].Port();
    port.mode = entry["PublishMode"].String();
    // Docker leaves out what has its default value.
    if (port.protocol.empty()) port.protocol = "tcp";
    if (port.mode.empty()) port.mode = "ingress";
    ports.push_back(std::move(port));
  });
  return ports;
}

// A list's entries that have an id.
template <typename Value>
std::vector<Value> ReadList(const boost::json::value& json, Value (*read)(JsonReader)) {
  std::vector<Value> values;
  JsonReader(json).ForEach([&](JsonReader entry) {
    Value value = read(entry);
    if (!value.id.empty()) values.push_back(std::move(value));
  });
  return values;
}

DockerNetwork ReadNetworkEntry(JsonReader json) {
  DockerNetwork network;
  network.id = json["Id"].String();
  network.name = json["Name"].String();
  network.driver = json["Driver"].String();
  network.ingress = json["Ingress"].Bool();
  network.options = ReadStrings(json["Options"]);
  json["IPAM"]["Config"].ForEach([&](JsonReader config) {
    if (network.subnet.empty() && !config["Subnet"].Address().IsUnset()) network.subnet = config["Subnet"].String();
  });
  json["Containers"].ForEachMember([&](std::string_view id, JsonReader endpoint) {
    network.endpoints[std::string(id)] = NetworkEndpoint{endpoint["Name"].String(), endpoint["MacAddress"].MacAddress(),
                                                         endpoint["IPv4Address"].Address()};
  });
  return network;
}

SwarmService ReadService(JsonReader json) {
  SwarmService service;
  service.id = json["ID"].String();
  const JsonReader spec = json["Spec"];
  service.name = spec["Name"].String();
  service.global = spec["Mode"]["Global"].exists() || spec["Mode"]["GlobalJob"].exists();
  service.labels = ReadStrings(spec["Labels"]);
  service.ports = ReadPorts(json["Endpoint"]["Ports"]);
  service.has_previous = json["PreviousSpec"].exists();
  service.previous_ports = ReadPorts(json["PreviousSpec"]["EndpointSpec"]["Ports"]);
  service.update_state = json["UpdateStatus"]["State"].String();
  service.update_started_ns = json["UpdateStatus"]["StartedAt"].TimeNs();
  service.updated_ns = json["UpdatedAt"].TimeNs();
  return service;
}

SwarmTask ReadTask(JsonReader json) {
  SwarmTask task;
  task.id = json["ID"].String();
  task.service_id = json["ServiceID"].String();
  task.node_id = json["NodeID"].String();
  const int64_t slot = json["Slot"].Int();
  task.slot = slot > 0 ? static_cast<uint64_t>(slot) : 0;
  task.state = json["Status"]["State"].String();
  task.desired_state = json["DesiredState"].String();
  task.container_id = json["Status"]["ContainerStatus"]["ContainerID"].String();
  task.created_ns = json["CreatedAt"].TimeNs();
  json["NetworksAttachments"].ForEach([&](JsonReader entry) {
    NetworkAttachment attachment;
    attachment.network_id = entry["Network"]["ID"].String();
    entry["Addresses"].ForEach([&](JsonReader address) {
      if (attachment.address.IsUnset()) attachment.address = address.Address();
    });
    if (!attachment.network_id.empty()) task.networks.push_back(std::move(attachment));
  });
  return task;
}

// "192.0.2.11:2377" -> "192.0.2.11", "[2001:db8::1]:2377" -> "2001:db8::1".
std::string HostOf(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return host;
}

SwarmNode ReadNode(JsonReader json) {
  SwarmNode node;
  node.id = json["ID"].String();
  node.hostname = json["Description"]["Hostname"].String();
  node.role = json["Spec"]["Role"].String();
  node.state = json["Status"]["State"].String();
  node.address = json["Status"]["Addr"].Address();
  // A leader that did not join by an address is listed with 0.0.0.0; the managers' own list knows better.
  if (node.address.IsUnset())
    node.address = Ipv4::Parse(HostOf(json["ManagerStatus"]["Addr"].String())).value_or(Ipv4{});
  return node;
}

// "Target: 80, Publish: 8091".
GossipPort ReadGossipPort(const std::string& text) {
  unsigned target = 0, published = 0;
  char rest = 0;
  const bool read = std::sscanf(text.c_str(), "Target: %u, Publish: %u%c", &target, &published, &rest) == 2;
  if (!read || target > 65535 || published > 65535) return {};
  return {static_cast<uint16_t>(target), static_cast<uint16_t>(published)};
}

GossipService ReadGossipService(std::string_view name, JsonReader json) {
  GossipService service;
  service.name = std::string(name);
  const int64_t index = json["LocalLBIndex"].Int();
  service.mark = index > 0 && index <= UINT32_MAX ? static_cast<uint32_t>(index) : 0;
  json["Ports"].ForEach([&](JsonReader entry) {
    const GossipPort port = ReadGossipPort(entry.String());
    if (port.published != 0) service.ports.push_back(port);
  });
  json["Tasks"].ForEach([&](JsonReader entry) {
    GossipTask task{entry["Name"].String(), entry["EndpointIP"].Address(), entry["Info"]["Host IP"].Address()};
    if (!task.name.empty() && !task.address.IsUnset()) service.tasks.push_back(std::move(task));
  });
  // Docker gives them in any order, another one each time.
  std::sort(service.ports.begin(), service.ports.end(), [](const GossipPort& a, const GossipPort& b) {
    return std::tie(a.published, a.target) < std::tie(b.published, b.target);
  });
  std::sort(service.tasks.begin(), service.tasks.end(),
            [](const GossipTask& a, const GossipTask& b) { return a.name < b.name; });
  return service;
}

}  // namespace

absl::StatusOr<boost::json::value> ParseJson(std::string_view text) {
  boost::json::error_code error;
  boost::json::value value = boost::json::parse(boost::json::string_view(text.data(), text.size()), error);
  if (error) return absl::DataLossError(error.message());
  return value;
}

DockerVersion ReadVersion(const boost::json::value& value) {
  const JsonReader json(value);
  return DockerVersion{json["Version"].String(), json["ApiVersion"].String(), json["MinAPIVersion"].String()};
}

DockerInfo ReadInfo(const boost::json::value& value) {
  const JsonReader json(value);
  const JsonReader swarm = json["Swarm"];
  DockerInfo info;
  info.name = json["Name"].String();
  info.server_version = json["ServerVersion"].String();
  info.node_id = swarm["NodeID"].String();
  info.node_address = swarm["NodeAddr"].Address();
  info.swarm_state = swarm["LocalNodeState"].String();
  info.swarm_error = swarm["Error"].String();
  info.control_available = swarm["ControlAvailable"].Bool();
  swarm["RemoteManagers"].ForEach([&](JsonReader entry) {
    RemoteManager manager{entry["NodeID"].String(), HostOf(entry["Addr"].String())};
    if (!manager.node_id.empty() && !manager.host.empty()) info.managers.push_back(std::move(manager));
  });
  return info;
}

DockerNetwork ReadNetwork(const boost::json::value& json) { return ReadNetworkEntry(JsonReader(json)); }

std::vector<GossipService> ReadGossip(const boost::json::value& network) {
  std::vector<GossipService> services;
  JsonReader(network)["Services"].ForEachMember(
      [&](std::string_view name, JsonReader service) { services.push_back(ReadGossipService(name, service)); });
  std::sort(services.begin(), services.end(),
            [](const GossipService& a, const GossipService& b) { return a.name < b.name; });
  return services;
}

std::vector<DockerNetwork> ReadNetworks(const boost::json::value& json) { return ReadList(json, &ReadNetworkEntry); }
std::vector<SwarmService> ReadServices(const boost::json::value& json) { return ReadList(json, &ReadService); }
std::vector<SwarmTask> ReadTasks(const boost::json::value& json) { return ReadList(json, &ReadTask); }
std::vector<SwarmNode> ReadNodes(const boost::json::value& json) { return ReadList(json, &ReadNode); }

SwarmIdentity ReadSwarmIdentity(const boost::json::value& json) {
  const JsonReader swarm(json);
  return {swarm["ID"].String(), swarm["JoinTokens"]["Worker"].String()};
}

DockerEvent ReadEvent(const boost::json::value& value) {
  const JsonReader json(value);
  const JsonReader actor = json["Actor"];
  return DockerEvent{json["Type"].String(), json["Action"].String(), actor["ID"].String(),
                     ReadStrings(actor["Attributes"])};
}

std::string ReadErrorMessage(std::string_view body) {
  const auto json = ParseJson(body);
  return json.ok() ? JsonReader(*json)["message"].String() : std::string();
}

}  // namespace xlb
