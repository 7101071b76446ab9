// SipHash-2-4 (Aumasson and Bernstein, 2012), which the BPF programs can check as well.
#ifndef XLB_DATAPLANE_SIPHASH_H_
#define XLB_DATAPLANE_SIPHASH_H_

#include <array>
#include <cstdint>
#include <span>

#include "xlb/abi.h"

namespace xlb {

// `key`: the two little-endian words that the definition makes of its 16 bytes.
uint64_t SipHash24(std::span<const uint8_t> data, const std::array<uint64_t, 2>& key);

// Fills in the tag.
void SignHello(xlb_hello& hello, const std::array<uint64_t, 2>& key);

}  // namespace xlb

#endif  // XLB_DATAPLANE_SIPHASH_H_
