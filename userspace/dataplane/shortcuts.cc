#include "dataplane/shortcuts.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <atomic>
#include <iterator>

namespace xlb {
namespace {

// Programs on other CPUs read meanwhile. What follows in a map is written by a system call, and so after this.
template <typename T>
void Store(T& word, T value) {
  std::atomic_ref<T>(word).store(value, std::memory_order_seq_cst);
}

// Where the record speaks of a service with this key.
__u64& WordOf(xlb_shortcuts& record, const xlb_service_key& key) {
  xlb_ports_without& without = record.without[key.proto == IPPROTO_UDP ? 1 : 0][ntohs(key.port) / 64];
  return key.addr == 0 ? without.any : without.bound;
}

__u64 BitOf(const xlb_service_key& key) { return __u64{1} << (ntohs(key.port) % 64); }

}  // namespace

void Shortcuts::Reset(const MapContents& contents) {
  knows_all_ = true;
  bound_.clear();
  xlb_shortcuts wanted{};
  for (auto& protocol : wanted.without) {
    for (xlb_ports_without& without : protocol) without = {~__u64{0}, ~__u64{0}};
  }
  for (const auto& [key, service] : contents.services) {
    WordOf(wanted, key) &= ~BitOf(key);
    if (key.addr != 0) bound_[{key.proto, key.port}].insert(key.addr);
  }
  for (const uint32_t address : contents.addresses) wanted.own[XLB_OWN_ADDRESS_SLOT(address)] = address;
  for (size_t protocol = 0; protocol < std::size(wanted.without); ++protocol) {
    for (size_t i = 0; i < std::size(wanted.without[protocol]); ++i) {
      Store(record_->without[protocol][i].any, wanted.without[protocol][i].any);
      Store(record_->without[protocol][i].bound, wanted.without[protocol][i].bound);
    }
  }
  for (size_t i = 0; i < std::size(wanted.own); ++i) Store(record_->own[i], wanted.own[i]);
}

void Shortcuts::BeforeServiceIsAdded(const xlb_service_key& key) {
  if (key.addr != 0) bound_[{key.proto, key.port}].insert(key.addr);
  __u64& word = WordOf(*record_, key);
  if ((word & BitOf(key)) != 0) Store(word, word & ~BitOf(key));
}

void Shortcuts::AfterServiceIsRemoved(const xlb_service_key& key) {
  if (!knows_all_) return;
  if (key.addr != 0) {
    const auto others = bound_.find({key.proto, key.port});
    if (others == bound_.end()) return;  // it was never added
    others->second.erase(key.addr);
    if (!others->second.empty()) return;
    bound_.erase(others);
  }
  __u64& word = WordOf(*record_, key);
  Store(word, word | BitOf(key));
}

void Shortcuts::AfterAddressIsAdded(uint32_t address_be) {
  Store(record_->own[XLB_OWN_ADDRESS_SLOT(address_be)], address_be);
}

void Shortcuts::BeforeAddressIsRemoved(uint32_t address_be) {
  __be32& slot = record_->own[XLB_OWN_ADDRESS_SLOT(address_be)];
  if (slot == address_be) Store(slot, __be32{0});
}

}  // namespace xlb
