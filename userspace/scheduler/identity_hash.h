// A hash of a backend's identity that is part of xlb's behaviour: every node and every version must compute the same,
// or clients of the same service would go to different backends by different nodes.
#ifndef XLB_SCHEDULER_IDENTITY_HASH_H_
#define XLB_SCHEDULER_IDENTITY_HASH_H_

#include <cstdint>
#include <string_view>

namespace xlb {

// Spreads every input bit over all output bits (the finalizer of SplitMix64, Steele et al. 2014; a bijection).
constexpr uint64_t Mix64(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// FNV-1a over the bytes. It mixes its last bytes poorly: use it through Mix64, with a seed for each purpose.
constexpr uint64_t HashIdentity(std::string_view identity) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : identity) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace xlb

#endif  // XLB_SCHEDULER_IDENTITY_HASH_H_
