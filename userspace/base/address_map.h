// A value for every IPv4 address, kept as runs of addresses that have the same one.
#ifndef XLB_BASE_ADDRESS_MAP_H_
#define XLB_BASE_ADDRESS_MAP_H_

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <utility>

namespace xlb {

// Addresses, host order, both ends included.
struct AddressRange {
  uint32_t first = 0;
  uint32_t last = UINT32_MAX;
  bool operator==(const AddressRange&) const = default;
};

template <typename Value>
class AddressMap {
 public:
  explicit AddressMap(Value everywhere = {}) { runs_.emplace(0, std::move(everywhere)); }

  const Value& At(uint32_t address) const { return std::prev(runs_.upper_bound(address))->second; }

  // Every address of the range gets change(its value). The cost is that of the runs in the range.
  template <typename Change>
  void Update(const AddressRange& range, Change change) {
    const auto begin = Split(range.first);
    const auto end = range.last == UINT32_MAX ? runs_.end() : Split(range.last + 1);
    for (auto run = begin; run != end; ++run) run->second = change(run->second);
    // Neighbours that have become the same are one; the run at `end` may be one with the last of them.
    const auto past = end == runs_.end() ? end : std::next(end);
    for (auto run = begin == runs_.begin() ? std::next(begin) : begin; run != past;) {
      run = run->second == std::prev(run)->second ? runs_.erase(run) : std::next(run);
    }
  }

  // visit(range, value) for each run, in order; those at the ends of `within` are cut.
  template <typename Visit>
  void ForEach(const AddressRange& within, Visit visit) const {
    for (auto run = std::prev(runs_.upper_bound(within.first)); run != runs_.end() && run->first <= within.last;
         ++run) {
      const auto next = std::next(run);
      const uint32_t last = next == runs_.end() ? UINT32_MAX : next->first - 1;
      visit(AddressRange{std::max(run->first, within.first), std::min(last, within.last)}, run->second);
    }
  }
  template <typename Visit>
  void ForEach(Visit visit) const {
    ForEach(AddressRange{}, visit);
  }

  bool IsUniform(const AddressRange& range) const {
    const auto run = std::prev(runs_.upper_bound(range.first));
    return std::next(run) == runs_.end() || std::next(run)->first > range.last;
  }
  size_t runs() const { return runs_.size(); }

  bool operator==(const AddressMap&) const = default;

 private:
  // The run that begins at `address`, made if there is none.
  auto Split(uint32_t address) {
    const auto run = std::prev(runs_.upper_bound(address));
    return run->first == address ? run : runs_.emplace_hint(std::next(run), address, run->second);
  }

  std::map<uint32_t, Value> runs_;  // by the first address; neighbours differ
};

}  // namespace xlb

#endif  // XLB_BASE_ADDRESS_MAP_H_
