// Whatever comes in, one of three things comes out: the very same frame, passed up and counted under a reason; nothing,
// counted under another; or a frame rewritten throughout, its checksums as right as they were.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "packet/checksum.h"
#include "packet/icmp_error.h"
#include "packet/packet_generator.h"
#include "packet/packet_test.h"
#include "packet/packet_text.h"

namespace xlb::test {
namespace {

constexpr int kFrames = 15000;                        // a seed
constexpr std::chrono::milliseconds kMostTime{4000};  // a seed: a slow machine tries fewer frames
constexpr int kEnoughForAll = 5000;                   // frames after which each rare way was taken at least once
constexpr size_t kTunnelRoom = 50;
constexpr uint32_t kLo = 1;                  // in every namespace
constexpr uint32_t kSplitMark = 0x786c6266;  // FRAGMENT_SPLIT_MARK

// On the worker, whose xlb delivers to it.
xlb_backend OfPeer(std::string_view address, uint8_t flags) {
  xlb_backend backend = WithUid(Vxlan(address, 80), "b1:b2:b3:b4:b5:b6");
  backend.flags = flags;
  return backend;
}

Node BusyNode() {
  return Node()
      .Peer(kWorkerIp, kCookieMac)
      .Address(kNodeIp)
      .Address(kNodeIp2)
      .Uplink(Network().uplink2, true)
      .Service("tcp", "*", 8091,
               {Vxlan("10.0.0.7", 80), Route("10.1.0.5", 8080), WithUid(Local("172.18.0.3", 80), kUidMac)})
      .Delivers(3)
      .Service("udp", "*", 8091, {Vxlan("10.0.0.7", 53), Route("10.1.0.5"), Local("172.18.0.3", 53)}, XLB_PICK_HASH)
      .Service("tcp", "*", 8092, {Route(kOtherUplinkIp, 80), Route(kSilentIp, 80), Route(kUnreachableIp, 80)})
      .Service("udp", "*", 8092, {Route(kOtherUplinkIp), Vxlan("10.0.0.8")})
      .Service("tcp", "192.0.2.200", 80, {Vxlan("10.0.0.9", 80)})
      .Service("udp", "192.0.2.200", 4789, {Route("10.1.0.6", 4789)})
      .Service("tcp", "*", 8094, {Vxlan("10.0.0.7", 80)})  // the first service's task by another port
      .Service("tcp", "*", 8095, {OfPeer("10.0.0.10", XLB_BACKEND_PEER), OfPeer("10.0.0.11", XLB_BACKEND_PEER)},
               XLB_PICK_HASH)
      .Service("udp", "*", 8095, {OfPeer("10.0.0.12", XLB_BACKEND_PEER | XLB_BACKEND_DIRECT)}, XLB_PICK_LEAST);
}

uint32_t IfindexOf(Program program) {
  if (program == Program::kHost) return kLo;
  return program == Program::kTask ? Network().task : Network().uplink;
}

class PropertyTest : public PacketTest, public testing::WithParamInterface<int> {
 protected:
  // How many of the counters that moved are of this sort.
  static int CountOf(const Counts& moved, std::string_view part) {
    int count = 0;
    for (const auto& [name, traffic] : moved) {
      if (name.find(part) != std::string::npos) count++;
    }
    return count;
  }

  // What may differ, beside addresses, in a packet with these counters.
  struct Sent {
    bool split = false;
    bool clamped = false;
  };

  // The first part of a packet that was cut.
  Bytes FirstPart(const Bytes& in) const {
    const unsigned length = kIpLength + (node_.self.tunnel_mtu - kIpLength) / 8 * 8;
    Bytes part(in.begin(), in.begin() + static_cast<long>(kEthernetLength + length));
    Set16(part, kEthernetLength + 2, length);
    Set16(part, kEthernetLength + 6, Get16(part, kEthernetLength + 6) | 0x2000u);
    return part;
  }

  // An error as long as it came, with one taken off its TTL and no more wrong with its checksum than there was.
  void CheckError(const Bytes& in, const Bytes& out) {
    ASSERT_TRUE(out.size() == in.size() || out.size() == in.size() + kTunnelRoom ||
                out.size() + kTunnelRoom == in.size());
    const size_t from = kEthernetLength + (out.size() < in.size() ? kTunnelRoom : 0);
    const size_t to = kEthernetLength + (out.size() > in.size() ? kTunnelRoom : 0);
    const size_t length = Get16(in, from + 2);
    ASSERT_EQ(Get16(out, to + 2), length);
    ASSERT_EQ(OnesSum(out, kEthernetLength, kIpLength), 0xffff);
    ASSERT_EQ(OnesSum(out, to, kIpLength), 0xffff);
    ASSERT_EQ(OnesSum(out, to + kIpLength, length - kIpLength) % 0xffff,
              OnesSum(in, from + kIpLength, length - kIpLength) % 0xffff);
    ASSERT_EQ(out.at(to + 8), in.at(from + 8) - 1);
    ASSERT_EQ(out.at(to + kIpLength), in.at(from + kIpLength)) << "type";
    for (size_t i = kIpLength + 8 + kIpLength + kTcpLength; i < length; i++) ASSERT_EQ(out.at(to + i), in.at(from + i));
  }

  void CheckSent(const Bytes& in, const Bytes& out, const Sent& sent) {
    ASSERT_TRUE(out.size() == in.size() || out.size() == in.size() + kTunnelRoom ||
                out.size() + kTunnelRoom == in.size());
    // Where the balanced packet lies.
    const size_t from = kEthernetLength + (out.size() < in.size() ? kTunnelRoom : 0);
    const size_t to = kEthernetLength + (out.size() > in.size() ? kTunnelRoom : 0);
    // XDP's shortest way does not look at the packet's own sum: what was wrong stays wrong, by as much.
    const int wrong = sent.split ? 0 : OnesSum(in, from, kIpLength) % 0xffff;
    ASSERT_EQ(OnesSum(out, to, kIpLength) % 0xffff, wrong) << "IP header";
    ASSERT_EQ(out.at(to + 8), in.at(from + 8) - 1) << "TTL";
    ASSERT_EQ(Get16(out, to + 2), Get16(in, from + 2)) << "total length";
    if (to != kEthernetLength) {
      ASSERT_EQ(OnesSum(out, kEthernetLength, kIpLength), 0xffff) << "outer IP header";
      ASSERT_EQ(Get16(out, kEthernetLength + 2), Get16(in, from + 2) + kTunnelRoom);
      ASSERT_EQ(Get16(out, kEthernetLength + 6), 0) << "fragment bits";
      ASSERT_EQ(Get16(out, kEthernetLength + kIpLength + 6), 0) << "outer UDP checksum";
    }
    const size_t payload = Get16(in, from + 2) - kIpLength;
    const size_t l4 = from + kIpLength;
    const uint16_t fragment = Get16(in, from + 6);
    const bool whole = (fragment & 0x3fff) == 0, later = (fragment & 0x1fff) != 0;
    if (whole) {
      ASSERT_LE(in.at(from + 9) == kTcp ? (in.at(l4 + 12) >> 4) * 4u : Get16(in, l4 + 4), payload) << "malformed";
    }
    // What is neither address, port, TTL, TOS nor checksum is the sender's.
    const size_t checksum = in.at(from + 9) == kTcp ? 36 : 26;
    if (whole) {
      ASSERT_EQ(ChecksumResidue(out, to), ChecksumResidue(in, from));
    } else if (!later && (in.at(from + 9) == kTcp || Get16(in, l4 + 6) != 0)) {
      ASSERT_EQ(OnesSum(out, to + kIpLength, payload, PseudoHeaderSum(out, to, payload)) % 0xffff,
                OnesSum(in, l4, payload, PseudoHeaderSum(in, from, payload)) % 0xffff);
    }
    const auto rewritten = [&](size_t i) {
      if (sent.split && (i == 6 || i == 7)) return true;
      if (later && i >= 20) return false;
      if (sent.clamped && i >= kIpLength + kTcpLength && i < kIpLength + 60) return true;
      return i == 1 || i == 8 || i == 10 || i == 11 || (i >= 12 && i < 24) || i == checksum || i == checksum + 1;
    };
    for (size_t i = 0; from + i < in.size(); i++) {
      ASSERT_TRUE(rewritten(i) || out.at(to + i) == in.at(from + i)) << "byte " << i << " of the packet";
    }
  }

  // A reset to the sender of `in`: no longer than its headers, and right.
  void CheckReset(const Bytes& in, const Bytes& out) {
    const size_t at = out.size() - kTcpLength - kIpLength;
    ASSERT_TRUE(at == kEthernetLength || at == kEthernetLength + kTunnelRoom) << out.size();
    ASSERT_EQ(Bytes(out.begin(), out.begin() + 6), Bytes(in.begin() + 6, in.begin() + 12)) << "MAC address";
    ASSERT_EQ(Get32(out, at + 12), Get32(in, at + 16)) << "source";
    ASSERT_EQ(Get32(out, at + 16), Get32(in, at + 12)) << "destination";
    ASSERT_EQ(Get32(out, at + 20), (Get32(in, at + 20) << 16 | Get32(in, at + 20) >> 16)) << "ports";
    ASSERT_EQ(out.at(at + 33) & ~0x10, 4) << "flags";
    ASSERT_EQ(in.at(at + 33) & 4, 0) << "the reset of a reset";
    ASSERT_EQ(ChecksumErrors(out), "");
  }

  void Check(const PacketGenerator::Input& input, const Outcome& outcome, const Counts& moved) {
    ASSERT_LE(moved.size(), 6u);
    if (input.marked) {
      // What is not even for this node is not looked at; else a part of it was sent, and the host must not get the
      // rest.
      const bool looked_at = CountOf(moved, ".pass_link") + CountOf(moved, ".pass_vlan") == 0;
      ASSERT_FALSE(looked_at && outcome.verdict == Verdict::kPass);
      return;
    }
    if (outcome.verdict == Verdict::kPass) {
      ASSERT_EQ(Difference(input.frame, outcome.frame), "");
      ASSERT_EQ(CountOf(moved, ".pass_"), 1);
      ASSERT_EQ(CountOf(moved, ".drop.") + CountOf(moved, ".forward_") + CountOf(moved, ".reply_") +
                    CountOf(moved, ".answer_"),
                0);
    } else if (outcome.verdict == Verdict::kDrop) {
      ASSERT_EQ(CountOf(moved, ".drop."), 1);
      ASSERT_EQ(CountOf(moved, ".pass_"), 0);
    } else {
      ASSERT_NE(ToString(outcome.verdict), "unknown");
      ASSERT_EQ(CountOf(moved, ".drop.") + CountOf(moved, ".pass_"), 0);
      if (CountOf(moved, ".answer_reset") == 1) {
        ASSERT_NO_FATAL_FAILURE(CheckReset(input.frame, outcome.frame));
        return;
      }
      if (CountOf(moved, ".answer_") == 1) {
        ASSERT_EQ(IcmpErrorFlaws(input.frame, outcome.frame), "");
        return;
      }
      if (CountOf(moved, ".icmp_error") == 1) {
        ASSERT_NO_FATAL_FAILURE(CheckError(input.frame, outcome.frame));
        return;
      }
      ASSERT_EQ(CountOf(moved, ".forward_") + CountOf(moved, ".reply_"), 1);
      const Sent sent{.split = CountOf(moved, ".fragment_split") == 1, .clamped = CountOf(moved, ".mss_clamped") == 1};
      ASSERT_NO_FATAL_FAILURE(CheckSent(sent.split ? FirstPart(input.frame) : input.frame, outcome.frame, sent));
    }
  }

  // The world moves on meanwhile.
  void Disturb(PacketGenerator& generator) {
    if (generator.OneIn(2)) {
      const uint32_t id = 1 + generator.Below(static_cast<uint32_t>(node_.backends().size()));
      constexpr uint8_t kActive = XLB_BACKEND_ACTIVE;
      node_.backend(id).state = generator.OneIn(3) ? static_cast<uint8_t>(generator.Below(4)) : kActive;
      if (generator.OneIn(4)) node_.backend(id).generation++;
    }
    node_.self.new_flow_limit = generator.OneIn(10) ? 1 : 0;
    node_.self.tick_shift = 20 + generator.Below(12);
    node_.self.tunnel_mtu = generator.OneIn(4) ? 200 : 1450;
    RaiseEpoch();
  }
};

INSTANTIATE_TEST_SUITE_P(Seed, PropertyTest, testing::Values(1, 2, 3), testing::PrintToStringParamName());

TEST_P(PropertyTest, AFrameIsPassedAsItCameOrSentWholeOrDroppedAndCounted) {
  PacketGenerator generator(static_cast<uint64_t>(GetParam()));
  Node node = BusyNode();
  node.self.bridge_addr = AddressBe("172.18.0.1");
  Use(std::move(node));
  const auto end = std::chrono::steady_clock::now() + kMostTime;
  std::map<std::string, int> outcomes;
  Counts before = ReadCounts();
  int tried = 0;
  for (int i = 0; i < kFrames && std::chrono::steady_clock::now() < end; i++) {
    if (i % 50 == 0) Disturb(generator);
    const PacketGenerator::Input input = generator.Next();
    const uint32_t ifindex = IfindexOf(input.program);
    const Outcome outcome =
        Programs().Run(input.program, input.frame, {.ifindex = ifindex, .mark = input.marked ? kSplitMark : 0});
    if (outcome.error == EINVAL && input.frame.size() < kEthernetLength + kIpLength) {
      outcomes["refused by the kernel"]++;
      continue;
    }
    ASSERT_EQ(outcome.error, 0) << Scapy(input.frame);
    const Counts after = ReadCounts(), moved = Difference(before, after);
    before = after;
    Check(input, outcome, moved);
    if (HasFatalFailure()) {
      GTEST_FAIL() << fmt::format("seed {}, frame {}, program {}: {}", GetParam(), i, static_cast<int>(input.program),
                                  Scapy(input.frame));
    }
    outcomes[ToString(outcome.verdict)]++;
    tried++;
    for (const char* name :
         {"answer_reset", "icmp_error", "fragment", "fragment_split", "forward_peer", "reply_peer"}) {
      outcomes[name] += CountOf(moved, std::string(".") + name) > 0;
    }
    const bool forwarded =
        CountOf(moved, ".forward_") == 1 && CountOf(moved, ".fragment") == 0 && outcome.verdict != Verdict::kDrop;
    if (forwarded) generator.Learn(outcome.frame);
  }
  fmt::print("seed {}:", GetParam());
  for (const auto& [name, count] : outcomes) fmt::print(" {} {},", name, count);
  fmt::print(" flows {}\n", Flows());
  // Frames that are all passed up would test nothing.
  EXPECT_GT(outcomes["transmit"] + outcomes["redirect"], outcomes["pass"] / 10);
  EXPECT_GT(outcomes["drop"], 0);
  if (tried < kEnoughForAll) return;
  for (const char* name : {"answer_reset", "icmp_error", "fragment", "forward_peer", "reply_peer"}) {
    EXPECT_GT(outcomes[name], 0) << name;
  }
}

}  // namespace
}  // namespace xlb::test
