#include "peer/server.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include "peer/document.h"
#include "peer/identity.h"

namespace xlb {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;
using Time = std::chrono::steady_clock::time_point;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds kRefusalInterval{10};
constexpr std::string_view kPath = "/v1/swarm";

struct Session;

}  // namespace

// Outlives the server while connections end.
struct PeerServer::Shared {
  asio::any_io_executor executor;
  PeerServerLimits limits;
  std::shared_ptr<const Credentials> credentials;
  std::shared_ptr<tcp::acceptor> acceptor;  // null: not listening
  SwarmFacts facts;
  std::shared_ptr<const WrittenDocument> document;  // null: withheld
  std::string withheld = "this manager's xlbd has not read its Docker yet";
  std::list<Session*> sessions;
  OnRefused on_refused;
  std::optional<Time> last_refusal;

  void Refused(const asio::ip::address& host, const std::string& reason);
  void WakeAll();
  void EndAll();
};

namespace {

using Shared = PeerServer::Shared;

// One connection, listed for as long as its coroutine runs.
struct Session {
  Session(std::shared_ptr<Shared> owner, tcp::socket socket)
      : shared(std::move(owner)),
        credentials(shared->credentials),
        stream(beast::tcp_stream(std::move(socket)), credentials->context()),
        changed(shared->executor),
        entry(shared->sessions.insert(shared->sessions.end(), this)) {
    error_code ignored;
    host = beast::get_lowest_layer(stream).socket().remote_endpoint(ignored).address();
  }
  ~Session() { shared->sessions.erase(entry); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  beast::tcp_stream& tcp_layer() { return beast::get_lowest_layer(stream); }
  void End() {
    ended = true;
    changed.cancel();
    tcp_layer().close();
  }

  std::shared_ptr<Shared> shared;
  std::shared_ptr<const Credentials> credentials;
  asio::ssl::stream<beast::tcp_stream> stream;
  asio::steady_timer changed;  // cancelled when there may be another answer
  beast::flat_buffer buffer;
  const Time opened = std::chrono::steady_clock::now();
  asio::ip::address host;
  std::string node_id;  // empty until the handshake is done
  bool ended = false;
  std::list<Session*>::iterator entry;
};

struct Question {
  bool valid = false;
  std::string known;
  milliseconds wait{0};
};

Question ReadQuestion(std::string_view target, milliseconds longest) {
  Question question;
  const size_t path_end = target.find('?');
  question.valid = target.substr(0, path_end) == kPath;
  question.wait = longest;
  std::string_view query = path_end == target.npos ? std::string_view() : target.substr(path_end + 1);
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view part = query.substr(0, end);
    query = end == query.npos ? std::string_view() : query.substr(end + 1);
    if (part.starts_with("known=")) question.known = std::string(part.substr(6));
    if (part.starts_with("wait=")) {
      unsigned seconds = 0;
      const auto [stop, error] = std::from_chars(part.data() + 5, part.data() + part.size(), seconds);
      if (error == std::errc() && stop == part.data() + part.size()) {
        question.wait = std::min<milliseconds>(longest, std::chrono::seconds(std::min(seconds, 3600u)));
      }
    }
  }
  return question;
}

struct Reply {
  http::status status = http::status::ok;
  std::string error;                                // for people
  std::shared_ptr<const WrittenDocument> document;  // for 200
};

asio::awaitable<bool> Send(Session& session, const Reply& reply, bool keep_alive) {
  http::response<http::span_body<const char>> message(reply.status, 11);
  message.set(http::field::server, "xlbd");
  const std::string text =
      reply.error.empty() ? std::string() : boost::json::serialize(boost::json::object{{"error", reply.error}});
  const std::string& body = reply.document != nullptr ? reply.document->text : text;
  if (!body.empty()) message.set(http::field::content_type, "application/json");
  message.body() = {body.data(), body.size()};
  message.keep_alive(keep_alive);
  if (reply.status != http::status::not_modified) message.content_length(body.size());
  session.tcp_layer().expires_after(session.shared->limits.response);
  const auto [error, size] = co_await http::async_write(session.stream, message, kAwait);
  (void)size;
  co_return !error && keep_alive && !session.ended;
}

// Nothing, or why the owner of the certificate is not told anything.
absl::Status Admit(const Session& session, const PeerIdentity& peer) {
  const Shared& shared = *session.shared;
  XLB_RETURN_IF_ERROR(CheckClient(session.credentials->own(), peer));
  if (shared.document == nullptr) return absl::OkStatus();
  // A certificate outlives its node's place in the swarm by months.
  const auto& nodes = shared.facts.nodes;
  const auto is_peer = [&peer](const SwarmNode& node) { return node.id == peer.node_id; };
  if (std::any_of(nodes.begin(), nodes.end(), is_peer)) return absl::OkStatus();
  return absl::PermissionDeniedError(fmt::format("node {} is not in this swarm any more, or not yet", peer.node_id));
}

// As things stand; "not modified" may become another answer.
Reply Judge(const Session& session, const PeerIdentity& peer, const Question& question) {
  const Shared& shared = *session.shared;
  if (const absl::Status admitted = Admit(session, peer); !admitted.ok()) {
    session.shared->Refused(session.host, std::string(admitted.message()));
    return {http::status::forbidden, std::string(admitted.message()), nullptr};
  }
  if (shared.document == nullptr) return {http::status::service_unavailable, shared.withheld, nullptr};
  if (shared.document->hash != question.known) return {http::status::ok, "", shared.document};
  return {http::status::not_modified, "", nullptr};
}

// Waits until the client's knowledge is not the newest, or its time is over.
asio::awaitable<Reply> Answer(Session& session, const PeerIdentity& peer, const Question& question) {
  const Time deadline = std::chrono::steady_clock::now() + question.wait;
  for (;;) {
    Reply reply = Judge(session, peer, question);
    const bool over = session.ended || std::chrono::steady_clock::now() >= deadline;
    if (reply.status != http::status::not_modified || over) co_return reply;
    session.changed.expires_at(deadline);
    const auto [error] = co_await session.changed.async_wait(kAwait);
    (void)error;
  }
}

// One question and its answer. True: the connection can have another.
asio::awaitable<bool> ServeOne(Session& session, const PeerIdentity& peer) {
  const PeerServerLimits& limits = session.shared->limits;
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<uint32_t>(limits.header_bytes));
  parser.body_limit(0);
  session.tcp_layer().expires_after(limits.request);
  const auto [error, size] = co_await http::async_read(session.stream, session.buffer, parser, kAwait);
  (void)size;
  if (error || session.ended) co_return false;
  const auto& request = parser.get();
  const auto age = std::chrono::steady_clock::now() - session.opened;
  const bool keep_alive = request.keep_alive() && age < limits.session;
  const Question question = ReadQuestion({request.target().data(), request.target().size()}, limits.poll);
  if (request.method() != http::verb::get || !question.valid) {
    const Reply refusal{http::status::not_found, "there is GET /v1/swarm alone", nullptr};
    co_return co_await Send(session, refusal, false);
  }
  session.tcp_layer().expires_never();
  const Reply reply = co_await Answer(session, peer, question);
  if (session.ended) co_return false;
  const bool open = keep_alive && (reply.status == http::status::ok || reply.status == http::status::not_modified);
  co_return co_await Send(session, reply, open);
}

// A node that comes again and again, as one whose xlbd is restarted, pushes its own oldest connection out.
void MakeRoom(const Shared& shared, const std::string& node_id) {
  std::vector<Session*> of_node;
  for (Session* session : shared.sessions) {
    if (session->node_id == node_id && !session->ended) of_node.push_back(session);
  }
  if (of_node.size() >= shared.limits.connections_per_node) of_node.front()->End();
}

std::string HandshakeError(const error_code& error, const SSL* session) {
  const long verified = SSL_get_verify_result(session);
  if (verified == X509_V_OK) return error.message();
  return fmt::format("its certificate is not one of this swarm's: {}", X509_verify_cert_error_string(verified));
}

asio::awaitable<void> Serve(std::shared_ptr<Shared> shared, tcp::socket socket) {
  Session session(shared, std::move(socket));
  session.tcp_layer().expires_after(shared->limits.handshake);
  const auto [error] = co_await session.stream.async_handshake(asio::ssl::stream_base::server, kAwait);
  if (session.ended) co_return;
  if (error) {
    shared->Refused(session.host, HandshakeError(error, session.stream.native_handle()));
    co_return;
  }
  const auto peer = IdentityOfPeer(session.stream.native_handle());
  if (!peer.ok()) {
    shared->Refused(session.host, std::string(peer.status().message()));
    co_return;
  }
  MakeRoom(*shared, peer->node_id);
  session.node_id = peer->node_id;
  for (bool again = true; again && !session.ended;) again = co_await ServeOne(session, *peer);
  if (session.ended) co_return;
  // The other side learns that nothing was cut off.
  session.tcp_layer().expires_after(std::chrono::seconds(1));
  const auto [shutdown_error] = co_await session.stream.async_shutdown(kAwait);
  (void)shutdown_error;
}

bool MayKnock(const Shared& shared, const tcp::socket& socket) {
  if (shared.credentials == nullptr || shared.sessions.size() >= shared.limits.connections) return false;
  error_code error;
  const asio::ip::address host = socket.remote_endpoint(error).address();
  if (error) return false;
  size_t handshakes = 0, from_host = 0;
  for (const Session* other : shared.sessions) {
    if (!other->node_id.empty()) continue;
    ++handshakes;
    if (other->host == host) ++from_host;
  }
  return handshakes < shared.limits.handshakes && from_host < shared.limits.handshakes_per_host;
}

asio::awaitable<void> Accept(std::shared_ptr<Shared> shared, std::shared_ptr<tcp::acceptor> acceptor) {
  asio::steady_timer timer(shared->executor);
  while (acceptor->is_open()) {
    auto [error, socket] = co_await acceptor->async_accept(kAwait);
    if (!acceptor->is_open()) co_return;
    if (error) {
      // Out of descriptors, most likely: they may come back.
      timer.expires_after(std::chrono::seconds(1));
      const auto [ignored] = co_await timer.async_wait(kAwait);
      (void)ignored;
      continue;
    }
    if (MayKnock(*shared, socket)) asio::co_spawn(shared->executor, Serve(shared, std::move(socket)), asio::detached);
  }
}

}  // namespace

void PeerServer::Shared::WakeAll() {
  for (Session* session : sessions) session->changed.cancel();
}

void PeerServer::Shared::EndAll() {
  for (Session* session : sessions) session->End();
}

void PeerServer::Shared::Refused(const asio::ip::address& host, const std::string& reason) {
  const Time now = std::chrono::steady_clock::now();
  if (!on_refused || (last_refusal && now - *last_refusal < kRefusalInterval)) return;
  last_refusal = now;
  on_refused(host.to_string(), reason);
}

PeerServer::PeerServer(asio::any_io_executor executor, PeerServerLimits limits, OnRefused on_refused)
    : shared_(std::make_shared<Shared>()) {
  shared_->on_refused = std::move(on_refused);
  shared_->executor = std::move(executor);
  shared_->limits = limits;
}

PeerServer::~PeerServer() {
  shared_->on_refused = nullptr;
  Close();
}

absl::Status PeerServer::Listen(const std::string& host, uint16_t port) {
  Close();
  error_code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error) return absl::InvalidArgumentError(fmt::format("\"{}\" is no IP address", host));
  const tcp::endpoint endpoint(address, port);
  auto acceptor = std::make_shared<tcp::acceptor>(shared_->executor);
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) return ErrnoStatus(error.value(), fmt::format("cannot listen on {}:{}", host, port));
  shared_->acceptor = std::move(acceptor);
  asio::co_spawn(shared_->executor, Accept(shared_, shared_->acceptor), asio::detached);
  return absl::OkStatus();
}

void PeerServer::Close() {
  if (const auto acceptor = std::exchange(shared_->acceptor, nullptr)) {
    error_code ignored;
    acceptor->close(ignored);
  }
  shared_->EndAll();
}

void PeerServer::Use(std::shared_ptr<const Credentials> credentials) {
  if (credentials == shared_->credentials) return;
  shared_->credentials = std::move(credentials);
  shared_->EndAll();
}

void PeerServer::Publish(const SwarmFacts& facts, const std::set<std::string>& dead_containers) {
  SwarmFacts chosen = FactsForPeers(facts, dead_containers);
  if (shared_->document != nullptr && chosen == shared_->facts) return;
  shared_->document = std::make_shared<const WrittenDocument>(WriteDocument(chosen));
  shared_->facts = std::move(chosen);
  shared_->WakeAll();
}

void PeerServer::Withhold(std::string reason) {
  shared_->document = nullptr;
  shared_->withheld = std::move(reason);
  shared_->WakeAll();
}

bool PeerServer::listening() const { return shared_->acceptor != nullptr; }

uint16_t PeerServer::port() const {
  error_code ignored;
  return listening() ? shared_->acceptor->local_endpoint(ignored).port() : uint16_t{0};
}

size_t PeerServer::followers() const {
  std::set<std::string_view> nodes;
  for (const Session* session : shared_->sessions) {
    if (!session->node_id.empty()) nodes.insert(session->node_id);
  }
  return nodes.size();
}

}  // namespace xlb
