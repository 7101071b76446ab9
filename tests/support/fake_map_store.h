// The maps in memory, watched: after every write it looks at them as the programs would and notes what they must never
// see. So a test that lets writes fail at any point has checked every prefix of a plan.
#ifndef XLB_TESTS_SUPPORT_FAKE_MAP_STORE_H_
#define XLB_TESTS_SUPPORT_FAKE_MAP_STORE_H_

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/map_store.h"
#include "model/records.h"

namespace xlb {

class FakeMapStore : public MapStore {
 public:
  explicit FakeMapStore(const Clock* clock = nullptr) : clock_(clock) {}

  // The write after `count` more fails, and changes nothing. Once.
  void FailAfter(size_t count) { fail_after_ = count; }
  void FailNoMore() { fail_after_.reset(); }

  const std::vector<std::string>& log() const { return log_; }
  void ClearLog() { log_.clear(); }
  // What the programs must never have seen, with the write after which they would have.
  const std::vector<std::string>& violations() const { return violations_; }
  // A backend that flows go to was moved or lost, and the epoch that tells them has not been raised since.
  bool epoch_due() const { return epoch_due_; }

  std::map<xlb_service_key, xlb_service, ServiceKeyLess> services;
  std::map<uint32_t, xlb_backend> slots;  // every one ever written
  std::vector<uint32_t> ring;
  std::set<uint32_t> addresses;
  std::map<uint32_t, SourceEntries> sources;
  xlb_node node{};
  size_t rings_read = 0;

  absl::StatusOr<MapContents> ReadAll() override {
    MapContents contents{node, services, {}, {}, addresses, sources};
    for (const auto& [id, backend] : slots) {
      contents.generations[id] = backend.generation;
      if (backend.state != XLB_BACKEND_GONE) contents.backends[id] = backend;
    }
    return contents;
  }

  absl::StatusOr<std::vector<uint32_t>> ReadRing(uint32_t offset, uint32_t length) override {
    ++rings_read;
    if (ring.size() < size_t{offset} + length) return absl::OutOfRangeError("ring: read beyond what was written");
    return std::vector<uint32_t>(ring.begin() + offset, ring.begin() + offset + length);
  }

  absl::Status WriteNode(const xlb_node& value) override {
    return Write(fmt::format("node epoch {}", value.epoch), [&] {
      if (value.epoch == 0) Violation("epoch 0");
      if (value.epoch != node.epoch) epoch_due_ = false;
      node = value;
    });
  }

  absl::Status WriteBackend(uint32_t id, const xlb_backend& value) override {
    constexpr const char* kStates[] = {"gone", "active", "draining", "down"};
    return Write(fmt::format("backend {} {}", id, kStates[value.state]), [&] {
      const auto before = slots.find(id);
      if (before != slots.end()) CheckReuse(before->second, value);
      slots[id] = value;
    });
  }

  absl::Status ResetBackendStats(uint32_t id) override {
    return Write(fmt::format("reset backend {}", id), [&] {
      const auto slot = slots.find(id);
      if (slot != slots.end() && slot->second.state != XLB_BACKEND_GONE) Violation("stats of a backend in use reset");
    });
  }

  absl::Status ResetServiceStats(uint32_t id) override {
    return Write(fmt::format("reset service {}", id), [&] {
      for (const auto& [key, service] : services) {
        if (service.id == id) Violation("stats of a service in use reset");
      }
    });
  }

  absl::Status WriteRing(uint32_t offset, std::span<const uint32_t> backend_ids) override {
    const auto length = static_cast<uint32_t>(backend_ids.size());
    return Write(fmt::format("ring {}+{}", offset, length), [&] {
      for (const auto& [key, service] : services) {
        if (Overlap(offset, length, service)) Violation("a ring in use written over");
      }
      for (const auto& [until, service] : lately_used_) {
        if (clock_->Now() < until && Overlap(offset, length, service)) Violation("a ring written over too early");
      }
      ring.resize(std::max<size_t>(ring.size(), size_t{offset} + length));
      std::copy(backend_ids.begin(), backend_ids.end(), ring.begin() + offset);
    });
  }

  absl::Status WriteService(const xlb_service_key& key, const xlb_service& value) override {
    return Write(fmt::format("service {} ring {}+{}", value.id, value.ring_off, value.ring_len), [&] {
      if (node.schema == 0) Violation("a service before the node record");
      Leave(key, &value);
      const auto before = services.find(key);
      const xlb_service* was = before == services.end() ? nullptr : &before->second;
      if (FlowsMustLookAgain(was, value)) epoch_due_ = true;
      services[key] = value;
    });
  }

  absl::Status RemoveService(const xlb_service_key& key) override {
    if (!services.contains(key)) return absl::NotFoundError("services: no such key");
    return Write(fmt::format("remove service {}", services[key].id), [&] {
      Leave(key, nullptr);
      services.erase(key);
    });
  }

  absl::Status AddAddress(uint32_t address_be) override {
    return Write("add address", [&] { addresses.insert(address_be); });
  }

  absl::Status RemoveAddress(uint32_t address_be) override {
    if (!addresses.contains(address_be)) return absl::NotFoundError("addrs: no such key");
    return Write("remove address", [&] { addresses.erase(address_be); });
  }

  absl::Status WriteSource(const xlb_source_key& key, SourceVerdicts verdicts) override {
    return Write(fmt::format("source {} {}", key.list, PrefixOf(key).ToString()), [&] {
      if (IsNamed(key.list)) Violation("a list of sources in use changed");
      sources[key.list][PrefixOf(key)] = verdicts;
    });
  }

  absl::Status RemoveSource(const xlb_source_key& key) override {
    return Write(fmt::format("remove source {} {}", key.list, PrefixOf(key).ToString()), [&] {
      if (IsNamed(key.list)) Violation("a list of sources in use taken away");
      SourceEntries& list = sources[key.list];
      list.erase(PrefixOf(key));
      if (list.empty()) sources.erase(key.list);
    });
  }

 private:
  bool IsNamed(uint32_t list) const {
    return std::any_of(services.begin(), services.end(),
                       [&](const auto& entry) { return entry.second.sources == list; });
  }

  template <typename Change>
  absl::Status Write(std::string what, Change change) {
    if (fail_after_ && (*fail_after_)-- == 0) {
      fail_after_.reset();
      return absl::UnavailableError(fmt::format("{}: injected failure", what));
    }
    log_.push_back(std::move(what));
    change();
    LookAsReader();
    return absl::OkStatus();
  }

  void Violation(std::string what) { violations_.push_back(fmt::format("{} (at \"{}\")", what, log_.back())); }

  // A packet may take any service, any slot of its ring, and then that backend.
  void LookAsReader() {
    std::set<uint32_t> ids;
    for (const auto& [key, service] : services) {
      if (service.sources != 0 && !sources.contains(service.sources)) {
        Violation(fmt::format("service {} names a list of sources that is not there", service.id));
      }
      if (!ids.insert(service.id).second) Violation(fmt::format("two services with id {}", service.id));
      if (size_t{service.ring_off} + service.ring_len > ring.size()) {
        Violation(fmt::format("service {} has slots that were never written", service.id));
        continue;
      }
      const auto first = ring.begin() + service.ring_off;
      for (const uint32_t id : std::set<uint32_t>(first, first + service.ring_len)) {
        const auto slot = slots.find(id);
        if (slot == slots.end()) {
          Violation(fmt::format("service {} names a backend that was never written", service.id));
        } else if (slot->second.state == XLB_BACKEND_GONE) {
          Violation(fmt::format("service {} names backend {}, which is gone", service.id, slot->first));
        } else if (slot->second.service != service.id) {
          Violation(fmt::format("service {} names another service's backend {}", service.id, slot->first));
        }
      }
    }
  }

  void CheckReuse(const xlb_backend& before, const xlb_backend& after) {
    const bool was_free = before.state == XLB_BACKEND_GONE;
    const bool is_free = after.state == XLB_BACKEND_GONE;
    const bool same_uid = std::memcmp(before.uid, after.uid, sizeof(before.uid)) == 0;
    const bool same_generation = before.generation == after.generation;
    if (was_free && !is_free && same_generation) Violation("an id given out again in the same generation");
    if (!was_free && !same_generation) Violation("a new generation for a backend that stays");
    if (!was_free && !is_free && !same_uid) Violation("an id taken from a backend that is not gone");
    if (was_free) return;
    xlb_backend only_state_changed = before;
    only_state_changed.state = after.state;
    const bool moved = std::memcmp(&only_state_changed, &after, sizeof(after)) != 0;
    const bool lost = after.state == XLB_BACKEND_DOWN && before.state != XLB_BACKEND_DOWN;
    if (moved || lost || is_free) epoch_due_ = true;
  }

  static bool Overlap(uint32_t offset, uint32_t length, const xlb_service& service) {
    return offset < service.ring_off + service.ring_len && service.ring_off < offset + length;
  }

  // The record at `key` is about to be replaced: its region may be read for a while yet.
  void Leave(const xlb_service_key& key, const xlb_service* next) {
    const auto before = services.find(key);
    if (clock_ == nullptr || before == services.end()) return;
    if (next != nullptr && next->ring_off == before->second.ring_off && next->ring_len == before->second.ring_len)
      return;
    std::erase_if(lately_used_, [&](const auto& entry) { return entry.first <= clock_->Now(); });
    lately_used_.emplace_back(clock_->Now() + std::chrono::seconds(2), before->second);
  }

  const Clock* clock_;  // null: grace periods are not watched
  std::optional<size_t> fail_after_;
  std::vector<std::string> log_;
  std::vector<std::string> violations_;
  std::vector<std::pair<Clock::Time, xlb_service>> lately_used_;
  bool epoch_due_ = false;
};

}  // namespace xlb

#endif  // XLB_TESTS_SUPPORT_FAKE_MAP_STORE_H_
