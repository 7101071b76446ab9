// What the programs cost the verifier, which has a limit of a million instructions and 512 bytes of stack. A change
// that doubles the states shows here, long before a kernel refuses the program.
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "packet/skip.h"
#include "tc.skel.h"
#include "xdp.skel.h"

namespace xlb::test {
namespace {

struct Budget {
  unsigned instructions;
  unsigned stack;
};

// What Linux 6.1 or 6.18 processes, whichever is more, and a quarter more. (6.1 takes more.) One that is over its
// figure here wants a look, not a larger one at once.
const std::map<std::string, Budget> kBudgets = {
    {"xlb_xdp", {190'000, 480}},  {"xlb_uplink", {220'000, 480}}, {"xlb_task", {200'000, 480}},
    {"xlb_host", {160'000, 480}}, {"xlb_mark", {35'000, 300}},    {"xlb_clock", {100, 32}},
};

// Level 1 keeps the log of the path that is refused, 4 adds the statistics; 2 would keep hundreds of megabytes.
constexpr uint32_t kLogLevel = 1 | 4;
constexpr size_t kLogSize = 16 << 20;
constexpr size_t kTail = 4000;

struct Cost {
  unsigned instructions = 0;
  unsigned stack = 0;
};

// From "processed 175071 insns (limit 1000000) ..." and "stack depth 344+64+128": the program's own frame and those of
// its functions. They call each other one deep at the most (but for a leaf or two), so that the program and the largest
// function count.
std::optional<Cost> ParseCost(const std::string& log) {
  const size_t processed = log.rfind("processed "), depth = log.rfind("stack depth ");
  if (processed == std::string::npos || depth == std::string::npos) return std::nullopt;
  Cost cost;
  if (std::sscanf(log.c_str() + processed, "processed %u insns", &cost.instructions) != 1) return std::nullopt;
  const char* at = log.c_str() + depth + std::strlen("stack depth ");
  unsigned frame, program = 0, largest = 0;
  int length;
  for (bool first = true; std::sscanf(at, "%u%n", &frame, &length) == 1; first = false) {
    first ? program = frame : largest = std::max(largest, frame);
    at += length;
    if (*at != '+') break;
    at++;
  }
  cost.stack = program + largest;
  return cost;
}

TEST(VerifierCostTest, IsReadFromTheLog) {
  const auto cost =
      ParseCost("verification time 1 usec\nstack depth 344+24+8+0\nprocessed 175071 insns (limit 1000000)\n");
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->instructions, 175071u);
  EXPECT_EQ(cost->stack, 368u);
  EXPECT_FALSE(ParseCost("R1 invalid mem access 'scalar'\n"));
}

// Loads the object with a log for each program; opened, and destroyed by the caller.
class VerifierBudgetTest : public testing::Test {
 protected:
  void Check(bpf_object* object) {
    bpf_map* map;
    bpf_object__for_each_map(map, object) {
      bpf_map__set_pin_path(map, nullptr);
      if (std::string_view(bpf_map__name(map)) == "flows") bpf_map__set_max_entries(map, 1024);
    }
    std::map<std::string, std::vector<char>> logs;
    bpf_program* program;
    bpf_object__for_each_program(program, object) {
      std::vector<char>& log = logs[bpf_program__name(program)];
      log.resize(kLogSize);
      bpf_program__set_log_level(program, kLogLevel);
      bpf_program__set_log_buf(program, log.data(), log.size());
    }
    const int result = bpf_object__load(object);
    for (const auto& [name, log] : logs) {
      if (result == 0) CheckProgram(name, log.data());
      if (result != 0 && log[0] != 0) ADD_FAILURE() << name << ", the end of the verifier's log:\n" << Tail(log.data());
    }
    EXPECT_EQ(result, 0) << "the kernel refused the object, at the last of the programs above: "
                         << std::strerror(-result);
  }

 private:
  static std::string Tail(const std::string& log) { return log.substr(log.size() > kTail ? log.size() - kTail : 0); }

  static void CheckProgram(const std::string& name, const std::string& log) {
    const auto cost = ParseCost(log);
    const auto budget = kBudgets.find(name);
    ASSERT_NE(budget, kBudgets.end()) << name << " has no budget";
    ASSERT_TRUE(cost) << name << ":\n" << Tail(log);
    fmt::print("{:<12} {:>8} instructions of {:>8}, {:>4} bytes of stack of {:>4}\n", name, cost->instructions,
               budget->second.instructions, cost->stack, budget->second.stack);
    std::fflush(stdout);
    EXPECT_LE(cost->instructions, budget->second.instructions) << name;
    EXPECT_LE(cost->stack, budget->second.stack) << name;
  }
};

TEST_F(VerifierBudgetTest, Xdp) {
  xdp_bpf* xdp = xdp_bpf__open();
  ASSERT_NE(xdp, nullptr);
  Check(xdp->obj);
  xdp_bpf__destroy(xdp);
}

TEST_F(VerifierBudgetTest, Tc) {
  tc_bpf* tc = tc_bpf__open();
  ASSERT_NE(tc, nullptr);
  Check(tc->obj);
  tc_bpf__destroy(tc);
}

}  // namespace
}  // namespace xlb::test

// Not the harness's main, which would have the programs loaded before there is a log to show.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!GTEST_FLAG_GET(list_tests) && geteuid() != 0) return xlb::test::Skip(xlb::test::kNeedsRoot);
  return RUN_ALL_TESTS();
}
