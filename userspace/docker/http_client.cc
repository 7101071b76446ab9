#include "docker/http_client.h"

#include <fmt/core.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/version.hpp>
#include <set>
#include <utility>

namespace xlb {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

// Every operation gives its error as a value; none throws.
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kStreamBuffer = 16 * 1024;

struct Connection;

}  // namespace

// Outlives the client while requests are under way.
struct HttpClient::Shared {
  asio::any_io_executor executor;
  std::string socket_path;
  DockerHttpLimits limits;
  std::set<Connection*> connections;  // of the requests under way
};

namespace {

// One request's connection, findable for Abort while it lives.
struct Connection {
  Connection(std::set<Connection*>& others, const asio::any_io_executor& executor) : all(others), stream(executor) {
    all.insert(this);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { all.erase(this); }

  std::set<Connection*>& all;
  beast::basic_stream<asio::local::stream_protocol, asio::any_io_executor> stream;
  beast::flat_buffer buffer;
  bool aborted = false;
};

absl::Status ConnectError(const std::string& socket_path, const error_code& error) {
  if (error == boost::system::errc::no_such_file_or_directory) {
    return absl::FailedPreconditionError(
        fmt::format("{} does not exist: is Docker installed and running on this node?", socket_path));
  }
  if (error == boost::system::errc::permission_denied) {
    return absl::PermissionDeniedError(fmt::format("{}: permission denied: run as root", socket_path));
  }
  if (error == boost::system::errc::connection_refused) {
    return absl::UnavailableError(fmt::format("{} refuses connections: is dockerd running?", socket_path));
  }
  if (error == beast::error::timeout) {
    return absl::DeadlineExceededError(
        fmt::format("{} does not accept connections in time: is dockerd hung?", socket_path));
  }
  return absl::UnavailableError(
      fmt::format("cannot connect to {}: {}: is it Docker's socket?", socket_path, error.message()));
}

absl::Status TransferError(const std::string& socket_path, std::string_view target, const error_code& error) {
  target = target.substr(0, target.find('?'));  // for people
  if (error == beast::error::timeout) {
    return absl::DeadlineExceededError(
        fmt::format("{} does not answer GET {} in time: is dockerd hung?", socket_path, target));
  }
  if (error == http::error::body_limit || error == http::error::buffer_overflow) {
    return absl::ResourceExhaustedError(
        fmt::format("{} answers GET {} without end: is it Docker's socket?", socket_path, target));
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message || error == asio::error::eof ||
      error == asio::error::connection_reset || error == asio::error::broken_pipe) {
    return absl::UnavailableError(
        fmt::format("{} closed the connection before GET {} was answered: did dockerd stop?", socket_path, target));
  }
  if (error.category() == http::make_error_code(http::error::bad_version).category()) {
    return absl::DataLossError(
        fmt::format("{} does not speak HTTP ({}): is it Docker's socket?", socket_path, error.message()));
  }
  return absl::UnavailableError(fmt::format("{}: GET {}: {}", socket_path, target, error.message()));
}

absl::Status Cancelled(const std::string& socket_path, std::string_view target) {
  return absl::CancelledError(fmt::format("{}: GET {} given up", socket_path, target));
}

// Connects and sends the request; the timeout for the header is then running.
asio::awaitable<absl::Status> SendRequest(const HttpClient::Shared& shared, Connection& connection,
                                          const std::string& target) {
  connection.stream.expires_after(shared.limits.connect);
  asio::local::stream_protocol::endpoint endpoint;
  // endpoint::path throws on a longer one.
  if (shared.socket_path.size() >= sizeof(sockaddr_un::sun_path)) {
    co_return absl::InvalidArgumentError(fmt::format("{} is too long for the path of a socket", shared.socket_path));
  }
  endpoint.path(shared.socket_path);
  const auto [connect_error] = co_await connection.stream.async_connect(endpoint, kAwait);
  if (connection.aborted) co_return Cancelled(shared.socket_path, target);
  if (connect_error) co_return ConnectError(shared.socket_path, connect_error);

  http::request<http::empty_body> request(http::verb::get, target, 11);
  request.set(http::field::host, "docker");
  request.set(http::field::user_agent, "xlbd");
  request.set(http::field::connection, "close");
  connection.stream.expires_after(shared.limits.headers);
  const auto [write_error, written] = co_await http::async_write(connection.stream, request, kAwait);
  (void)written;
  if (connection.aborted) co_return Cancelled(shared.socket_path, target);
  if (write_error) co_return TransferError(shared.socket_path, target, write_error);
  co_return absl::OkStatus();
}

asio::awaitable<absl::StatusOr<DockerHttpResponse>> DoGet(std::shared_ptr<HttpClient::Shared> shared,
                                                          std::string target) {
  Connection connection(shared->connections, shared->executor);
  XLB_CO_RETURN_IF_ERROR(co_await SendRequest(*shared, connection, target));

  http::response_parser<http::string_body> parser;
  parser.body_limit(shared->limits.body_bytes);
  const auto [header_error, header_size] =
      co_await http::async_read_header(connection.stream, connection.buffer, parser, kAwait);
  (void)header_size;
  if (connection.aborted) co_return Cancelled(shared->socket_path, target);
  if (header_error) co_return TransferError(shared->socket_path, target, header_error);

  connection.stream.expires_after(shared->limits.body);
  const auto [body_error, body_size] = co_await http::async_read(connection.stream, connection.buffer, parser, kAwait);
  (void)body_size;
  if (connection.aborted) co_return Cancelled(shared->socket_path, target);
  if (body_error) co_return TransferError(shared->socket_path, target, body_error);
  co_return DockerHttpResponse{parser.get().result_int(), std::move(parser.get().body())};
}

// Gives complete lines of what has come so far to `on_line` and keeps the rest.
void TakeLines(std::string& text, const std::function<void(std::string_view)>& on_line) {
  size_t start = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', start)) {
    if (end > start) on_line(std::string_view(text).substr(start, end - start));
    start = end + 1;
  }
  text.erase(0, start);
}

asio::awaitable<absl::StatusOr<DockerHttpResponse>> DoGetLines(std::shared_ptr<HttpClient::Shared> shared,
                                                               std::string target, std::function<void()> on_open,
                                                               std::function<void(std::string_view)> on_line) {
  Connection connection(shared->connections, shared->executor);
  XLB_CO_RETURN_IF_ERROR(co_await SendRequest(*shared, connection, target));

  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  const auto [header_error, header_size] =
      co_await http::async_read_header(connection.stream, connection.buffer, parser, kAwait);
  (void)header_size;
  if (connection.aborted) co_return Cancelled(shared->socket_path, target);
  if (header_error) co_return TransferError(shared->socket_path, target, header_error);

  DockerHttpResponse response{parser.get().result_int(), ""};
  const bool streaming = response.status == 200;
  if (streaming) {
    // Hours may pass between two events. That dockerd hangs shows in the requests beside this one.
    connection.stream.expires_never();
    on_open();
  } else {
    connection.stream.expires_after(shared->limits.body);
  }
  std::string text(kStreamBuffer, '\0');
  while (!parser.is_done()) {
    parser.get().body().data = text.data();
    parser.get().body().size = text.size();
    const auto [read_error, read_size] =
        co_await http::async_read_some(connection.stream, connection.buffer, parser, kAwait);
    (void)read_size;
    if (connection.aborted) co_return Cancelled(shared->socket_path, target);
    if (read_error && read_error != http::error::need_buffer) {
      co_return TransferError(shared->socket_path, target, read_error);
    }
    response.body.append(text.data(), text.size() - parser.get().body().size);
    if (streaming) TakeLines(response.body, on_line);
    if (connection.aborted) co_return Cancelled(shared->socket_path, target);
    if (response.body.size() > shared->limits.line_bytes) {
      co_return TransferError(shared->socket_path, target, http::make_error_code(http::error::body_limit));
    }
  }
  if (streaming)
    co_return TransferError(shared->socket_path, target, http::make_error_code(http::error::end_of_stream));
  co_return response;
}

}  // namespace

HttpClient::HttpClient(asio::any_io_executor executor, std::string socket_path, DockerHttpLimits limits)
    : shared_(std::make_shared<Shared>()) {
  shared_->executor = std::move(executor);
  shared_->socket_path = std::move(socket_path);
  shared_->limits = limits;
}

HttpClient::~HttpClient() { Abort(); }

asio::awaitable<absl::StatusOr<DockerHttpResponse>> HttpClient::Get(std::string target) {
  return DoGet(shared_, std::move(target));
}

asio::awaitable<absl::StatusOr<DockerHttpResponse>> HttpClient::GetLines(
    std::string target, std::function<void()> on_open, std::function<void(std::string_view)> on_line) {
  return DoGetLines(shared_, std::move(target), std::move(on_open), std::move(on_line));
}

void HttpClient::Abort() {
  // A cancelled operation completes later, from the event loop: the set does not change under this loop.
  for (Connection* connection : shared_->connections) {
    connection->aborted = true;
    connection->stream.cancel();
  }
}

}  // namespace xlb
