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
constexpr size_t kTunnelRoom = 50;

Node BusyNode() {
  return Node()
      .Address(kNodeIp)
      .Address(kNodeIp2)
      .Uplink(Network().uplink2, true)
      .Service("tcp", "*", 8091, {Vxlan("10.0.0.7", 80), Route("10.1.0.5", 8080), Local("172.18.0.3", 80)})
      .Service("udp", "*", 8091, {Vxlan("10.0.0.7", 53), Route("10.1.0.5"), Local("172.18.0.3", 53)}, XLB_PICK_HASH)
      .Service("tcp", "*", 8092, {Route(kOtherUplinkIp, 80), Route(kSilentIp, 80), Route(kUnreachableIp, 80)})
      .Service("udp", "*", 8092, {Route(kOtherUplinkIp), Vxlan("10.0.0.8")})
      .Service("tcp", "192.0.2.200", 80, {Vxlan("10.0.0.9", 80)})
      .Service("udp", "192.0.2.200", 4789, {Route("10.1.0.6", 4789)})
      .Service("tcp", "*", 8094, {Vxlan("10.0.0.7", 80)});  // the first service's task by another port
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

  void CheckSent(const Bytes& in, const Bytes& out) {
    ASSERT_TRUE(out.size() == in.size() || out.size() == in.size() + kTunnelRoom ||
                out.size() + kTunnelRoom == in.size());
    // Where the balanced packet lies.
    const size_t from = kEthernetLength + (out.size() < in.size() ? kTunnelRoom : 0);
    const size_t to = kEthernetLength + (out.size() > in.size() ? kTunnelRoom : 0);
    ASSERT_EQ(OnesSum(out, kEthernetLength, kIpLength), 0xffff) << "IP header";
    ASSERT_EQ(OnesSum(out, to, kIpLength), 0xffff) << "inner IP header";
    ASSERT_EQ(ChecksumResidue(out, to), ChecksumResidue(in, from));
    ASSERT_EQ(out.at(to + 8), in.at(from + 8) - 1) << "TTL";
    ASSERT_EQ(Get16(out, to + 2), Get16(in, from + 2)) << "total length";
    if (to != kEthernetLength) {
      ASSERT_EQ(Get16(out, kEthernetLength + 2), Get16(in, from + 2) + kTunnelRoom);
      ASSERT_EQ(Get16(out, kEthernetLength + 6), 0) << "fragment bits";
      ASSERT_EQ(Get16(out, kEthernetLength + kIpLength + 6), 0) << "outer UDP checksum";
    }
    const size_t payload = Get16(in, from + 2) - kIpLength;
    const size_t l4 = from + kIpLength;
    ASSERT_LE(in.at(from + 9) == kTcp ? (in.at(l4 + 12) >> 4) * 4u : Get16(in, l4 + 4), payload) << "malformed";
    // What is neither address, port, TTL, TOS nor checksum is the sender's.
    const size_t checksum = in.at(from + 9) == kTcp ? 36 : 26;
    const auto rewritten = [checksum](size_t i) {
      return i == 1 || i == 8 || i == 10 || i == 11 || (i >= 12 && i < 24) || i == checksum || i == checksum + 1;
    };
    for (size_t i = 0; from + i < in.size(); i++) {
      ASSERT_TRUE(rewritten(i) || out.at(to + i) == in.at(from + i)) << "byte " << i << " of the packet";
    }
  }

  void Check(const PacketGenerator::Input& input, const Outcome& outcome, const Counts& moved) {
    ASSERT_LE(moved.size(), 5u);
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
      if (CountOf(moved, ".answer_") == 1) {
        ASSERT_EQ(IcmpErrorFlaws(input.frame, outcome.frame), "");
        return;
      }
      ASSERT_EQ(CountOf(moved, ".forward_") + CountOf(moved, ".reply_"), 1);
      ASSERT_NO_FATAL_FAILURE(CheckSent(input.frame, outcome.frame));
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
  Use(BusyNode());
  const auto end = std::chrono::steady_clock::now() + kMostTime;
  std::map<std::string, int> outcomes;
  Counts before = ReadCounts();
  for (int i = 0; i < kFrames && std::chrono::steady_clock::now() < end; i++) {
    if (i % 50 == 0) Disturb(generator);
    const PacketGenerator::Input input = generator.Next();
    const uint32_t ifindex = input.program == Program::kTask ? Network().task : Network().uplink;
    const Outcome outcome = Programs().Run(input.program, input.frame, {.ifindex = ifindex});
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
    const bool forwarded = CountOf(moved, ".forward_") == 1 && outcome.verdict != Verdict::kDrop;
    if (forwarded) generator.Learn(outcome.frame);
  }
  fmt::print("seed {}:", GetParam());
  for (const auto& [name, count] : outcomes) fmt::print(" {} {},", name, count);
  fmt::print(" flow entries {}\n", FlowEntries());
  // Frames that are all passed up would test nothing.
  EXPECT_GT(outcomes["transmit"] + outcomes["redirect"], outcomes["pass"] / 10);
  EXPECT_GT(outcomes["drop"], 0);
}

}  // namespace
}  // namespace xlb::test
