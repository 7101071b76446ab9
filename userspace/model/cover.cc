#include "model/cover.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace xlb {
namespace {

bool Holds(const Ipv4Prefix& outer, const Ipv4Prefix& inner) {
  return outer.First() <= inner.First() && inner.Last() <= outer.Last();
}

// The longest prefix that holds both.
Ipv4Prefix Join(const Ipv4Prefix& a, const Ipv4Prefix& b) {
  const int common = std::countl_zero(a.First() ^ b.First());
  return Ipv4Prefix::Around(a.address, static_cast<uint8_t>(std::min<int>({common, a.length, b.length})));
}

}  // namespace

std::vector<Ipv4Prefix> Cover(const std::set<Ipv4Prefix>& prefixes, size_t most) {
  std::vector<Ipv4Prefix> cover;
  // In order of their first addresses, the wider one first where two begin together.
  for (const Ipv4Prefix& prefix : prefixes) {
    if (cover.empty() || !Holds(cover.back(), prefix)) cover.push_back(prefix);
  }
  while (cover.size() > most) {
    // The closest two are neighbours in this order.
    size_t best = 0;
    for (size_t i = 1; i + 1 < cover.size(); ++i) {
      if (Join(cover[i], cover[i + 1]).length > Join(cover[best], cover[best + 1]).length) best = i;
    }
    cover[best] = Join(cover[best], cover[best + 1]);
    const Ipv4Prefix joined = cover[best];
    cover.erase(std::remove_if(cover.begin() + static_cast<std::ptrdiff_t>(best) + 1, cover.end(),
                               [&](const Ipv4Prefix& prefix) { return Holds(joined, prefix); }),
                cover.end());
  }
  return cover;
}

}  // namespace xlb
