#include "peer/document.h"

#include <gtest/gtest.h>

namespace xlb {
namespace {

// Every member has a value that it would not have if it were forgotten.
SwarmFacts Everything() {
  SwarmService web;
  web.id = "service-1";
  web.name = "web";
  web.global = true;
  web.labels = {{"xlb.scheduler", "maglev"}};
  web.ports = {{"udp", 53, 5353, "ingress"}, {"tcp", 80, 8091, "host"}};
  web.has_previous = true;
  web.previous_ports = {{"tcp", 81, 8091, "ingress"}};
  web.update_state = "updating";
  web.update_started_ns = 1'700'000'000'000'000'001;
  web.updated_ns = 1'700'000'000'000'000'002;
  SwarmService old = web;
  old.id = "service-2";
  SwarmTask task;
  task.id = "task-1";
  task.service_id = "service-1";
  task.node_id = "node-1";
  task.slot = 3;
  task.state = "running";
  task.desired_state = "shutdown";
  task.container_id = "container-1";
  task.created_ns = 1'700'000'000'000'000'003;
  task.networks = {{"network-1", Ipv4::Parse("10.0.0.7").value()}};
  SwarmNode node{"node-1", "n1", "manager", "ready", Ipv4::Parse("192.0.2.11").value()};
  SwarmFacts facts;
  facts.services = {web};
  facts.removed_services = {old};
  facts.tasks = {task};
  facts.nodes = {node};
  facts.tunnel_secret = std::string("\0\x7f\x80\xff secret", 11);
  return facts;
}

TEST(PeerDocumentTest, NothingIsLostOnTheWay) {
  const SwarmFacts facts = Everything();
  const WrittenDocument written = WriteDocument(facts);
  const auto read = ReadDocument(written.text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->facts, facts);
  EXPECT_EQ(read->hash, written.hash);
}

TEST(PeerDocumentTest, TheHashIsOfTheContent) {
  SwarmFacts facts = Everything();
  const std::string hash = WriteDocument(facts).hash;
  EXPECT_EQ(WriteDocument(facts).hash, hash);
  facts.tasks[0].desired_state = "running";
  EXPECT_NE(WriteDocument(facts).hash, hash);
}

TEST(PeerDocumentTest, WhatIsNotForPeersStaysHere) {
  SwarmFacts facts = Everything();
  EXPECT_EQ(FactsForPeers(facts, {}), facts);
  facts.services[0].labels["secret"] = "word";
  SwarmService inner;
  inner.id = "service-3";
  inner.ports = {{"tcp", 80, 8080, "host"}};
  facts.services.push_back(inner);
  for (const char* state : {"shutdown", "failed", "complete", "rejected", "remove", "orphaned"}) {
    facts.tasks.push_back(facts.tasks[0]);
    facts.tasks.back().state = state;
  }
  facts.tasks.push_back(facts.tasks[0]);
  facts.tasks.back().service_id = "service-3";
  facts.tasks.push_back(facts.tasks[0]);
  facts.tasks.back().container_id = "dead";
  EXPECT_EQ(FactsForPeers(facts, {"dead"}), Everything());
}

// A service that publishes no port any more has tasks that still do, until its update is over.
TEST(PeerDocumentTest, PortsOfBeforeCount) {
  SwarmFacts facts = Everything();
  facts.services[0].ports.clear();
  EXPECT_EQ(FactsForPeers(facts, {}).services.size(), 1u);
  facts.services[0].previous_ports.clear();
  EXPECT_TRUE(FactsForPeers(facts, {}).services.empty());
}

TEST(PeerDocumentTest, AnotherVersionIsNamed) {
  const auto document = ReadDocument(R"({"version":2,"hash":"a"})");
  EXPECT_TRUE(absl::IsUnimplemented(document.status()));
  EXPECT_NE(document.status().message().find("upgrade"), std::string_view::npos);
}

TEST(PeerDocumentTest, GarbageIsAnError) {
  for (const char* text : {"", "{", "[]", "<html>", "{}", R"({"services":[]})"}) {
    EXPECT_TRUE(absl::IsDataLoss(ReadDocument(text).status())) << text;
  }
  const auto strange = ReadDocument(R"({"version":1,"tasks":[1,{"slot":-1,"networks":"x"}],"services":{},"new":1})");
  ASSERT_TRUE(strange.ok());
  EXPECT_EQ(strange->facts.tasks.size(), 2u);
}

}  // namespace
}  // namespace xlb
