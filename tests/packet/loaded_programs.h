// The real BPF objects in the kernel, pinned nowhere, and single runs of their programs.
#ifndef XLB_TESTS_PACKET_LOADED_PROGRAMS_H_
#define XLB_TESTS_PACKET_LOADED_PROGRAMS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "dataplane/flow_memory.h"
#include "dataplane/map_fds.h"
#include "packet/bytes.h"
#include "xlb/abi.h"

struct tc_bpf;
struct xdp_bpf;

namespace xlb::test {

enum class Program { kXdp, kUplink, kTask, kHost };

// One word for what XDP and TC return.
enum class Verdict { kPass, kDrop, kTransmit, kRedirect, kUnknown };
std::string ToString(Verdict verdict);

struct Outcome {
  Verdict verdict = Verdict::kUnknown;
  Bytes frame{};
  uint32_t gso_size = 0;
  uint32_t mark = 0;  // skb only
  int error = 0;      // errno when the kernel did not run the program at all
};

struct RunOptions {
  uint32_t ifindex = 0;          // of the device that the frame comes in by; kHost: that it is about to leave by
  uint32_t forwarded_from = 0;   // kHost: of the device that it came in by; 0: the node itself made it
  uint32_t gso_size = 0;         // skb only
  uint32_t mark = 0;             // skb only
  uint32_t metadata_length = 0;  // XDP only: taken from the headroom; 0: as much as is good for poison
};

// The flow table of the maps: always with the same seed, so that a test meets the same collisions each time.
xlb_flow_config FlowConfigOf(const MapFds& maps);

class LoadedPrograms {
 public:
  // Both objects with one set of maps between them; maps that are named get as many entries.
  using MapSizes = std::map<std::string, uint32_t, std::less<>>;
  static absl::StatusOr<std::unique_ptr<LoadedPrograms>> Load(const MapSizes& sizes);
  static MapSizes TableFor(uint64_t flows);
  ~LoadedPrograms();
  LoadedPrograms(const LoadedPrograms&) = delete;
  LoadedPrograms& operator=(const LoadedPrograms&) = delete;

  // Runs the program once on the frame. XDP gets poison in front of the frame, where adjust_head makes room: the kernel
  // would hand out zeros, which hide a byte that the program forgets to write.
  Outcome Run(Program program, const Bytes& frame, const RunOptions& options) const;

  const MapFds& maps() const { return maps_; }
  const FlowMemory& flows() const { return *flows_; }
  int fd(Program program) const;
  int clock_fd() const;
  int mark_fd() const;

 private:
  LoadedPrograms() = default;
  absl::Status Open(const MapSizes& sizes);
  Outcome RunXdp(const Bytes& frame, const RunOptions& options) const;
  Outcome RunTc(Program program, const Bytes& frame, const RunOptions& options) const;

  xdp_bpf* xdp_ = nullptr;
  tc_bpf* tc_ = nullptr;
  MapFds maps_{};
  std::optional<FlowMemory> flows_;
  uint32_t poison_length_ = 0;
};

}  // namespace xlb::test

#endif  // XLB_TESTS_PACKET_LOADED_PROGRAMS_H_
