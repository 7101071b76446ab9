// On a manager: tells the xlbd of every node of the swarm what Docker tells managers alone.
#ifndef XLB_PEER_SERVER_H_
#define XLB_PEER_SERVER_H_

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/status.h"
#include "docker/types.h"
#include "peer/credentials.h"

namespace xlb {

// What others may cost. Anybody on the network can knock; nobody gets further than the handshake without a certificate
// of this swarm.
struct PeerServerLimits {
  size_t connections = 512;
  size_t handshakes = 64;           // of them without a certificate so far
  size_t handshakes_per_host = 8;   // so that one stranger cannot keep the others out
  size_t connections_per_node = 4;  // of one certificate's owner
  size_t header_bytes = 8 * 1024;
  std::chrono::milliseconds handshake{5000};
  std::chrono::milliseconds request{5000};
  std::chrono::milliseconds response{30000};
  std::chrono::milliseconds poll{20000};  // a question whose answer has not changed is held for at most so long
  // A connection's age at its last question: the certificate is looked at anew with the next connection.
  std::chrono::milliseconds session{30000};
};

// GET /v1/swarm?known=HASH&wait=SECONDS over HTTPS, certificates demanded. 200: a document (document.h) that the client
// does not know; 304: it knows it, and nothing changed; 403: its certificate is not one of this swarm's nodes, or the
// node is not in the swarm any more; 503: this manager cannot say at the moment, "error" says why.
//
// Runs on `executor` alone. Destroying it closes the listener and every connection.
class PeerServer {
 public:
  // Somebody was not let in, and why; at most once in ten seconds.
  using OnRefused = std::function<void(const std::string& host, const std::string& reason)>;

  PeerServer(boost::asio::any_io_executor executor, PeerServerLimits limits = {}, OnRefused on_refused = nullptr);
  ~PeerServer();
  PeerServer(const PeerServer&) = delete;
  PeerServer& operator=(const PeerServer&) = delete;

  // Listens there, and nowhere else from now on. Port 0 takes a free one.
  absl::Status Listen(const std::string& host, uint16_t port);
  // No listener, no connections.
  void Close();
  // With which new connections are made; others than before also end the old ones. Null: nobody is let in.
  void Use(std::shared_ptr<const Credentials> credentials);

  // What is true now. Who waits for a change is answered if this is one.
  void Publish(const SwarmFacts& facts, const std::set<std::string>& dead_containers);
  // Nothing can be said until the next Publish, and why.
  void Withhold(std::string reason);

  bool listening() const;
  uint16_t port() const;
  size_t followers() const;  // nodes that are connected at the moment

  struct Shared;  // the implementation's

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace xlb

#endif  // XLB_PEER_SERVER_H_
