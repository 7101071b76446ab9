#include "xlbctl/client.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstring>

namespace xlb {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::local::stream_protocol;
using boost::system::error_code;
using Stream = beast::basic_stream<stream_protocol>;
using Request = http::request<http::string_body>;
using Parser = http::response_parser<http::string_body>;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds kTimeout(60);  // the daemon holds a long poll for up to 30

absl::Status ConnectError(const std::string& path, error_code error) {
  const std::string why = error.message();
  if (error == boost::system::errc::no_such_file_or_directory || error == boost::system::errc::connection_refused) {
    return absl::UnavailableError(fmt::format("no xlbd answers on {} ({}); is it running?", path, why));
  }
  if (error == boost::system::errc::permission_denied) {
    return absl::PermissionDeniedError(
        fmt::format("you may not talk to xlbd on {} ({}); be root, or a member of the socket's group", path, why));
  }
  return absl::InternalError(fmt::format("cannot connect to xlbd on {}: {}", path, why));
}

absl::Status ExchangeError(const std::string& path, error_code error) {
  if (error == beast::error::timeout) {
    return absl::DeadlineExceededError(fmt::format("xlbd on {} did not answer within {} s", path, kTimeout.count()));
  }
  return absl::InternalError(fmt::format("xlbd on {} broke off the conversation: {}", path, error.message()));
}

absl::StatusCode CodeOf(unsigned http_status) {
  switch (http_status) {
    case 400:
      return absl::StatusCode::kInvalidArgument;
    case 404:
      return absl::StatusCode::kNotFound;
    case 409:
      return absl::StatusCode::kFailedPrecondition;
    case 507:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kInternal;  // never kUnavailable, which says that there is no daemon
  }
}

absl::Status DaemonError(unsigned http_status, const std::string& body) {
  const absl::StatusOr<ErrorReply> reply = FromJson<ErrorReply>(body);
  const std::string text = reply.ok() ? reply->error : fmt::format("xlbd answered with HTTP status {}", http_status);
  return absl::Status(CodeOf(http_status), text);
}

// Both write errors and read errors are looked at only after the attempt to read: a daemon that refuses a request half
// way still says why.
asio::awaitable<void> Exchange(Stream& stream, const Request& request, Parser& parser, error_code& failed) {
  stream.expires_after(kTimeout);
  const auto [write_error, written] = co_await http::async_write(stream, request, kAwait);
  beast::flat_buffer buffer;
  const auto [read_error, read] = co_await http::async_read(stream, buffer, parser, kAwait);
  if (read_error) failed = write_error ? write_error : read_error;
}

}  // namespace

absl::StatusOr<std::string> Client::Call(std::string_view method, const std::string& target,
                                         std::string_view body) const {
  if (socket_path_.empty() || socket_path_.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(fmt::format("\"{}\" cannot be the path of a socket", socket_path_));
  }
  asio::io_context io;
  Stream stream(io);
  error_code error;
  stream.socket().connect(stream_protocol::endpoint(socket_path_), error);
  if (error) return ConnectError(socket_path_, error);

  Request request;
  request.method_string({method.data(), method.size()});
  request.target(target);
  request.set(http::field::host, "xlbd");
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.body() = body;
  request.keep_alive(false);
  request.prepare_payload();
  Parser parser;
  parser.body_limit(boost::none);  // the daemon is trusted; a list of all flows is long
  asio::co_spawn(io, Exchange(stream, request, parser, error), [](std::exception_ptr) {});
  io.run();
  if (error) return ExchangeError(socket_path_, error);
  const unsigned status = parser.get().result_int();
  if (status >= 400) return DaemonError(status, parser.get().body());
  return std::move(parser.get().body());
}

}  // namespace xlb
