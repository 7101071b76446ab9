// What every case stands on: a node in the maps, a frame through a program, and a verdict on all that came of it. Each
// expectation names every counter that may have moved; any other one, of any hook, is an error.
#ifndef XLB_TESTS_PACKET_PACKET_TEST_H_
#define XLB_TESTS_PACKET_PACKET_TEST_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "packet/flow_entry.h"
#include "packet/loaded_programs.h"
#include "packet/node.h"
#include "packet/packet_builder.h"
#include "packet/test_network.h"

namespace xlb::test {

constexpr uint32_t kTableFlows = 2048;  // that the table is made for: few, so that it is soon emptied and soon full

// Set by main: the network that the process is in and the programs in the kernel.
const TestNetwork& Network();
const LoadedPrograms& Programs();

// "xdp.flow_new", "tc.drop.no_port" -> packets and bytes; what is zero is left out.
struct Traffic {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  bool operator==(const Traffic&) const = default;
};
using Counts = std::map<std::string, Traffic>;
Counts ReadCounts();
// What `after` has more than `before`.
Counts Difference(const Counts& before, const Counts& after);

// Counter names of one hook, such as "flow_new" or "drop.no_port".
using Names = std::set<std::string>;

class PacketTest : public testing::Test {
 protected:
  void SetUp() override { ClearMaps(Programs().maps()); }

  void Use(Node node);
  void Rewrite() { node_.Write(Programs().maps()); }  // after changes of node_
  void RaiseEpoch();                                  // and writes the node
  void NextTick();

  // Runs the frame and checks that just `counted` moved, once each by the length of the frame.
  Outcome Run(Program program, const Bytes& frame, const Names& counted);

  // The frame must come out as it came in.
  void ExpectPassed(Program program, const Bytes& frame, const Names& counted, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE());
  void ExpectDropped(Program program, const Bytes& frame, const Names& counted, const char* file = __builtin_FILE(),
                     int line = __builtin_LINE());
  // The frame must come out as `expected`, every byte of it, with right checksums.
  void ExpectSent(Program program, Verdict verdict, const Bytes& frame, const Bytes& expected, const Names& counted,
                  const char* file = __builtin_FILE(), int line = __builtin_LINE());
  // The frame must come out inside VXLAN to the worker, `inner` being the whole inner frame. The outer source port and
  // IP ID are the program's choice, within RFC 7348's bounds; they are returned.
  struct Chosen {
    uint16_t port = 0;
    uint16_t id = 0;
  };
  Chosen ExpectTunnelled(Program program, Verdict verdict, const Packet& packet, const Packet& inner,
                         const Names& counted, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return ExpectTunnelled(program, verdict, packet.Build(), inner.Build(), counted, file, line);
  }
  Chosen ExpectTunnelled(Program program, Verdict verdict, const Bytes& frame, const Bytes& inner, const Names& counted,
                         const char* file = __builtin_FILE(), int line = __builtin_LINE());

  // The flow to which packets like this one belong; null when there is none.
  std::optional<FlowEntry> FlowOf(const Packet& packet, xlb_zone zone = XLB_ZONE_UPLINK) const;
  // A connection of Docker's own mesh that has such packets.
  void Mark(const Packet& packet, xlb_zone zone = XLB_ZONE_UPLINK);
  // Another client's flow whose answers are packets like this one.
  void Occupy(const Packet& answer, std::string_view client, xlb_zone zone = XLB_ZONE_UPLINK);
  void EvictFlow(const Packet& packet, xlb_zone zone = XLB_ZONE_UPLINK);
  size_t Flows() const;  // marks as well
  // As if the backend of every flow had answered.
  void MarkAnswered() const;

  xlb_stats ServiceStats(uint32_t id) const;
  xlb_stats BackendStats(uint32_t id) const;

  Node node_;
  uint32_t ifindex_ = Network().uplink;  // by which frames come in
  uint32_t forwarded_from_ = 0;          // of a frame that leaves (Program::kHost)
  uint32_t gso_size_ = 0;
  uint32_t mark_ = 0;
  uint32_t vni_ = kVni;  // of the frames that ExpectTunnelled expects, and the byte behind it
  uint8_t tunnel_flags_ = 0;
};

// Cases for both programs on an uplink.
class UplinkTest : public PacketTest, public testing::WithParamInterface<Program> {
 protected:
  bool IsXdp() const { return GetParam() == Program::kXdp; }
  // How a frame leaves by the device that it came in by.
  Verdict Back() const { return IsXdp() ? Verdict::kTransmit : Verdict::kRedirect; }

  // The expectations above, for the program of the case and the common way out.
  void Passed(const Packet& packet, const Names& counted, const char* file = __builtin_FILE(),
              int line = __builtin_LINE()) {
    ExpectPassed(GetParam(), packet.Build(), counted, file, line);
  }
  void Dropped(const Packet& packet, const Names& counted, const char* file = __builtin_FILE(),
               int line = __builtin_LINE()) {
    ExpectDropped(GetParam(), packet.Build(), counted, file, line);
  }
  void Sent(const Packet& packet, const Packet& expected, const Names& counted, const char* file = __builtin_FILE(),
            int line = __builtin_LINE()) {
    ExpectSent(GetParam(), Back(), packet.Build(), expected.Build(), counted, file, line);
  }
  Chosen Tunnelled(const Packet& packet, const Packet& inner, const Names& counted, const char* file = __builtin_FILE(),
                   int line = __builtin_LINE()) {
    return ExpectTunnelled(GetParam(), Back(), packet, inner, counted, file, line);
  }
};

std::string ProgramName(const testing::TestParamInfo<Program>& info);

#define XLB_BOTH_UPLINK_PROGRAMS(suite) \
  INSTANTIATE_TEST_SUITE_P(, suite, testing::Values(Program::kXdp, Program::kUplink), ProgramName)

// A frame of xlb's own VNI from xlb on the worker, with the inner Ethernet addresses that name backend and pair.
Packet PeerFrame(const Packet& inner, uint8_t tunnel_flags = 0);

// A reply of a task, as the worker wraps it.
Packet Wrapped(const Packet& inner, uint32_t vni = kVni);

}  // namespace xlb::test

#endif  // XLB_TESTS_PACKET_PACKET_TEST_H_
