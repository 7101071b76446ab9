// A node with one service and as many flows as a run asks for, and the packets of those flows.
#ifndef XLB_BENCH_PROGRAM_SCENE_H_
#define XLB_BENCH_PROGRAM_SCENE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "packet/loaded_programs.h"
#include "packet/node.h"
#include "packet/test_network.h"
#include "program/wrapper.h"
#include "xlb/abi.h"

namespace xlb::bench {

// What a scene is about.
struct Setting {
  std::string name;
  std::string protocol;      // "tcp", "udp"
  xlb_kind kind;             // of the flows; XLB_KIND_NONE: no service at all, XLB_KIND_PEER: tasks behind another xlb
  uint32_t flows;            // that live in the table all the time; a power of two
  uint32_t table_flows;      // that the flow table is made for
  bool fresh = false;        // no flow lives on: every packet begins one, and pushes an old one out
  uint32_t tick_shift = 31;  // 31: the clock stands still; 0: a tick is a jiffy
  bool two_uplinks = false;  // packets leave by another device than they come by
  bool by_peer = false;      // local tasks whose clients' packets come from xlb on another node
};

// "xdp.forward_vxlan" -> how often.
struct Counted {
  xlb_hook hook;
  xlb_counter counter;
};

class Scene {
 public:
  static absl::StatusOr<std::unique_ptr<Scene>> Make(const Setting& setting, const test::TestNetwork& network);

  const Setting& setting() const { return setting_; }
  bool CrossesTunnel() const { return setting_.kind == XLB_KIND_VXLAN || setting_.kind == XLB_KIND_PEER; }
  uint32_t XdpSends() const { return setting_.two_uplinks ? XDP_REDIRECT : XDP_TX; }
  const test::LoadedPrograms& programs() const { return *programs_; }

  // A client's packets (TCP: SYNs or ACKs), and those that come back from the backends.
  Stream FromClients(bool syn = false) const;
  Stream FromPeer(bool syn = false) const;  // the same, as xlb on another node sends them
  Stream FromBackends() const;
  // The frame of one flow of the stream, built anew, not as the wrapper does it.
  Bytes FrameOf(const Stream& stream, uint32_t flow) const;

  // As if the flow's backend had answered.
  void Answer(uint32_t flow) const;

  // Sums of all counters and drops over the CPUs, in the order of the maps.
  std::vector<uint64_t> ReadCounters() const;
  // Fails, naming it, when a counter moved that is not in `counted`, or one in it not by `packets`.
  absl::Status CheckCounters(const std::vector<uint64_t>& before, const std::vector<Counted>& counted,
                             uint64_t packets) const;

 private:
  // All ways lead over the first uplink.
  uint32_t InDevice() const { return setting_.two_uplinks ? network_.uplink2 : network_.uplink; }
  Scene(const Setting& setting, const test::TestNetwork& network) : setting_(setting), network_(network) {}
  Setting setting_;
  test::TestNetwork network_;
  std::unique_ptr<test::LoadedPrograms> programs_;
};

}  // namespace xlb::bench

#endif  // XLB_BENCH_PROGRAM_SCENE_H_
