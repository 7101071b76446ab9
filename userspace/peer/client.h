// One connection to a manager's PeerServer.
#ifndef XLB_PEER_CLIENT_H_
#define XLB_PEER_CLIENT_H_

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "docker/types.h"
#include "peer/credentials.h"
#include "peer/document.h"

namespace xlb {

struct PeerClientLimits {
  std::chrono::milliseconds connect{2000};
  std::chrono::milliseconds handshake{3000};
  // How long the manager may hold a question. A manager that went without a word is noticed a little after that.
  std::chrono::seconds poll{5};
  std::chrono::milliseconds answer{4000};  // beyond that
  std::chrono::milliseconds body{20000};
  size_t body_bytes = size_t{64} << 20;
};

// Runs on one executor. May be destroyed while a coroutine is suspended in it, which then ends with Cancelled.
class PeerClient {
 public:
  PeerClient(boost::asio::any_io_executor executor, PeerClientLimits limits);
  ~PeerClient();
  PeerClient(const PeerClient&) = delete;
  PeerClient& operator=(const PeerClient&) = delete;

  // Connects, and makes sure that one of `managers` answers. Unavailable: it does not answer, or not as xlbd;
  // PermissionDenied: it does not know this node, or is not whom it should be.
  boost::asio::awaitable<absl::Status> Connect(std::string host, uint16_t port,
                                               std::shared_ptr<const Credentials> credentials,
                                               std::vector<RemoteManager> managers);
  // Another document than `known`, a hash; nothing when there is none within `hold`, a moment or
  // PeerClientLimits::poll. An error ends the connection, and so does the manager now and then: then `connected` says
  // no, and that is no error.
  boost::asio::awaitable<absl::StatusOr<std::optional<PeerDocument>>> Ask(std::string known, std::chrono::seconds hold);
  bool connected() const { return connection_ != nullptr; }
  void Close();

  struct Connection;  // the implementation's

 private:
  boost::asio::any_io_executor executor_;
  PeerClientLimits limits_;
  std::shared_ptr<Connection> connection_;
};

}  // namespace xlb

#endif  // XLB_PEER_CLIENT_H_
