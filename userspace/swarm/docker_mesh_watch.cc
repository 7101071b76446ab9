#include "swarm/docker_mesh_watch.h"

#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>

#include "netlink/netlink.h"
#include "netlink/nft_tables.h"
#include "swarm/carried.h"

namespace xlb {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kLookEvery{30};
// After Docker said something new it takes its time to write its rules, one by one.
constexpr std::chrono::seconds kHurry{4};
constexpr int kHurriedLooks = 6;
// nftables can be Docker's from here on. An older one need not have the kernel's module loaded by our question.
constexpr int kFirstWithNftables = 29;

bool MayUseNftables(const std::string& version) { return std::atoi(version.c_str()) >= kFirstWithNftables; }

}  // namespace

class DockerMeshWatch::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, std::string netns_dir, OnChange on_change)
      : executor_(executor), netns_dir_(std::move(netns_dir)), on_change_(std::move(on_change)), timer_(executor) {}

  void SetDocker(const std::string& server_version, bool in_swarm, bool publishes) {
    const auto said = std::tuple(server_version, in_swarm, publishes);
    if (std::exchange(said_, said) == said && started_) return;
    hurried_looks_ = kHurriedLooks;
    timer_.cancel();
    if (!std::exchange(started_, true)) asio::co_spawn(executor_, Run(shared_from_this()), asio::detached);
  }
  void Stop() {
    stopped_ = true;
    timer_.cancel();
  }
  const std::string& description() const { return description_; }

 private:
  static asio::awaitable<void> Run(std::shared_ptr<Impl> self) {
    while (!self->stopped_) {
      MeshFacts facts = self->ReadByNetlink();
      auto rules = co_await ReadFirewall("", FindFirewallTools());
      if (self->stopped_) co_return;
      if (rules.ok()) {
        facts.rules = *std::move(rules);
      } else {
        facts.rules_unknown = std::string(rules.status().message());
      }
      self->Take(DescribeDockerMesh(facts));
      const bool hurry = self->hurried_looks_ > 0;
      if (hurry) self->hurried_looks_--;
      self->timer_.expires_after(hurry ? kHurry : kLookEvery);
      co_await self->timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
  }

  MeshFacts ReadByNetlink() const {
    MeshFacts facts;
    std::tie(facts.server_version, facts.in_swarm, facts.publishes) = said_;
    facts.has_ipvs = access("/proc/thread-self/net/ip_vs", F_OK) == 0;
    const std::string sandbox = netns_dir_ + "/" + kIngressSandbox;
    std::error_code error;
    facts.has_sandbox = std::filesystem::exists(sandbox, error);
    if (facts.has_sandbox) {
      if (auto addresses = AddressesIn(sandbox); addresses.ok()) facts.sandbox_addresses = *std::move(addresses);
    }
    if (MayUseNftables(facts.server_version)) {
      if (auto tables = NftTables(); tables.ok()) facts.nft_tables = *std::move(tables);
    }
    return facts;
  }

  void Take(std::string description) {
    if (description == description_) return;
    description_ = std::move(description);
    if (on_change_) on_change_(description_);
  }

  asio::any_io_executor executor_;
  std::string netns_dir_;
  OnChange on_change_;
  asio::steady_timer timer_;
  std::tuple<std::string, bool, bool> said_;
  std::string description_;
  int hurried_looks_ = 0;
  bool started_ = false;
  bool stopped_ = false;
};

DockerMeshWatch::DockerMeshWatch(asio::any_io_executor executor, std::string netns_dir, OnChange on_change)
    : impl_(std::make_shared<Impl>(executor, std::move(netns_dir), std::move(on_change))) {}

DockerMeshWatch::~DockerMeshWatch() { impl_->Stop(); }

void DockerMeshWatch::SetDocker(const std::string& server_version, bool in_swarm, bool publishes) {
  impl_->SetDocker(server_version, in_swarm, publishes);
}

const std::string& DockerMeshWatch::description() const { return impl_->description(); }

}  // namespace xlb
