#include "docker/readers.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <functional>

#include "base/file.h"

namespace xlb {
namespace {

namespace json = boost::json;

constexpr char kIngressId[] = "ohyl83iizlsu1tz7v9fswd3nw";
constexpr char kLocalContainer[] = "049196537a108a53d205d0439b0ef6090be8910f7df749dd0fbfd1383165fc1c";

Ipv4 Ip(const char* text) { return *Ipv4::Parse(text); }

std::string FixtureText(const std::string& name) {
  return ReadFile(std::string(XLB_FIXTURES) + "/swarm/" + name + ".json").value();
}
json::value Fixture(const std::string& name) { return ParseJson(FixtureText(name)).value(); }

// What dockerd 20.10.24 answered on a manager of a swarm of three.
TEST(ReadersTest, ReadTheRealThing) {
  EXPECT_EQ(ReadVersion(Fixture("version")), (DockerVersion{"20.10.24+dfsg1", "1.41", "1.12"}));

  const DockerInfo info = ReadInfo(Fixture("info"));
  EXPECT_EQ(info.name, "n0");
  EXPECT_EQ(info.node_id, "x9sipksxwwr1q7xg1g7xle69p");
  EXPECT_EQ(info.node_address, Ip("192.0.2.10"));
  EXPECT_EQ(info.swarm_state, "active");
  EXPECT_TRUE(info.control_available);

  const DockerNetwork ingress = ReadNetwork(Fixture("ingress"));
  EXPECT_EQ(ingress.id, kIngressId);
  EXPECT_TRUE(ingress.ingress);
  EXPECT_EQ(ingress.subnet, "10.0.0.0/24");
  EXPECT_EQ(ingress.options.at("com.docker.network.driver.overlay.vxlanid_list"), "4096");
  EXPECT_EQ(ingress.endpoints.at("ingress-sbox"),
            (NetworkEndpoint{"ingress-endpoint", *Mac::Parse("02:42:0a:00:00:02"), Ip("10.0.0.2")}));

  const DockerNetwork gateway = ReadNetwork(Fixture("gateway"));
  EXPECT_EQ(gateway.endpoints.at(kLocalContainer),
            (NetworkEndpoint{"gateway_28ceb29e740d", *Mac::Parse("02:42:ac:12:00:03"), Ip("172.18.0.3")}));

  const auto services = ReadServices(Fixture("services"));
  ASSERT_EQ(services.size(), 1u);
  EXPECT_EQ(services[0].name, "web");
  EXPECT_FALSE(services[0].global);
  EXPECT_FALSE(services[0].has_previous);
  EXPECT_EQ(services[0].updated_ns, 1795398995072750513);
  const std::vector<PublishedPort> ports = {
      {"tcp", 80, 8091, "ingress"}, {"tcp", 7000, 8092, "ingress"}, {"udp", 5353, 8093, "ingress"}};
  EXPECT_EQ(services[0].ports, ports);

  const auto tasks = ReadTasks(Fixture("tasks"));
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[1].slot, 2u);
  EXPECT_EQ(tasks[1].state, "running");
  EXPECT_EQ(tasks[1].desired_state, "running");
  EXPECT_EQ(tasks[1].container_id, kLocalContainer);
  EXPECT_EQ(tasks[1].node_id, info.node_id);
  EXPECT_EQ(tasks[1].service_id, services[0].id);
  ASSERT_EQ(tasks[1].networks.size(), 2u);
  EXPECT_EQ(tasks[1].networks[0], (NetworkAttachment{kIngressId, Ip("10.0.0.7")}));

  const auto nodes = ReadNodes(Fixture("nodes"));
  ASSERT_EQ(nodes.size(), 3u);
  EXPECT_EQ(nodes[1].hostname, "n1");
  EXPECT_EQ(nodes[1].role, "manager");
  EXPECT_EQ(nodes[1].state, "ready");
  EXPECT_EQ(nodes[1].address, Ip("192.0.2.11"));
}

TEST(ReadersTest, ALeaderWithoutAnAddressHasTheManagersOne) {
  const auto nodes = ReadNodes(*ParseJson(
      R"([{"ID":"a","Status":{"Addr":"0.0.0.0"},"ManagerStatus":{"Addr":"192.0.2.10:2377"}},
          {"ID":"b","Status":{"Addr":"0.0.0.0"}}, {"ID":"c","Status":{"Addr":"fe80::1"},"ManagerStatus":null}])"));
  ASSERT_EQ(nodes.size(), 3u);
  EXPECT_EQ(nodes[0].address, Ip("192.0.2.10"));
  EXPECT_TRUE(nodes[1].address.IsUnset());
  EXPECT_TRUE(nodes[2].address.IsUnset());
}

TEST(ReadersTest, ReadAnUpdateUnderWay) {
  const auto services = ReadServices(*ParseJson(R"([{"ID":"s","UpdatedAt":"2026-11-23T02:08:55.4758Z",
      "Spec":{"Name":"api","Mode":{"Global":{}},"Labels":{"xlb.scheduler":"maglev"}},
      "PreviousSpec":{"EndpointSpec":{"Ports":[{"TargetPort":80}]}},
      "UpdateStatus":{"State":"updating","StartedAt":"2026-11-23T02:08:55.47Z"}}])"));
  ASSERT_EQ(services.size(), 1u);
  EXPECT_TRUE(services[0].global);
  EXPECT_TRUE(services[0].has_previous);
  EXPECT_EQ(services[0].labels.at("xlb.scheduler"), "maglev");
  EXPECT_EQ(services[0].update_state, "updating");
  EXPECT_LT(services[0].update_started_ns, services[0].updated_ns);
  EXPECT_EQ(services[0].previous_ports, (std::vector<PublishedPort>{{"tcp", 80, 0, "ingress"}}));
}

TEST(ReadersTest, LeaveOutEntriesWithoutAnId) {
  EXPECT_TRUE(ReadTasks(*ParseJson(R"([{}, null, 7, "x", {"ID":null}, {"ID":""}, {"ID":3}, [[]]])")).empty());
  for (const char* text : {"null", "{}", "7", "\"x\"", "{\"ID\":\"x\"}"}) {
    EXPECT_TRUE(ReadServices(*ParseJson(text)).empty()) << text;
  }
}

TEST(ReadersTest, NumbersThatDoNotFitAreUnset) {
  const auto services = ReadServices(*ParseJson(R"([{"ID":"s","Endpoint":{"Ports":[
      {"PublishedPort":65536,"TargetPort":-1}, {"PublishedPort":18446744073709551615,"TargetPort":80.5}]}}])"));
  ASSERT_EQ(services.size(), 1u);
  for (const PublishedPort& port : services[0].ports) {
    EXPECT_EQ(port.published, 0);
    EXPECT_EQ(port.target, 0);
  }
}

TEST(ReadersTest, ReadErrorMessages) {
  EXPECT_EQ(ReadErrorMessage("{\"message\":\"no such network\"}\n"), "no such network");
  for (const char* text : {"", "no JSON", "{}", "{\"message\":7}", "[]"}) EXPECT_EQ(ReadErrorMessage(text), "");
}

void ReadEverything(const json::value& value) {
  ReadVersion(value);
  ReadInfo(value);
  ReadNetwork(value);
  ReadNetworks(value);
  ReadServices(value);
  ReadTasks(value);
  ReadNodes(value);
  ReadEvent(value);
}

const char* const kFixtures[] = {"version", "info", "ingress", "gateway", "networks", "services", "tasks", "nodes"};

TEST(ReadersTest, BearTruncation) {
  for (const char* name : kFixtures) {
    const std::string text = FixtureText(name);
    for (size_t size = 0; size + 1 < text.size(); size += 7) {  // the last byte is a newline
      const auto parsed = ParseJson(std::string_view(text).substr(0, size));
      EXPECT_FALSE(parsed.ok()) << name << " " << size;
    }
  }
}

// Replaces each value within `at`, one after the other, by every value of another type, and reads `root` each time.
void ReadWithEachValueReplaced(const json::value& root, json::value& at) {
  const json::value kOthers[] = {nullptr,
                                 true,
                                 -1,
                                 1e300,
                                 "x",
                                 json::array(),
                                 json::array({nullptr}),
                                 json::object(),
                                 json::object({{"ID", nullptr}})};
  for (const json::value& other : kOthers) {
    json::value kept = std::move(at);
    at = other;
    ReadEverything(root);
    at = std::move(kept);
  }
  if (json::object* object = at.if_object()) {
    for (auto& member : *object) ReadWithEachValueReplaced(root, member.value());
  } else if (json::array* array = at.if_array()) {
    for (json::value& entry : *array) ReadWithEachValueReplaced(root, entry);
  }
}

TEST(ReadersTest, BearEveryWrongType) {
  for (const char* name : kFixtures) {
    json::value root = Fixture(name);
    ReadWithEachValueReplaced(root, root);
    EXPECT_EQ(root, Fixture(name));
  }
}

// Docker leaves members out, or adds some, from one version to the next.
void ReadWithEachMemberRemoved(const json::value& root, json::value& at) {
  if (json::object* object = at.if_object()) {
    std::vector<std::string> keys;
    for (const auto& member : *object) keys.emplace_back(member.key());
    for (const std::string& key : keys) {
      json::value kept = std::move((*object)[key]);
      object->erase(key);
      ReadEverything(root);
      ReadWithEachMemberRemoved(root, (*object)[key] = std::move(kept));
    }
  } else if (json::array* array = at.if_array()) {
    for (json::value& entry : *array) ReadWithEachMemberRemoved(root, entry);
  }
}

TEST(ReadersTest, BearEveryMissingMember) {
  for (const char* name : kFixtures) {
    json::value root = Fixture(name);
    ReadWithEachMemberRemoved(root, root);
  }
}

}  // namespace
}  // namespace xlb
