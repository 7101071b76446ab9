#include "xlbd/firewall_watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "netfilter/nft_tables.h"

namespace xlb {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kInterval{2};
// A long list of rules takes iptables-save a while: it runs at most this part of the time.
constexpr int kRestPerRead = 10;
// A read fails when the rules change in the middle of it. So many in a row are a firewall that cannot be read.
constexpr int kFailures = 3;

}  // namespace

class FirewallWatch::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, OnChange on_change)
      : executor_(executor), on_change_(std::move(on_change)), timer_(executor) {}

  void Start() {
    failures_ = kFailures;  // without rules from before, the first failure counts
    (void)Take(ReadFirewallNow("", FindFirewallTools()));
    asio::co_spawn(executor_, Run(shared_from_this()), asio::detached);
  }

  void Stop() {
    stopped_ = true;
    timer_.cancel();
  }

  std::optional<FirewallRules> rules_;
  std::string problem_, warning_;
  uint64_t version_ = 0;

 private:
  static asio::awaitable<void> Run(std::shared_ptr<Impl> self) {
    steady_clock::duration last{};
    while (!self->stopped_) {
      self->timer_.expires_after(std::max<steady_clock::duration>(kInterval, last * kRestPerRead));
      (void)co_await self->timer_.async_wait(asio::as_tuple(asio::use_awaitable));
      if (self->stopped_) co_return;
      const auto start = steady_clock::now();
      absl::StatusOr<FirewallRules> read = co_await ReadFirewall("", FindFirewallTools());
      last = steady_clock::now() - start;
      if (!self->stopped_ && self->Take(std::move(read))) self->on_change_();
    }
  }

  // True: something changed.
  bool Take(absl::StatusOr<FirewallRules> read) {
    const std::string warned = std::exchange(warning_, WarningOfNft());
    // Docker needs iptables for its own rules: where it is not installed nobody can have made any.
    if (absl::IsNotFound(read.status())) {
      if (warning_.empty()) warning_ = std::string(read.status().message());
      read = FirewallRules{};
    }
    if (read.ok()) {
      for (const auto& part : read->parts) {
        if (part.dump.problems.empty()) continue;
        read = absl::FailedPreconditionError(fmt::format("iptables ({}): {}", part.kind, part.dump.problems[0]));
        failures_ = kFailures;
        break;
      }
    }
    const bool changed = read.ok() ? TakeRules(*std::move(read)) : TakeFailure(std::string(read.status().message()));
    return changed || warning_ != warned;
  }

  // What nft alone has made cannot be put into lists, and is not guessed at: a person has to know.
  static std::string WarningOfNft() {
    const auto tables = ReadFilteringNftTables();
    if (!tables.ok() || tables->empty()) return "";
    return fmt::format(
        "nftables has rules outside iptables (table {}): xlb does not read them, and clients that they keep from "
        "published "
        "ports get in; say the same in DOCKER-USER, xlb.allow or xlb.deny",
        fmt::join(*tables, ", "));
  }

  bool TakeRules(FirewallRules read) {
    failures_ = 0;
    const auto same = [](const FirewallRules::Part& a, const FirewallRules::Part& b) {
      return a.kind == b.kind && a.text == b.text;
    };
    if (rules_ && std::equal(rules_->parts.begin(), rules_->parts.end(), read.parts.begin(), read.parts.end(), same)) {
      return false;
    }
    rules_ = std::move(read);
    problem_.clear();
    ++version_;
    return true;
  }

  bool TakeFailure(std::string why) {
    spdlog::warn("the firewall cannot be read: {}", why);
    if (++failures_ < kFailures || problem_ == why) return false;
    rules_.reset();
    problem_ = std::move(why);
    ++version_;
    return true;
  }

  asio::any_io_executor executor_;
  OnChange on_change_;
  asio::steady_timer timer_;
  int failures_ = 0;
  bool stopped_ = false;
};

FirewallWatch::FirewallWatch(asio::any_io_executor executor, OnChange on_change)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(on_change))) {}
FirewallWatch::~FirewallWatch() { Stop(); }
void FirewallWatch::Start() { impl_->Start(); }
void FirewallWatch::Stop() { impl_->Stop(); }
const FirewallRules* FirewallWatch::rules() const { return impl_->rules_ ? &*impl_->rules_ : nullptr; }
const std::string& FirewallWatch::problem() const { return impl_->problem_; }
const std::string& FirewallWatch::warning() const { return impl_->warning_; }
uint64_t FirewallWatch::version() const { return impl_->version_; }

}  // namespace xlb
