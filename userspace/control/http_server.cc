#include "control/http_server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <charconv>
#include <list>
#include <optional>

#include "control/json.h"
#include "control/listen.h"

namespace xlb {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Parser = http::request_parser<http::string_body>;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// What the server and its connections share, kept by whoever is last to go.
struct Shared {
  HttpHandler handler;
  HttpLimits limits;
  bool stopped = false;
  std::list<std::function<void()>> connections;  // each closes one
};

// Lists a connection for as long as its coroutine runs.
class Registration {
 public:
  Registration(Shared& shared, std::function<void()> close)
      : shared_(shared), entry_(shared.connections.insert(shared.connections.end(), std::move(close))) {}
  ~Registration() { shared_.connections.erase(entry_); }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  Shared& shared_;
  std::list<std::function<void()>>::iterator entry_;
};

HttpResponse ErrorResponse(int status, std::string what) {
  HttpResponse response;
  response.status = status;
  response.body = ToJson(ErrorReply{std::move(what)}) + "\n";
  return response;
}

// What to say to a client whose request could not be read; nothing, if it is gone or has run out of time.
std::optional<HttpResponse> ReadErrorResponse(error_code error, const HttpLimits& limits) {
  if (error == http::error::header_limit) {
    return ErrorResponse(431, fmt::format("the request's header is larger than {} bytes", limits.header_bytes));
  }
  if (error == http::error::body_limit) {
    return ErrorResponse(413, fmt::format("the request's body is larger than {} bytes", limits.body_bytes));
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  if (error.category() == http::make_error_code(http::error::bad_method).category()) {
    return ErrorResponse(400, fmt::format("this is not HTTP/1.1: {}", error.message()));
  }
  return std::nullopt;
}

// No exception of a handler ends the daemon, not even one for lack of memory.
HttpResponse CallHandler(const Shared& shared, const HttpRequest& request) {
  std::string what;
  try {
    return shared.handler(request);
  } catch (const std::exception& exception) {
    what = exception.what();
  }
  spdlog::error("{} {}: {}", request.method, request.target, what);
  return ErrorResponse(500, fmt::format("xlbd failed inside: {}", what));
}

bool PeerIsGone(int fd) {
  char byte;
  const ssize_t size = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}

template <typename Stream>
asio::awaitable<error_code> Write(Stream& stream, const HttpLimits& limits, const HttpResponse& response,
                                  unsigned version, bool keep_alive) {
  http::response<http::string_body> message;
  message.result(static_cast<unsigned>(response.status));
  message.version(version);
  message.set(http::field::server, "xlbd");
  if (!response.body.empty()) message.set(http::field::content_type, response.content_type);
  message.body() = response.body;
  message.keep_alive(keep_alive);
  message.prepare_payload();
  stream.expires_after(limits.response_time);
  const auto [error, size] = co_await http::async_write(stream, message, kAwait);
  co_return error;
}

// Reads one request. The wait for its first byte is idleness, the rest has to come in time.
template <typename Stream>
asio::awaitable<error_code> Read(Stream& stream, const HttpLimits& limits, beast::flat_buffer& buffer, Parser& parser) {
  if (buffer.size() == 0) {
    stream.expires_after(limits.idle_time);
    const auto space = buffer.prepare(4096);
    const auto [error, size] = co_await stream.async_read_some(space, kAwait);
    if (error) co_return error;
    buffer.commit(size);
  }
  stream.expires_after(limits.request_time);
  const auto [header_error, header_size] = co_await http::async_read_header(stream, buffer, parser, kAwait);
  if (header_error) co_return header_error;
  if (!parser.is_done() && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    http::response<http::empty_body> go_on(http::status::continue_, parser.get().version());
    const auto [error, size] = co_await http::async_write(stream, go_on, kAwait);
    if (error) co_return error;
  }
  const auto [body_error, body_size] = co_await http::async_read(stream, buffer, parser, kAwait);
  co_return body_error;
}

// Asks the handler until it has an answer; nothing if the client or the server has gone meanwhile.
template <typename Stream>
asio::awaitable<std::optional<HttpResponse>> Answer(Stream& stream, const Shared& shared, HttpRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  asio::steady_timer timer(stream.get_executor());
  while (!shared.stopped) {
    HttpResponse response = CallHandler(shared, request);
    if (!response.pending) co_return response;
    timer.expires_after(shared.limits.poll_interval);
    const auto [error] = co_await timer.async_wait(kAwait);
    if (error || PeerIsGone(stream.socket().native_handle())) co_return std::nullopt;
    request.waited = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  }
  co_return std::nullopt;
}

// Reads and forgets what a refused client still sends, for a moment: closing on unread data would throw away the
// answer.
template <typename Stream>
asio::awaitable<void> Linger(Stream& stream) {
  error_code ignored;
  stream.socket().shutdown(asio::socket_base::shutdown_send, ignored);
  stream.expires_after(std::chrono::seconds(1));
  char bytes[4096];
  const auto space = asio::buffer(bytes);
  for (;;) {
    const auto [error, size] = co_await stream.async_read_some(space, kAwait);
    if (error) co_return;
  }
}

// One request and its answer. True: the connection can have another.
template <typename Stream>
asio::awaitable<bool> ServeOne(Stream& stream, const Shared& shared, beast::flat_buffer& buffer) {
  Parser parser;
  parser.header_limit(static_cast<uint32_t>(shared.limits.header_bytes));
  parser.body_limit(shared.limits.body_bytes);
  const error_code read_error = co_await Read(stream, shared.limits, buffer, parser);
  if (read_error) {
    const std::optional<HttpResponse> refusal = ReadErrorResponse(read_error, shared.limits);
    if (!refusal || shared.stopped) co_return false;
    const error_code write_error = co_await Write(stream, shared.limits, *refusal, 11, false);
    if (!write_error) co_await Linger(stream);
    co_return false;
  }
  auto& message = parser.get();
  // Beast would have to be told not to expect a body after a HEAD; none is served, so the connection just ends.
  const bool keep_alive = message.keep_alive() && message.method() != http::verb::head;
  HttpRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  request.body = std::move(message.body());
  const std::optional<HttpResponse> response = co_await Answer(stream, shared, request);
  if (!response) co_return false;
  const error_code error = co_await Write(stream, shared.limits, *response, message.version(), keep_alive);
  co_return !error && keep_alive && !shared.stopped;
}

template <typename Transport>
asio::awaitable<void> ServeConnection(typename Transport::socket socket, std::shared_ptr<Shared> shared) {
  beast::basic_stream<Transport> stream(std::move(socket));
  const Registration registration(*shared, [&stream] { stream.close(); });
  beast::flat_buffer buffer;
  while (!shared->stopped) {
    const bool again = co_await ServeOne(stream, *shared, buffer);
    if (!again) break;
  }
  error_code ignored;
  stream.socket().shutdown(asio::socket_base::shutdown_send, ignored);
}

void LogFailure(const std::exception_ptr& failure) {
  if (failure == nullptr) return;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& exception) {
    spdlog::error("a connection to the API failed: {}", exception.what());
  }
}

// One client too many gets told so, in one packet that nobody waits for.
template <typename Socket>
void RefuseConnection(Socket& socket) {
  const std::string body = ToJson(ErrorReply{"too many connections to xlbd; try again"}) + "\n";
  const std::string text = fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
      "Connection: close\r\n\r\n{}",
      body.size(), body);
  send(socket.native_handle(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  error_code ignored;
  socket.shutdown(asio::socket_base::shutdown_send, ignored);
}

template <typename Transport>
asio::awaitable<void> AcceptConnections(std::shared_ptr<typename Transport::acceptor> acceptor,
                                        std::shared_ptr<Shared> shared) {
  asio::steady_timer timer(acceptor->get_executor());
  while (!shared->stopped) {
    auto [error, socket] = co_await acceptor->async_accept(kAwait);
    if (shared->stopped) co_return;
    if (error) {
      // Out of descriptors, most likely: they may come back.
      spdlog::warn("cannot accept a connection to the API: {}", error.message());
      timer.expires_after(std::chrono::seconds(1));
      co_await timer.async_wait(kAwait);
      continue;
    }
    if (shared->connections.size() >= shared->limits.connections) {
      RefuseConnection(socket);
      continue;
    }
    asio::co_spawn(acceptor->get_executor(), ServeConnection<Transport>(std::move(socket), shared), LogFailure);
  }
}

absl::StatusOr<asio::ip::tcp::endpoint> ParseTcpAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  error_code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  const char* begin = colon == std::string::npos ? end : text.data() + colon + 1;
  const auto [stop, parse_error] = std::from_chars(begin, end, port);
  if (error || parse_error != std::errc() || stop != end) {
    return absl::InvalidArgumentError(fmt::format("\"{}\": must be ADDRESS:PORT, as in 127.0.0.1:9650", text));
  }
  return asio::ip::tcp::endpoint(address, port);
}

}  // namespace

HttpLimits HttpLimits::ForStrangers() {
  HttpLimits limits;
  limits.body_bytes = 0;
  limits.connections = 16;
  limits.request_time = std::chrono::seconds(5);
  limits.idle_time = std::chrono::seconds(30);
  return limits;
}

class HttpServer::Impl {
 public:
  Impl(HttpHandler handler, HttpLimits limits) : shared_(std::make_shared<Shared>()) {
    shared_->handler = std::move(handler);
    shared_->limits = limits;
  }

  ~Impl() {
    shared_->stopped = true;
    if (close_listener_) close_listener_();
    // Closing makes each connection's coroutine end when the loop runs next, or with the loop; none calls the handler.
    for (const auto& close : shared_->connections) close();
  }

  template <typename Transport>
  void Start(asio::io_context& io, std::shared_ptr<typename Transport::acceptor> acceptor) {
    close_listener_ = [acceptor] {
      error_code ignored;
      acceptor->close(ignored);
    };
    asio::co_spawn(io, AcceptConnections<Transport>(acceptor, shared_), LogFailure);
  }

  void Keep(UnixListener listener) { listener_.emplace(std::move(listener)); }
  void set_port(uint16_t port) { port_ = port; }
  uint16_t port() const { return port_; }

 private:
  std::shared_ptr<Shared> shared_;
  std::function<void()> close_listener_;
  std::optional<UnixListener> listener_;
  uint16_t port_ = 0;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;
uint16_t HttpServer::port() const { return impl_->port(); }

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::ListenUnix(asio::io_context& io, const std::string& path,
                                                                   const std::string& group, HttpHandler handler,
                                                                   HttpLimits limits) {
  using Transport = asio::local::stream_protocol;
  XLB_ASSIGN_OR_RETURN(UnixListener listener, UnixListener::Open(path, group));
  auto acceptor = std::make_shared<Transport::acceptor>(io);
  error_code error;
  UniqueFd fd = listener.TakeFd();
  acceptor->assign(Transport(), fd.get(), error);
  if (error) return ErrnoStatus(error.value(), fmt::format("cannot listen on {}", path));
  fd.Release();
  auto impl = std::make_unique<Impl>(std::move(handler), limits);
  impl->Keep(std::move(listener));
  impl->Start<Transport>(io, std::move(acceptor));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::ListenTcp(asio::io_context& io, const std::string& address,
                                                                  HttpHandler handler, HttpLimits limits) {
  using Transport = asio::ip::tcp;
  XLB_ASSIGN_OR_RETURN(const Transport::endpoint endpoint, ParseTcpAddress(address));
  auto acceptor = std::make_shared<Transport::acceptor>(io);
  error_code error;
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) return ErrnoStatus(error.value(), fmt::format("cannot listen on {}", address));
  auto impl = std::make_unique<Impl>(std::move(handler), limits);
  impl->set_port(acceptor->local_endpoint(error).port());
  impl->Start<Transport>(io, std::move(acceptor));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

}  // namespace xlb
