#include "model/source_list.h"

#include <bitset>
#include <vector>

namespace xlb {
namespace {

// The fewest prefixes that tell a function of addresses by longest match (Draves et al., "Constructing Optimal IP
// Routing Tables", 1999): going up, which values a node could pass on to the most of its children; going down, an entry
// wherever the inherited value is not among them.
class Builder {
 public:
  explicit Builder(const AddressMap<SourceVerdicts>& verdicts) : verdicts_(verdicts) {
    std::map<SourceVerdicts, size_t> known;
    verdicts.ForEach([&](const AddressRange&, SourceVerdicts value) {
      if (known.emplace(value, known.size()).second) values_.push_back(value);
    });
    index_ = std::move(known);
  }

  SourceEntries Build() && {
    const size_t root = Up(0, 0);
    Down(root, 0, 0, kNothing);
    return std::move(entries_);
  }

 private:
  static constexpr size_t kNothing = SIZE_MAX;
  using Candidates = std::bitset<128>;  // four verdicts of three have 81 combinations
  struct Node {
    size_t left = kNothing, right = kNothing;
    Candidates candidates;
  };

  static AddressRange RangeOf(uint32_t first, uint8_t length) {
    return {first, Ipv4Prefix{Ipv4::FromHostOrder(first), length}.Last()};
  }
  static uint32_t RightHalf(uint32_t first, uint8_t length) { return first | (uint32_t{1} << (31 - length)); }

  size_t Up(uint32_t first, uint8_t length) {
    Node node;
    if (verdicts_.IsUniform(RangeOf(first, length))) {
      node.candidates.set(index_.at(verdicts_.At(first)));
    } else {
      node.left = Up(first, static_cast<uint8_t>(length + 1));
      node.right = Up(RightHalf(first, length), static_cast<uint8_t>(length + 1));
      const Candidates& left = nodes_[node.left].candidates;
      const Candidates& right = nodes_[node.right].candidates;
      node.candidates = (left & right).any() ? left & right : left | right;
    }
    nodes_.push_back(node);
    return nodes_.size() - 1;
  }

  void Down(size_t at, uint32_t first, uint8_t length, size_t inherited) {
    const Node& node = nodes_[at];
    if (inherited == kNothing || !node.candidates.test(inherited)) {
      inherited = node.candidates._Find_first();
      entries_[{Ipv4::FromHostOrder(first), length}] = values_[inherited];
    }
    if (node.left == kNothing) return;
    Down(node.left, first, static_cast<uint8_t>(length + 1), inherited);
    Down(node.right, RightHalf(first, length), static_cast<uint8_t>(length + 1), inherited);
  }

  const AddressMap<SourceVerdicts>& verdicts_;
  std::vector<SourceVerdicts> values_;
  std::map<SourceVerdicts, size_t> index_;  // of values_
  std::vector<Node> nodes_;
  SourceEntries entries_;
};

}  // namespace

SourceVerdicts AllVerdicts(xlb_source_verdict verdict) { return static_cast<uint32_t>(verdict) * 0x01010101u; }

SourceVerdicts BothAdmit(SourceVerdicts first, SourceVerdicts second) {
  SourceVerdicts both = 0;
  for (int shift = 0; shift < 32; shift += 8) {
    const uint32_t decisive = XLB_SOURCE_MASK << shift;
    both |= (first & decisive) != 0 ? first & decisive : second & decisive;
  }
  return both;
}

SourceList::SourceList(const AddressMap<SourceVerdicts>& verdicts) {
  if (verdicts.runs() == 1 && verdicts.At(0) == AllVerdicts(XLB_SOURCE_ALLOW)) return;
  entries_ = std::make_shared<const SourceEntries>(Builder(verdicts).Build());
}

const SourceEntries& SourceList::entries() const {
  static const SourceEntries kNone;
  return empty() ? kNone : *entries_;
}

SourceVerdicts SourceList::At(Ipv4 address) const {
  for (int length = 32; length >= 0 && !empty(); --length) {
    const uint64_t behind = (uint64_t{1} << (32 - length)) - 1;
    const auto first = static_cast<uint32_t>(address.HostOrder() & ~behind);
    const auto found = entries_->find({Ipv4::FromHostOrder(first), static_cast<uint8_t>(length)});
    if (found != entries_->end()) return found->second;
  }
  return AllVerdicts(XLB_SOURCE_ALLOW);
}

}  // namespace xlb
