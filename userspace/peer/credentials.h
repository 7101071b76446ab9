// The certificate, key and CA that Swarm gave this node, for TLS in both directions.
#ifndef XLB_PEER_CREDENTIALS_H_
#define XLB_PEER_CREDENTIALS_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "peer/identity.h"

namespace boost::asio::ssl {
class context;
}

namespace xlb {

// As read at one moment; never changed afterwards. Keep it as long as a connection made with it.
class Credentials {
 public:
  // Of a directory like /var/lib/docker/swarm/certificates. One line that names the file; the codes of PlainKeyPem
  // among them, NotFound when there is no such file.
  static absl::StatusOr<std::shared_ptr<const Credentials>> Read(const std::string& directory);
  ~Credentials();

  const PeerIdentity& own() const { return own_; }
  // TLS 1.2 or later, as server or client; demands and verifies the other side's certificate either way.
  boost::asio::ssl::context& context() const { return *context_; }

 private:
  Credentials();

  PeerIdentity own_;
  std::unique_ptr<boost::asio::ssl::context> context_;
};

// Follows the files: Docker renews the certificate in place, and `docker swarm ca --rotate` replaces all of them.
class CredentialFiles {
 public:
  explicit CredentialFiles(std::string directory) : directory_(std::move(directory)) {}

  // Those on disk now. Three stat calls when nothing changed. While Docker is half-way through replacing them the ones
  // before are given.
  absl::StatusOr<std::shared_ptr<const Credentials>> Get();

 private:
  struct Stamp {
    uint64_t device = 0, inode = 0, size = 0;
    int64_t changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  std::array<Stamp, 3> Stamps() const;

  std::string directory_;
  std::array<Stamp, 3> stamps_;
  absl::StatusOr<std::shared_ptr<const Credentials>> last_ = absl::UnknownError("not read yet");
};

}  // namespace xlb

#endif  // XLB_PEER_CREDENTIALS_H_
