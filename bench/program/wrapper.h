// Programs run many times over by BPF_PROG_TEST_RUN, each time on the packet of another flow (bench/bpf/wrapper.bpf.c).
#ifndef XLB_BENCH_PROGRAM_WRAPPER_H_
#define XLB_BENCH_PROGRAM_WRAPPER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "packet/bytes.h"

struct floors_bpf;
struct wrapper_bpf;

namespace xlb::bench {

using test::Bytes;

enum class Hook { kXdp, kTc };

// The packets of a run: flow 0's, and what differs in the others (program/control.h).
struct Stream {
  Bytes frame{};
  uint32_t ifindex = 0;  // of the device that they come in by
  bool syn = false;      // TCP: the packets open a connection
  bool tunnelled = false;
  bool reply = false;
  bool keeps_client = false;
  bool keeps_service = false;
};

// Which flows a run goes through.
struct Flows {
  uint32_t count = 1;  // a power of two
  // Unset: shuffled, from where the last run stopped. Set: one after the other, beginning here; all of them new if they
  // are below kMostFlows.
  static constexpr uint32_t kShuffled = UINT32_MAX;
  uint32_t first = kShuffled;
};
inline constexpr uint32_t kMostFlows = 1u << 24;  // as many client addresses as there are

struct Sample {
  double ns = 0;  // per packet: the median of the run's chunks, so that an interrupt or a neighbour does not count
  uint64_t packets = 0;  // that the program saw, warming up included
  uint32_t last_flow = 0;
  uint32_t verdict = 0;  // of the last packet, and what became of it
  Bytes frame{};
};

class Wrapper {
 public:
  // `floor_entries`: size of the floors' table.
  static absl::StatusOr<std::unique_ptr<Wrapper>> Load(uint32_t floor_entries);
  ~Wrapper();
  Wrapper(const Wrapper&) = delete;
  Wrapper& operator=(const Wrapper&) = delete;

  // Runs the program `target` on `warm` packets, then on those that count, whole chunks of them, and on one more.
  absl::StatusOr<Sample> Run(Hook hook, int target, const Stream& stream, const Flows& flows, uint32_t warm,
                             uint32_t packets);

  int floor_fd(const std::string& program) const;
  uint64_t floor_misses() const;

 private:
  Wrapper() = default;
  void SetControl(const Stream& stream, const Flows& flows, uint32_t warm);
  wrapper_bpf* wrapper_ = nullptr;
  floors_bpf* floors_ = nullptr;
};

}  // namespace xlb::bench

#endif  // XLB_BENCH_PROGRAM_WRAPPER_H_
