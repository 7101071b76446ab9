#include "unit/peer/peer_fixture.h"

namespace xlb {
namespace {

using std::chrono::milliseconds;
using ConnectionTest = PeerTest;

TEST_F(ConnectionTest, AWorkerOfTheSwarmIsTold) {
  Serve();
  EXPECT_EQ(Outcome(ca_.Issue({.node_id = "n1"})), "web");
}

TEST_F(ConnectionTest, SoIsAnotherManager) {
  Serve();
  server_->Publish(
      [] {
        SwarmFacts facts = FactsOf("web");
        facts.nodes.push_back({"n2", "n2", "manager", "ready", {}});
        return facts;
      }(),
      {});
  EXPECT_EQ(Outcome(ca_.Issue({.node_id = "n2", .role = kManagerRole})), "web");
}

TEST_F(ConnectionTest, AQuestionIsHeldUntilSomethingChanges) {
  Serve();
  PeerClient client = NewClient();
  ASSERT_TRUE(Connect(client, Read(ca_.Issue({.node_id = "n1"}))).ok());
  const Document first = Ask(client);
  ASSERT_TRUE(first.ok() && first->has_value());

  std::optional<Document> second;
  Begin(client.Ask((*first)->hash, std::chrono::seconds(5)), second);
  loop_.restart();
  loop_.run_for(milliseconds(200));
  EXPECT_FALSE(second.has_value());
  server_->Publish(FactsOf("web"), {});  // no change
  loop_.run_for(milliseconds(100));
  EXPECT_FALSE(second.has_value());
  server_->Publish(FactsOf("shop"), {});
  ASSERT_TRUE(RunUntil(loop_, [&] { return second.has_value(); }));
  ASSERT_TRUE(second->ok() && (*second)->has_value());
  EXPECT_EQ((**second)->facts, FactsOf("shop"));
}

TEST_F(ConnectionTest, AndNotForEver) {
  Serve();
  PeerClient client = NewClient();
  ASSERT_TRUE(Connect(client, Read(ca_.Issue({.node_id = "n1"}))).ok());
  const std::string known = (*Ask(client))->hash;
  const Document nothing_new = Ask(client, known);  // the client asks to be held for a second
  ASSERT_TRUE(nothing_new.ok()) << nothing_new.status();
  EXPECT_FALSE(nothing_new->has_value());
  EXPECT_TRUE(client.connected());
}

TEST_F(ConnectionTest, WhoKnowsSomethingElseIsAnsweredAtOnce) {
  Serve();
  PeerClient client = NewClient();
  ASSERT_TRUE(Connect(client, Read(ca_.Issue({.node_id = "n1"}))).ok());
  for (const char* known : {"", "0123", "%20"}) EXPECT_TRUE(Ask(client, known)->has_value()) << known;
}

TEST_F(ConnectionTest, AManagerThatCannotSayGivesTheReason) {
  Serve().Withhold("the swarm does not have a leader");
  EXPECT_EQ(Outcome(ca_.Issue({.node_id = "n1"})), "the swarm does not have a leader");
  server_->Publish(FactsOf("web"), {});
  EXPECT_EQ(Outcome(ca_.Issue({.node_id = "n1"})), "web");
}

TEST_F(ConnectionTest, ANodeThatLeftTheSwarmIsToldNothing) {
  Serve();
  SwarmFacts without = FactsOf("web");
  without.nodes.pop_back();
  PeerClient client = NewClient();
  ASSERT_TRUE(Connect(client, Read(ca_.Issue({.node_id = "n1"}))).ok());
  const std::string known = (*Ask(client))->hash;
  std::optional<Document> next;
  Begin(client.Ask(known, std::chrono::seconds(5)), next);
  loop_.restart();
  loop_.run_for(milliseconds(100));
  server_->Publish(without, {});
  ASSERT_TRUE(RunUntil(loop_, [&] { return next.has_value(); }));
  EXPECT_TRUE(absl::IsPermissionDenied(next->status())) << next->status();
  EXPECT_EQ(Outcome(ca_.Issue({.node_id = "n1"})), "node n1 is not in this swarm any more, or not yet");
}

TEST_F(ConnectionTest, AnotherCertificateEndsConnections) {
  Serve();
  PeerClient client = NewClient();
  ASSERT_TRUE(Connect(client, Read(ca_.Issue({.node_id = "n1"}))).ok());
  std::optional<Document> held;
  Begin(client.Ask((*Ask(client))->hash, std::chrono::seconds(5)), held);
  loop_.restart();
  loop_.run_for(milliseconds(100));
  server_->Use(Read(ca_.Issue({.node_id = "n0", .role = kManagerRole})));
  ASSERT_TRUE(RunUntil(loop_, [&] { return held.has_value(); }));
  EXPECT_FALSE(held->ok());
  EXPECT_EQ(Outcome(ca_.Issue({.node_id = "n1"})), "web");
}

TEST_F(ConnectionTest, AConnectionGrowsNotOld) {
  PeerServerLimits limits;
  limits.session = milliseconds(0);
  Serve(limits);
  PeerClient client = NewClient();
  ASSERT_TRUE(Connect(client, Read(ca_.Issue({.node_id = "n1"}))).ok());
  EXPECT_TRUE(Ask(client).ok());
  EXPECT_FALSE(client.connected());
}

TEST_F(ConnectionTest, ANodePushesItsOwnOldestConnectionOut) {
  PeerServerLimits limits;
  limits.connections_per_node = 2;
  Serve(limits);
  const auto credentials = Read(ca_.Issue({.node_id = "n1"}));
  PeerClient first = NewClient(), second = NewClient(), third = NewClient();
  for (PeerClient* client : {&first, &second, &third}) {
    ASSERT_TRUE(Connect(*client, credentials).ok());
    ASSERT_TRUE(Ask(*client).ok());
  }
  EXPECT_EQ(server_->followers(), 1u);
  EXPECT_FALSE(Ask(first).ok());
  EXPECT_TRUE(Ask(second).ok());
  EXPECT_TRUE(Ask(third).ok());
}

// Both sides before, in the middle and after `docker swarm ca --rotate`. Certificates change first, and show the new CA
// as signed by the old one; the file of the CA changes when every node has its certificate.
TEST_F(ConnectionTest, ARotationOfTheCaIsFollowed) {
  Serve();
  const Authority next;
  const auto files = [&](const std::string& node, const char* role, int stage) {
    NodeFiles made =
        stage == 0 ? ca_.Issue({.node_id = node, .role = role}) : next.Issue({.node_id = node, .role = role});
    if (stage > 0) made.certificate += next.CrossSignedBy(ca_);
    if (stage == 1) made.ca = ca_.Pem();
    return made;
  };
  for (const auto& [manager, worker] : {std::pair(0, 0), {0, 1}, {1, 0}, {1, 1}, {1, 2}, {2, 1}, {2, 2}}) {
    server_->Use(Read(files("n0", kManagerRole, manager)));
    EXPECT_EQ(Outcome(files("n1", kWorkerRole, worker)), "web") << manager << worker;
  }
  // The old CA is not trusted any more.
  EXPECT_NE(Outcome(files("n1", kWorkerRole, 0)), "web");
}

TEST_F(ConnectionTest, MayBeDestroyedAtAnyMoment) {
  const auto credentials = Read(ca_.Issue({.node_id = "n1"}));
  for (const int turns : {0, 1, 2, 3, 5, 8, 13, 21}) {
    Serve();
    std::optional<absl::Status> connected;
    std::optional<Document> document;
    std::optional<PeerClient> client;
    client.emplace(loop_.get_executor(), PeerClientLimits{});
    Begin(client->Connect("127.0.0.1", server_->port(), credentials, managers_), connected);
    for (int i = 0; i < turns; ++i) {
      if (loop_.stopped()) loop_.restart();
      loop_.run_one_for(milliseconds(20));
      if (connected && connected->ok() && !document) Begin(client->Ask("", std::chrono::seconds(5)), document);
    }
    if (turns % 2 == 0) server_.reset();
    client.reset();
    server_.reset();
    loop_.restart();
    loop_.run();  // ends: nothing is left to wait for
    EXPECT_TRUE(connected.has_value());
  }
}

}  // namespace
}  // namespace xlb
