// A manager n0 that serves on loopback, and clients with whatever certificate a test gives them.
#ifndef XLB_TESTS_UNIT_PEER_PEER_FIXTURE_H_
#define XLB_TESTS_UNIT_PEER_PEER_FIXTURE_H_

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "peer/client.h"
#include "peer/credentials.h"
#include "peer/server.h"
#include "unit/docker/fake_docker.h"
#include "unit/peer/authority.h"

namespace xlb {

class PeerTest : public ::testing::Test {
 protected:
  using Document = absl::StatusOr<std::optional<PeerDocument>>;

  static SwarmFacts FactsOf(const std::string& service) {
    SwarmFacts facts;
    facts.nodes = {{"n0", "n0", "manager", "ready", {}}, {"n1", "n1", "worker", "ready", {}}};
    SwarmService web;
    web.id = web.name = service;
    web.ports = {{"tcp", 80, 8091, "ingress"}};
    facts.services = {web};
    return facts;
  }

  std::shared_ptr<const Credentials> Read(const NodeFiles& files) {
    files.WriteTo(directory_.path());
    auto credentials = Credentials::Read(directory_.path());
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    return credentials.ok() ? *credentials : nullptr;
  }

  // n0 serves the service "web", with these limits.
  PeerServer& Serve(PeerServerLimits limits = {}) {
    server_.emplace(loop_.get_executor(), limits);
    server_->Use(manager_);
    EXPECT_TRUE(server_->Listen("127.0.0.1", 0).ok());
    server_->Publish(FactsOf("web"), {});
    return *server_;
  }

  PeerClient NewClient() {
    PeerClientLimits limits;
    limits.connect = limits.handshake = limits.answer = std::chrono::milliseconds(2000);
    limits.poll = std::chrono::seconds(1);
    return PeerClient(loop_.get_executor(), limits);
  }
  absl::Status Connect(PeerClient& client, std::shared_ptr<const Credentials> credentials) {
    return Run(client.Connect("127.0.0.1", server_->port(), std::move(credentials), managers_));
  }
  Document Ask(PeerClient& client, std::string known = "") {
    return Run(client.Ask(std::move(known), std::chrono::seconds(1)));
  }
  // The name of the service that a client with these files is told; or why it is not.
  std::string Outcome(const NodeFiles& files) {
    PeerClient client = NewClient();
    if (const absl::Status status = Connect(client, Read(files)); !status.ok()) {
      return std::string(status.message());
    }
    const Document document = Ask(client);
    if (!document.ok()) return std::string(document.status().message());
    return document->has_value() ? (*document)->facts.services.at(0).name : "nothing";
  }

  template <typename Result>
  static boost::asio::awaitable<void> Store(boost::asio::awaitable<Result> work, std::optional<Result>& result) {
    result = co_await std::move(work);
  }
  template <typename Result>
  void Begin(boost::asio::awaitable<Result> work, std::optional<Result>& result) {
    boost::asio::co_spawn(loop_, Store(std::move(work), result), boost::asio::detached);
  }
  template <typename Result>
  Result Run(boost::asio::awaitable<Result> work) {
    std::optional<Result> result;
    Begin(std::move(work), result);
    EXPECT_TRUE(RunUntil(loop_, [&] { return result.has_value(); }));
    return *std::move(result);
  }

  boost::asio::io_context loop_;
  TemporaryDirectory directory_;
  Authority ca_;
  std::shared_ptr<const Credentials> manager_ = Read(ca_.Issue({.node_id = "n0", .role = kManagerRole}));
  std::vector<RemoteManager> managers_ = {{"n0", "127.0.0.1"}};
  std::optional<PeerServer> server_;
};

}  // namespace xlb

#endif  // XLB_TESTS_UNIT_PEER_PEER_FIXTURE_H_
