// What BPF_PROG_TEST_RUN cannot show: the device that a frame leaves by, neighbours that the kernel asks for, VLAN tags
// that the kernel has taken off. The programs are attached, and frames come in by the devices' far ends.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <functional>

#include "base/unique_fd.h"
#include "packet/checksum.h"
#include "packet/packet_test.h"
#include "packet/packet_text.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

constexpr char kSnat[] = "192.0.2.1:40000";

// The far end of a veth: the wire.
class Wire {
 public:
  explicit Wire(const char* device) : socket_(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex(device));
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }

  void Send(const Bytes& frame) {
    EXPECT_EQ(send(socket_.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  }

  // The next frame of this Ethernet type that comes out of the node; empty when there is none within a second.
  Bytes Receive(uint16_t type) {
    pollfd poll_fd{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    while (poll(&poll_fd, 1, 1000) == 1) {
      Bytes frame(4096);
      sockaddr_ll from{};
      socklen_t length = sizeof(from);
      const ssize_t size =
          recvfrom(socket_.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
      if (size < static_cast<ssize_t>(kEthernetLength)) continue;
      frame.resize(static_cast<size_t>(size));
      if (from.sll_pkttype != PACKET_OUTGOING && Get16(frame, 12) == type) return frame;
    }
    return {};
  }

 private:
  UniqueFd socket_;
};

class WireTest : public PacketTest {
 protected:
  void AttachTc(uint32_t ifindex, Program program) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex), .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = Programs().fd(program), .handle = 1, .priority = 1);
    ASSERT_EQ(bpf_tc_hook_create(&hook), 0);
    ASSERT_EQ(bpf_tc_attach(&hook, &options), 0);
    detach_.push_back([ifindex] {
      // Made here: libbpf looks at the padding of its options, which a copy need not keep.
      LIBBPF_OPTS(bpf_tc_hook, both, .ifindex = static_cast<int>(ifindex));
      both.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
      EXPECT_EQ(bpf_tc_hook_destroy(&both), 0);
    });
  }

  void AttachXdp() {
    const int ifindex = static_cast<int>(Network().uplink);
    ASSERT_EQ(bpf_xdp_attach(ifindex, Programs().fd(Program::kXdp), XDP_FLAGS_SKB_MODE, nullptr), 0);
    detach_.push_back([ifindex] { bpf_xdp_detach(ifindex, XDP_FLAGS_SKB_MODE, nullptr); });
  }

  void TearDown() override {
    for (const auto& detach : detach_) detach();
  }

  // Sends `frame` into `wire` and waits until the node has counted it.
  void ExpectCounted(Wire& wire, const Bytes& frame, const Counts& expected) {
    const Counts before = ReadCounts();
    wire.Send(frame);
    Counts moved;
    for (int i = 0; i < 100 && moved.empty(); i++) {
      moved = Difference(before, ReadCounts());
      if (moved.empty()) usleep(10'000);
    }
    EXPECT_EQ(moved, expected);
  }

  std::vector<std::function<void()>> detach_;
};

TEST_F(WireTest, AVlanTagThatTheKernelTookOffIsSeen) {
  AttachTc(Network().uplink, Program::kUplink);
  AttachTc(Network().task, Program::kTask);
  Use(OneService(Route("10.1.0.5", 8080)));
  Wire uplink("up0p"), task("task0p");
  const Bytes frame = ClientTcp("S").Vlan(5).Build();
  ExpectCounted(uplink, frame, {{"tc.pass_vlan", {1, frame.size() - 4}}});
  ExpectCounted(task, frame, {{"task.pass_vlan", {1, frame.size() - 4}}});
  EXPECT_EQ(Flows(), 0u);
}

TEST_F(WireTest, TcSendsBackByTheSameDevice) {
  AttachTc(Network().uplink, Program::kUplink);
  Use(OneService(Route("10.1.0.5", 8080)));
  Wire wire("up0p");
  const Packet syn = ClientTcp("S");
  wire.Send(syn.Build());
  EXPECT_EQ(Difference(RoutedTo(syn, kSnat, "10.1.0.5:8080").Build(), wire.Receive(kEtherIpv4)), "");
}

TEST_F(WireTest, TcSendsByAnotherDevice) {
  AttachTc(Network().uplink, Program::kUplink);
  Use(OneService(Route(kOtherUplinkIp, 8080)));
  Wire wire("up0p"), other("up1p");
  const Packet syn = ClientTcp("S");
  wire.Send(syn.Build());
  EXPECT_EQ(Difference(RoutedTo(syn, kSnat, "198.51.100.5:8080").Macs(kUplink2Mac, kOtherUplinkMac).Build(),
                       other.Receive(kEtherIpv4)),
            "");
}

TEST_F(WireTest, XdpSendsBackAndByAnotherDevice) {
  AttachXdp();
  Use(Node()
          .Address(kNodeIp)
          .Uplink(Network().uplink2, true)
          .Service("tcp", "*", 8091, {Route("10.1.0.5", 8080)})
          .Service("udp", "*", 8091, {Route(kOtherUplinkIp, 8080)}));
  Wire wire("up0p"), other("up1p");
  const Packet syn = ClientTcp("S"), question = ClientUdp();
  wire.Send(syn.Build());
  EXPECT_EQ(Difference(RoutedTo(syn, kSnat, "10.1.0.5:8080").Build(), wire.Receive(kEtherIpv4)), "");
  wire.Send(question.Build());
  EXPECT_EQ(Difference(RoutedTo(question, kSnat, "198.51.100.5:8080").Macs(kUplink2Mac, kOtherUplinkMac).Build(),
                       other.Receive(kEtherIpv4)),
            "");
}

// The kernel asks for the neighbour of the gateway, holds the frame, and sends it when the answer comes.
TEST_F(WireTest, ANeighbourIsAskedForAndThePacketFollows) {
  for (const char* address : {kSilentIp, kBehindSilentIp}) {
    SetUp();
    AttachTc(Network().uplink, Program::kUplink);
    Use(OneService(Route(address, 8080)));
    Wire wire("up0p");
    const Packet syn = ClientTcp("S");
    wire.Send(syn.Build());
    const Bytes request = wire.Receive(kEtherArp);
    ASSERT_GE(request.size(), 42u);
    EXPECT_EQ(IpText(Get32(request, 38)), kSilentIp) << "who is asked for";

    Bytes answer = Packet::ArpRequest(kSilentIp, kNodeIp).Build();
    Set16(answer, 20, 2);  // a reply
    wire.Send(answer);
    const std::string backend = std::string(address) + ":8080";
    EXPECT_EQ(Difference(RoutedTo(syn, kSnat, backend).Macs(kUplinkMac, "02:00:00:00:00:10").Build(),
                         wire.Receive(kEtherIpv4)),
              "");
    EXPECT_TRUE(ChangeNetwork("neighbor flush 192.0.2.66 dev up0\n").ok());
    TearDown();
    detach_.clear();
  }
}

// A tunnel header put on an skb must be one that the stack can go on with, to the wire.
TEST_F(WireTest, TcSendsAndTakesTunnelFrames) {
  AttachTc(Network().uplink, Program::kUplink);
  Use(OneService(Vxlan("10.0.0.7", 80)));
  Wire wire("up0p");
  const Packet syn = ClientTcp("S");
  wire.Send(syn.Build());
  const Bytes sent = wire.Receive(kEtherIpv4);
  ASSERT_EQ(sent.size(), syn.Build().size() + 50);
  EXPECT_EQ(Difference(ToTask(syn, "10.0.0.2:40000", "10.0.0.7:80", kIngressMac).Build(),
                       Bytes(sent.begin() + 50, sent.end())),
            "");
  const Packet reply = Packet::Tcp("10.0.0.7:80", "10.0.0.2:40000").Macs(kTaskMac, kIngressMac).Flags("SA");
  wire.Send(Wrapped(reply).Build());
  EXPECT_EQ(Difference(ToClient(reply).Build(), wire.Receive(kEtherIpv4)), "");
}

// The second part is the whole packet once more, by way of the device's own ingress.
TEST_F(WireTest, ADatagramTooLargeForTheTunnelLeavesInTwoParts) {
  AttachTc(Network().uplink, Program::kUplink);
  Use(OneService(Vxlan("10.0.0.7", 53)));
  Wire wire("up0p");
  for (const bool with_xdp : {false, true}) {
    if (with_xdp) AttachXdp();  // generic: it sees the second part as well
    const Packet question = ClientUdp().PayloadOf(1472).Id(with_xdp);
    const std::vector<Bytes> inner =
        FragmentsOf(ToTask(question, "10.0.0.2:40000", "10.0.0.7:53", kIngressMac).Build(), 1450);
    const Counts before = ReadCounts();
    wire.Send(question.Build());
    for (const Bytes& part : inner) {
      const Bytes sent = wire.Receive(kEtherIpv4);
      ASSERT_GT(sent.size(), 50u) << "with XDP: " << with_xdp;
      EXPECT_EQ(Difference(part, Bytes(sent.begin() + 50, sent.end())), "");
      EXPECT_EQ(Get16(sent, kEthernetLength + 2), sent.size() - kEthernetLength);
      EXPECT_EQ(OnesSum(sent, kEthernetLength, kIpLength), 0xffff);
    }
    const Counts moved = Difference(before, ReadCounts());
    EXPECT_EQ(moved.at("tc.fragment_split").packets, 1u);
    EXPECT_EQ(moved.at("tc.fragment").packets, 1u);
    EXPECT_EQ(moved.at("tc.forward_vxlan").packets, 2u);
  }
}

}  // namespace
}  // namespace xlb::test
