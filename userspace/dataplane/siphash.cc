#include "dataplane/siphash.h"

#include <endian.h>

#include <bit>
#include <cstring>

namespace xlb {
namespace {

struct State {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
  void Take(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

}  // namespace

uint64_t SipHash24(std::span<const uint8_t> data, const std::array<uint64_t, 2>& key) {
  State state{key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
              key[1] ^ 0x7465646279746573u};
  const size_t whole = data.size() / 8 * 8;
  for (size_t i = 0; i < whole; i += 8) {
    uint64_t word;
    std::memcpy(&word, data.data() + i, sizeof(word));
    state.Take(le64toh(word));
  }
  uint64_t last = static_cast<uint64_t>(data.size()) << 56;
  for (size_t i = whole; i < data.size(); i++) last |= static_cast<uint64_t>(data[i]) << (8 * (i - whole));
  state.Take(last);
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; i++) state.Round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

void SignHello(xlb_hello& hello, const std::array<uint64_t, 2>& key) {
  const uint64_t tag = htole64(SipHash24({reinterpret_cast<const uint8_t*>(&hello), XLB_HELLO_SIGNED}, key));
  std::memcpy(hello.tag, &tag, sizeof(tag));
}

}  // namespace xlb
