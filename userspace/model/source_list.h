// Which clients may come in, as the map `sources` has it.
#ifndef XLB_MODEL_SOURCE_LIST_H_
#define XLB_MODEL_SOURCE_LIST_H_

#include <map>
#include <memory>
#include <utility>

#include "base/address_map.h"
#include "base/ip.h"
#include "xlb/abi.h"

namespace xlb {

// Four verdicts of enum xlb_source_verdict, packed as in the map.
using SourceVerdicts = uint32_t;
// The same one for every kind of client and packet.
SourceVerdicts AllVerdicts(xlb_source_verdict verdict);
// For each of the four: the first that is not "allow".
SourceVerdicts BothAdmit(SourceVerdicts first, SourceVerdicts second);

using SourceEntries = std::map<Ipv4Prefix, SourceVerdicts>;

// A value that is cheap to copy and, unchanged, to compare.
class SourceList {
 public:
  SourceList() = default;  // everybody may come in
  // As few prefixes as say the same by longest match, one of length 0 among them.
  explicit SourceList(const AddressMap<SourceVerdicts>& verdicts);

  bool empty() const { return entries_ == nullptr; }
  const SourceEntries& entries() const;
  // By longest match, as the programs look up.
  SourceVerdicts At(Ipv4 address) const;

  bool operator==(const SourceList& other) const {
    return entries_ == other.entries_ || (!empty() && !other.empty() && *entries_ == *other.entries_);
  }

 private:
  std::shared_ptr<const SourceEntries> entries_;  // null: everybody may
};

}  // namespace xlb

#endif  // XLB_MODEL_SOURCE_LIST_H_
