// The host's firewall rules, read again and again on the event loop without holding it up.
#ifndef XLB_XLBD_FIREWALL_WATCH_H_
#define XLB_XLBD_FIREWALL_WATCH_H_

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "netfilter/read.h"

namespace xlb {

// Nothing tells of a change to iptables that would be cheaper and as sure, over both of its kinds, as reading it every
// two seconds.
class FirewallWatch {
 public:
  using OnChange = std::function<void()>;

  explicit FirewallWatch(boost::asio::any_io_executor executor, OnChange on_change);
  FirewallWatch(const FirewallWatch&) = delete;
  FirewallWatch& operator=(const FirewallWatch&) = delete;
  ~FirewallWatch();

  // Reads once before it returns. Later reads call back when the rules, or whether they can be read, changed.
  void Start();
  void Stop();

  // Null: they cannot be read, or not be understood as a whole, and `problem` says why. One failure among good reads is
  // none yet.
  const FirewallRules* rules() const;
  const std::string& problem() const;
  // What a person should know though the rules are there: iptables is not installed.
  const std::string& warning() const;
  // Another number, other rules.
  uint64_t version() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace xlb

#endif  // XLB_XLBD_FIREWALL_WATCH_H_
