#include "peer/address.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>

#include <charconv>

namespace xlb {

absl::StatusOr<PeerAddress> ParsePeerAddress(std::string_view text) {
  PeerAddress address;
  const size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, colon);
  const bool in_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (in_brackets) host = host.substr(1, host.size() - 2);
  address.host = std::string(host);
  in6_addr ignored;
  const bool is_address = inet_pton(in_brackets ? AF_INET6 : AF_INET, address.host.c_str(), &ignored) == 1;
  const std::string_view port = colon == text.npos ? std::string_view() : text.substr(colon + 1);
  const auto [stop, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (!is_address || error != std::errc() || stop != port.data() + port.size() || address.port == 0) {
    return absl::InvalidArgumentError(fmt::format("\"{}\": must be ADDRESS:PORT, as in 0.0.0.0:9651", text));
  }
  return address;
}

}  // namespace xlb
