// Whoever is not what it should be gets nothing, and keeps nobody else from getting something.
#include <openssl/ssl.h>
#include <poll.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "unit/peer/peer_fixture.h"

namespace xlb {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;

class StrangerTest : public PeerTest {
 protected:
  tcp::socket Knock() {
    tcp::socket socket(loop_);
    socket.connect(tcp::endpoint(asio::ip::make_address("127.0.0.1"), server_->port()));
    return socket;
  }
  // Has the server hung up?
  static bool IsClosed(tcp::socket& socket) {
    pollfd poll_fd{socket.native_handle(), POLLIN | POLLRDHUP, 0};
    poll(&poll_fd, 1, 0);
    return (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  }
  bool Refused(const NodeFiles& files) {
    const std::string outcome = Outcome(files);
    EXPECT_NE(outcome, "web");
    return outcome != "web";
  }
};

TEST_F(StrangerTest, ACertificateOfAnotherCaIsNone) {
  Serve();
  // It trusts the server all the same, so that the refusal is the server's.
  NodeFiles files = Authority().Issue({.node_id = "n1"});
  files.ca = ca_.Pem();
  EXPECT_TRUE(Refused(files));
}

TEST_F(StrangerTest, NorIsOneOfAnotherSwarm) {
  Serve();
  managers_ = {{"n0", "127.0.0.1"}};
  PeerClient client = NewClient();
  const auto credentials = Read(ca_.Issue({.node_id = "n1", .swarm = "other"}));
  EXPECT_EQ(Connect(client, credentials).message(), std::string("it is a node of another swarm (") + kSwarm + ")");
  const Document document = Ask(client);  // a client that does not care
  EXPECT_TRUE(absl::IsPermissionDenied(document.status())) << document.status();
}

TEST_F(StrangerTest, NorOneOfNoNode) {
  Serve();
  EXPECT_TRUE(Refused(ca_.Issue({.node_id = "n1", .role = "operator"})));
}

TEST_F(StrangerTest, NorOneThatIsOverOrHasNotBegun) {
  Serve();
  EXPECT_TRUE(Refused(ca_.Issue({.node_id = "n1", .begins = -3600, .ends = -60})));
  EXPECT_TRUE(Refused(ca_.Issue({.node_id = "n1", .begins = 60, .ends = 3600})));
}

TEST_F(StrangerTest, ANodesCertificateSignsNoOther) {
  Serve();
  // n1's own certificate shown as the CA of another.
  const NodeFiles n1 = ca_.Issue({.node_id = "n1"});
  NodeFiles files = Authority().Issue({.node_id = "n1"});
  files.certificate += n1.certificate;
  files.ca = ca_.Pem();
  EXPECT_TRUE(Refused(files));
}

TEST_F(StrangerTest, WithoutACertificateThereIsNothing) {
  Serve();
  asio::ssl::context context(asio::ssl::context::tls_client);
  asio::ssl::stream<tcp::socket> stream(Knock(), context);
  std::optional<boost::system::error_code> result;
  std::string text(4096, '\0');
  stream.async_handshake(asio::ssl::stream_base::client, [&](const boost::system::error_code& error) {
    if (error) {
      result = error;
      return;
    }
    // With TLS 1.3 the client learns of the refusal afterwards.
    const std::string request = "GET /v1/swarm HTTP/1.1\r\nHost: x\r\n\r\n";
    asio::write(stream, asio::buffer(request));
    stream.async_read_some(asio::buffer(text), [&](const boost::system::error_code& read_error, size_t size) {
      EXPECT_EQ(size, 0u);
      result = read_error;
    });
  });
  ASSERT_TRUE(RunUntil(loop_, [&] { return result.has_value(); }));
  EXPECT_TRUE(*result) << "the server talked to a client without a certificate";
}

TEST_F(StrangerTest, OldTlsIsRefused) {
  Serve();
  const auto credentials = Read(ca_.Issue({.node_id = "n1"}));
  asio::ssl::context& context = credentials->context();
  EXPECT_EQ(SSL_CTX_get_min_proto_version(context.native_handle()), TLS1_2_VERSION);
}

TEST_F(StrangerTest, AWorkerIsNotBelieved) {
  Serve().Use(Read(ca_.Issue({.node_id = "n0", .role = kWorkerRole})));
  EXPECT_EQ(Outcome(ca_.Issue({.node_id = "n1"})), "its certificate is no manager's but of \"swarm-worker\"");
}

TEST_F(StrangerTest, NorAManagerThatDockerDoesNotName) {
  Serve();
  managers_ = {{"n7", "127.0.0.1"}};
  EXPECT_EQ(Outcome(ca_.Issue({.node_id = "n1"})),
            "node n0 answers, which this node's Docker does not name as a manager");
}

TEST_F(StrangerTest, NorOneOfAnotherCa) {
  Serve().Use(Read(Authority().Issue({.node_id = "n0", .role = kManagerRole})));
  const std::string outcome = Outcome(ca_.Issue({.node_id = "n1"}));
  EXPECT_TRUE(outcome.starts_with("its certificate is not one of this swarm's: ")) << outcome;
}

TEST_F(StrangerTest, NorOneWhoseTimeIsOver) {
  Serve().Use(Read(ca_.Issue({.node_id = "n0", .role = kManagerRole, .begins = -3600, .ends = -60})));
  const std::string outcome = Outcome(ca_.Issue({.node_id = "n1"}));
  EXPECT_EQ(outcome, "its certificate is not one of this swarm's: certificate has expired");
}

TEST_F(StrangerTest, SilenceEndsInTime) {
  PeerServerLimits limits;
  limits.handshake = milliseconds(100);
  Serve(limits);
  tcp::socket silent = Knock();
  ASSERT_TRUE(RunUntil(loop_, [&] { return IsClosed(silent); }));
}

TEST_F(StrangerTest, ManyWhoOnlyKnockKeepNobodyOut) {
  PeerServerLimits limits;
  limits.handshakes_per_host = 3;
  limits.handshakes = 4;
  limits.handshake = milliseconds(300);
  Serve(limits);
  std::vector<tcp::socket> sockets;
  for (int i = 0; i < 10; ++i) sockets.push_back(Knock());
  const auto closed = [&] { return std::count_if(sockets.begin(), sockets.end(), IsClosed); };
  ASSERT_TRUE(RunUntil(loop_, [&] { return closed() >= 7; }));
  EXPECT_EQ(closed(), 7);
  ASSERT_TRUE(RunUntil(loop_, [&] { return closed() == 10; }));
  EXPECT_EQ(Outcome(ca_.Issue({.node_id = "n1"})), "web");
}

TEST_F(StrangerTest, RubbishAndOtherRequestsAreRefused) {
  Serve();
  const auto credentials = Read(ca_.Issue({.node_id = "n1"}));
  for (const char* text : {"GET /v1/other HTTP/1.1\r\nHost: x\r\n\r\n", "POST /v1/swarm HTTP/1.1\r\nHost: x\r\n\r\n",
                           "POST /v1/swarm HTTP/1.1\r\nContent-Length: 9\r\n\r\n123456789", "nonsense\r\n\r\n"}) {
    asio::ssl::stream<tcp::socket> stream(Knock(), credentials->context());
    std::string answer(4096, '\0');
    std::optional<size_t> size;
    stream.async_handshake(asio::ssl::stream_base::client, [&](const boost::system::error_code& error) {
      ASSERT_FALSE(error) << error.message();
      asio::write(stream, asio::buffer(std::string(text)));
      stream.async_read_some(asio::buffer(answer), [&](const boost::system::error_code&, size_t read) { size = read; });
    });
    ASSERT_TRUE(RunUntil(loop_, [&] { return size.has_value(); })) << text;
    EXPECT_EQ(answer.find("services"), std::string::npos) << answer;
  }
}

}  // namespace
}  // namespace xlb
