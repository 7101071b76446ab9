// What is measured in a scene, and how: cases run in turn, round by round, so that whatever the machine does meanwhile
// falls on all of them.
#ifndef XLB_BENCH_PROGRAM_MEASURE_H_
#define XLB_BENCH_PROGRAM_MEASURE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "program/scene.h"
#include "program/wrapper.h"

namespace xlb::bench {

struct Options {
  uint32_t rounds = 11;
  uint32_t packets = 128 * 1024;  // of each case and round
  uint32_t max_flows = 1 << 20;
  std::vector<std::string> scenes{};  // empty: all
};

// One program on the packets of one stream.
struct Case {
  std::string path{};     // "hit", "reply", "new flow", "empty", ...
  std::string program{};  // as the object has it
  Hook hook = Hook::kXdp;
  int target = -1;
  Stream stream{};
  uint32_t flows = 1;  // in play
  bool fresh = false;  // each packet begins a flow
  uint32_t verdict = 0;
  std::vector<Counted> counted{};  // what xlb must count for each packet, and nothing else
  // Paths of cases in the same scene. `empty`: the wrapper's own cost, on the same stream. `floor`: what the figure is
  // compared with, at as many flows if there is one, else at one flow.
  std::string empty{};
  std::string floor{};
  bool is_floor() const { return program.starts_with("floor_"); }
};

struct Result {
  std::string scene;
  Case what;
  std::vector<double> rounds;  // ns per packet, the wrapper's cost included
};

// Every case of the scene. Fails when a program did not do what the case says: another verdict, another counter, other
// bytes, a miss.
absl::StatusOr<std::vector<Result>> Measure(const Setting& setting, const test::TestNetwork& network,
                                            const Options& options);

}  // namespace xlb::bench

#endif  // XLB_BENCH_PROGRAM_MEASURE_H_
