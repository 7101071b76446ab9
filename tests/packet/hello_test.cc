// Hellos: who asks with the pair's key is answered, and answers to questions of this node's own are noted.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cstring>

#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kOtherUid[] = "b1:b2:b3:b4:b5:b6";

// SipHash-2-4 by OpenSSL: not the code under test.
void Sign(xlb_hello& hello, const uint64_t (&key)[2]) {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "SIPHASH", nullptr);
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac);
  size_t size = sizeof(hello.tag);
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t("size", &size), OSSL_PARAM_construct_end()};
  size_t written = 0;
  EXPECT_EQ(EVP_MAC_CTX_set_params(context, params), 1);  // init is too late for the size
  EXPECT_EQ(EVP_MAC_init(context, reinterpret_cast<const uint8_t*>(key), sizeof(key), nullptr), 1);
  EXPECT_EQ(EVP_MAC_update(context, reinterpret_cast<const uint8_t*>(&hello), XLB_HELLO_SIGNED), 1);
  EXPECT_EQ(EVP_MAC_final(context, hello.tag, &written, sizeof(hello.tag)), 1);
  EXPECT_EQ(written, sizeof(hello.tag));
  EVP_MAC_CTX_free(context);
  EVP_MAC_free(mac);
}

xlb_hello Hello(xlb_hello_kind kind, uint64_t seq) {
  xlb_hello hello{};
  hello.version = htons(XLB_HELLO_VERSION);
  hello.kind = kind;
  hello.seq = htobe64(seq);
  hello.asker = AddressBe(kind == XLB_HELLO_ASK ? kWorkerIp : kNodeIp);
  std::memcpy(hello.uids[0].uid, ParseMac(kUidMac).data(), XLB_UID_PREFIX);
  std::memcpy(hello.uids[3].uid, ParseMac("b1:b2:b3:b4:b5:b7").data(), XLB_UID_PREFIX);
  std::memcpy(hello.uids[7].uid, ParseMac(kOtherUid).data(), XLB_UID_PREFIX);
  return hello;
}

Packet Inner(const xlb_hello& hello) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&hello);
  return Packet::Ethernet(XLB_HELLO_ETHERTYPE).Macs(kCookieMac, kUidMac).Payload(Bytes(bytes, bytes + sizeof(hello)));
}

Packet Frame(const xlb_hello& hello) {
  return PeerFrame(Packet::Ethernet(0)).Vxlan(XLB_PEER_VNI, Inner(hello).Build());
}

class HelloTest : public UplinkTest {
 protected:
  void SetUp() override {
    UplinkTest::SetUp();
    Node node = OneService(Local("172.18.0.3", 80));
    node.backend(1) = WithUid(node.backend(1), kUidMac);
    node.backend(2) = WithUid(node.backend(2), kOtherUid);
    Use(node.Delivers(1).Delivers(2).Peer(kWorkerIp, kCookieMac, "d1:d2:d3:d4:d5:d6"));
  }
  std::optional<xlb_peer_state> Noted() const {
    const uint32_t address = AddressBe(kWorkerIp);
    xlb_peer_state state;
    if (bpf_map_lookup_elem(Programs().maps().peer_states, &address, &state) != 0) return std::nullopt;
    return state;
  }
  void Answered(const uint64_t (&key)[2]) {
    xlb_hello ask = Hello(XLB_HELLO_ASK, 12345);
    Sign(ask, key);
    xlb_hello answer = ask;
    answer.kind = XLB_HELLO_ANSWER;
    answer.delivers = htonl(1u << 0 | 1u << 7);
    Sign(answer, key);
    // To the data path port, whatever port was asked from.
    const Packet expected = Frame(answer).Macs(kUplinkMac, kWorkerMac).From("192.0.2.1:4789").To("192.0.2.20:4789");
    Sent(Frame(ask).Ttl(7), expected, {"peer_hello"});
  }
  void Note(const xlb_hello& answer) {
    EXPECT_EQ(Run(GetParam(), Frame(answer).Build(), {"peer_answer"}).verdict, Verdict::kDrop);
  }
};
XLB_BOTH_UPLINK_PROGRAMS(HelloTest);

TEST_P(HelloTest, AQuestionIsAnswered) { Answered(kPeerKey); }
TEST_P(HelloTest, WithTheKeyThatItIsAskedWith) { Answered(kOldPeerKey); }

TEST_P(HelloTest, AStrangerIsNot) {
  xlb_hello ask = Hello(XLB_HELLO_ASK, 1);
  Sign(ask, kPeerKey);
  Dropped(Frame(ask).From("192.0.2.66:51000"), {"drop.peer_unknown"});
  xlb_hello forged = ask;
  forged.seq = htobe64(2);
  Dropped(Frame(forged), {"drop.peer_unknown"});
  forged = ask;
  forged.tag[7] ^= 1;
  Dropped(Frame(forged), {"drop.peer_unknown"});
  const uint64_t another[2] = {1, 2};
  Sign(ask, another);
  Dropped(Frame(ask), {"drop.peer_unknown"});
}

// With the pair's own signature, but not on its way: a question of this node's sent back to it, an answer of it
// likewise.
TEST_P(HelloTest, AReflectionIsNot) {
  xlb_hello own = Hello(XLB_HELLO_ASK, 9);
  own.asker = AddressBe(kNodeIp);
  Sign(own, kPeerKey);
  Dropped(Frame(own), {"drop.peer_unknown"});
  xlb_hello answer = Hello(XLB_HELLO_ANSWER, 9);
  answer.asker = AddressBe(kWorkerIp);
  Sign(answer, kPeerKey);
  Dropped(Frame(answer), {"drop.peer_unknown"});
  EXPECT_FALSE(Noted());
}

TEST_P(HelloTest, OneToAnotherNodeIsRoutedOn) {
  xlb_hello ask = Hello(XLB_HELLO_ASK, 1);
  Sign(ask, kPeerKey);
  ask.tag[0] ^= 1;
  Passed(Frame(ask).To("192.0.2.99:4789"), {"pass_tunnel"});
}

TEST_P(HelloTest, TheKeyOfNobodyIsNoKey) {
  Use(std::move(OneService(Local("172.18.0.3", 80)).Peer(kWorkerIp, kCookieMac)));
  const uint64_t nobodys[2] = {0, 0};
  xlb_hello ask = Hello(XLB_HELLO_ASK, 1);
  Sign(ask, nobodys);
  Dropped(Frame(ask), {"drop.peer_unknown"});
}

TEST_P(HelloTest, AnswersAreNoted) {
  xlb_hello answer = Hello(XLB_HELLO_ANSWER, 77);
  answer.version = htons(9);
  answer.capabilities = htons(5);
  answer.delivers = htonl(0x81);
  Sign(answer, kPeerKey);
  Note(answer);
  ASSERT_TRUE(Noted());
  EXPECT_EQ(Noted()->seq, 77u);
  EXPECT_EQ(Noted()->version, 9);
  EXPECT_EQ(Noted()->capabilities, 5);
  EXPECT_EQ(Noted()->delivers, 0x81u);
}

TEST_P(HelloTest, AnOldAnswerSaysNothingNew) {
  for (const uint64_t seq : {77, 76, 77}) {
    xlb_hello answer = Hello(XLB_HELLO_ANSWER, seq);
    answer.delivers = htonl(static_cast<uint32_t>(seq == 77 ? 7 : 6));
    Sign(answer, kPeerKey);
    Note(answer);
  }
  EXPECT_EQ(Noted()->seq, 77u);
  EXPECT_EQ(Noted()->delivers, 7u);
}

TEST_P(HelloTest, ForgedAnswersAreNotNoted) {
  xlb_hello answer = Hello(XLB_HELLO_ANSWER, 77);
  Sign(answer, kPeerKey);
  answer.delivers = htonl(0xff);
  Dropped(Frame(answer), {"drop.peer_unknown"});
  EXPECT_FALSE(Noted());
}

TEST_P(HelloTest, CutShort) {
  xlb_hello ask = Hello(XLB_HELLO_ASK, 1);
  Sign(ask, kPeerKey);
  Bytes inner = Inner(ask).Build();
  inner.resize(inner.size() - 1);
  Dropped(PeerFrame(Packet::Ethernet(0)).Vxlan(XLB_PEER_VNI, inner), {"drop.peer_unknown"});
}

}  // namespace
}  // namespace xlb::test
