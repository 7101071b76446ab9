#include "peer/pair_key.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

namespace xlb {
namespace {

constexpr std::string_view kSecretUse = "xlb tunnel key v1";
constexpr std::string_view kPairUse = "xlb pair";

uint64_t LittleEndianWord(const uint8_t* bytes) {
  uint64_t word = 0;
  for (int i = 7; i >= 0; i--) word = word << 8 | bytes[i];
  return word;
}

void AppendAddress(std::string& to, Ipv4 address) {
  to.append(reinterpret_cast<const char*>(&address.be), sizeof(address.be));
}

}  // namespace

std::string TunnelSecret(std::string_view cluster_id, std::string_view worker_join_token) {
  if (cluster_id.empty() || worker_join_token.empty()) return {};
  std::string text(kSecretUse);
  // Ids and tokens are printable: the zeros keep the parts apart.
  text.append(1, '\0').append(cluster_id).append(1, '\0').append(worker_join_token);
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(), reinterpret_cast<uint8_t*>(digest.data()));
  return digest;
}

PairKey MakePairKey(std::string_view secret, Ipv4 one, Ipv4 other) {
  if (ntohl(one.be) > ntohl(other.be)) std::swap(one, other);
  std::string text(kPairUse);
  AppendAddress(text, one);
  AppendAddress(text, other);
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const uint8_t*>(text.data()),
       text.size(), digest.data(), &length);
  PairKey pair;
  pair.key = {LittleEndianWord(digest.data()), LittleEndianWord(digest.data() + 8)};
  std::copy_n(digest.data() + 16, pair.cookie.size(), pair.cookie.begin());
  pair.cookie[0] |= 1;  // all zero means that there is none
  return pair;
}

}  // namespace xlb
