// A node's private key as Docker writes it -> as OpenSSL reads it.
#ifndef XLB_PEER_PEM_H_
#define XLB_PEER_PEM_H_

#include <string>
#include <string_view>

#include "base/status.h"

namespace xlb {

// swarmkit keeps facts of its own ("kek-version: 0", on managers the keys of the Raft log) as header lines inside the
// PEM block, which OpenSSL refuses: they are left out. FailedPrecondition: the key is encrypted, as on the managers of
// a swarm with autolock. DataLoss: there is no private key in the text.
absl::StatusOr<std::string> PlainKeyPem(std::string_view text);

}  // namespace xlb

#endif  // XLB_PEER_PEM_H_
