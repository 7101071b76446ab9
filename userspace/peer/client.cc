#include "peer/client.h"

#include <fmt/core.h>
#include <openssl/err.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <utility>

#include "docker/json.h"
#include "docker/readers.h"
#include "peer/identity.h"

namespace xlb {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

}  // namespace

struct PeerClient::Connection {
  Connection(const asio::any_io_executor& executor, std::shared_ptr<const Credentials> made_with)
      : credentials(std::move(made_with)), stream(beast::tcp_stream(executor), credentials->context()) {}
  beast::tcp_stream& tcp_layer() { return beast::get_lowest_layer(stream); }

  std::shared_ptr<const Credentials> credentials;
  asio::ssl::stream<beast::tcp_stream> stream;
  beast::flat_buffer buffer;
  std::string host_port;
  bool closed = false;
};

namespace {

using Connection = PeerClient::Connection;

// Without the address, which those who show it beside others put before it.
absl::Status ConnectError(const error_code& error) {
  if (error == boost::system::errc::connection_refused) {
    return absl::UnavailableError("refuses the connection: does xlbd run on that manager, and can it serve?");
  }
  if (error == beast::error::timeout) {
    return absl::UnavailableError("does not answer: is its port open between the nodes?");
  }
  return absl::UnavailableError(fmt::format("cannot be reached: {}", error.message()));
}

// The reason that OpenSSL had for refusing the other side, or the other side for refusing us.
absl::Status TlsError(const error_code& error, const SSL* session) {
  if (error == beast::error::timeout) return absl::UnavailableError("does not answer in time: is xlbd hung there?");
  const long verified = SSL_get_verify_result(session);
  if (verified != X509_V_OK) {
    return absl::PermissionDeniedError(
        fmt::format("its certificate is not one of this swarm's: {}", X509_verify_cert_error_string(verified)));
  }
  if (error.category() == asio::error::get_ssl_category()) {
    return absl::PermissionDeniedError(
        fmt::format("refuses this node's certificate, or is no xlbd: {}", error.message()));
  }
  // An xlbd that lets nobody in just hangs up.
  return absl::UnavailableError(fmt::format("ends the connection: {}", error.message()));
}

absl::Status Cancelled() { return absl::CancelledError("given up"); }

absl::StatusOr<std::optional<PeerDocument>> Understand(unsigned status, std::string_view body) {
  if (status == 304) return std::nullopt;
  if (status == 200) {
    XLB_ASSIGN_OR_RETURN(PeerDocument document, ReadDocument(body));
    return std::optional<PeerDocument>(std::move(document));
  }
  const auto json = ParseJson(body);
  std::string why = json.ok() ? JsonReader(*json)["error"].String() : std::string();
  if (why.empty()) why = fmt::format("answers with HTTP status {}", status);
  return status == 403 ? absl::PermissionDeniedError(why) : absl::UnavailableError(why);
}

}  // namespace

PeerClient::PeerClient(asio::any_io_executor executor, PeerClientLimits limits)
    : executor_(std::move(executor)), limits_(limits) {}

PeerClient::~PeerClient() { Close(); }

void PeerClient::Close() {
  const auto connection = std::exchange(connection_, nullptr);
  if (connection == nullptr) return;
  connection->closed = true;
  connection->tcp_layer().close();
}

asio::awaitable<absl::Status> PeerClient::Connect(std::string host, uint16_t port,
                                                  std::shared_ptr<const Credentials> credentials,
                                                  std::vector<RemoteManager> managers) {
  Close();
  error_code address_error;
  const asio::ip::address address = asio::ip::make_address(host, address_error);
  if (address_error) co_return absl::InvalidArgumentError(fmt::format("\"{}\" is no IP address", host));
  // `this` may be gone after any wait; what the connection needs is its own.
  const auto connection = connection_ = std::make_shared<Connection>(executor_, std::move(credentials));
  const PeerClientLimits limits = limits_;
  connection->host_port = fmt::format("{}:{}", host, port);

  connection->tcp_layer().expires_after(limits.connect);
  const auto [connect_error] = co_await connection->tcp_layer().async_connect(tcp::endpoint(address, port), kAwait);
  if (connection->closed) co_return Cancelled();
  if (connect_error) co_return ConnectError(connect_error);

  connection->tcp_layer().expires_after(limits.handshake);
  const auto [tls_error] = co_await connection->stream.async_handshake(asio::ssl::stream_base::client, kAwait);
  if (connection->closed) co_return Cancelled();
  if (tls_error) co_return TlsError(tls_error, connection->stream.native_handle());
  XLB_CO_ASSIGN_OR_RETURN(const PeerIdentity peer, IdentityOfPeer(connection->stream.native_handle()));
  co_return CheckManager(connection->credentials->own(), peer, managers);
}

asio::awaitable<absl::StatusOr<std::optional<PeerDocument>>> PeerClient::Ask(std::string known,
                                                                             std::chrono::seconds hold) {
  const auto connection = connection_;
  if (connection == nullptr) co_return Cancelled();
  const PeerClientLimits limits = limits_;
  http::request<http::empty_body> request(http::verb::get,
                                          fmt::format("/v1/swarm?known={}&wait={}", known, hold.count()), 11);
  request.set(http::field::host, connection->host_port);
  request.set(http::field::user_agent, "xlbd");
  connection->tcp_layer().expires_after(hold + limits.answer);
  const auto [write_error, written] = co_await http::async_write(connection->stream, request, kAwait);
  (void)written;
  if (connection->closed) co_return Cancelled();
  if (write_error) co_return TlsError(write_error, connection->stream.native_handle());

  http::response_parser<http::string_body> parser;
  parser.body_limit(limits.body_bytes);
  const auto [header_error, header_size] =
      co_await http::async_read_header(connection->stream, connection->buffer, parser, kAwait);
  (void)header_size;
  if (connection->closed) co_return Cancelled();
  if (header_error) co_return TlsError(header_error, connection->stream.native_handle());

  connection->tcp_layer().expires_after(limits.body);
  const auto [body_error, body_size] =
      co_await http::async_read(connection->stream, connection->buffer, parser, kAwait);
  (void)body_size;
  if (connection->closed) co_return Cancelled();
  if (body_error) co_return TlsError(body_error, connection->stream.native_handle());
  if (!parser.get().keep_alive()) Close();
  co_return Understand(parser.get().result_int(), parser.get().body());
}

}  // namespace xlb
