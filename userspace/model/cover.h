// Fewer prefixes that hold the same addresses, and as few others as possible.
#ifndef XLB_MODEL_COVER_H_
#define XLB_MODEL_COVER_H_

#include <cstddef>
#include <set>
#include <vector>

#include "base/ip.h"

namespace xlb {

// At most `most` (1 or more) prefixes, none inside another, that hold every address of `prefixes`. More than that are
// joined, the closest first.
std::vector<Ipv4Prefix> Cover(const std::set<Ipv4Prefix>& prefixes, size_t most);

}  // namespace xlb

#endif  // XLB_MODEL_COVER_H_
