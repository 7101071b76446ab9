// Runs the cases as root, in a network of their own; says why and ends with 77, which ctest shows as skipped, where
// that is not possible.
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "packet/packet_test.h"
#include "packet/skip.h"

namespace xlb::test {
namespace {

TestNetwork network;
std::unique_ptr<LoadedPrograms> programs;

// Per-CPU counters of new flows: with one CPU, cases always find the same.
void StayOnOneCpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) std::perror("sched_setaffinity");
}

int Main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
  if (geteuid() != 0) return Skip(kNeedsRoot);
  StayOnOneCpu();
  auto entered = EnterTestNetwork();
  if (absl::IsUnavailable(entered.status())) return Skip(std::string(entered.status().message()));
  auto loaded = entered.ok() ? LoadedPrograms::Load(LoadedPrograms::TableFor(kTableFlows)) : entered.status();
  if (!loaded.ok()) {
    std::fprintf(stderr, "%s\n", std::string(loaded.status().message()).c_str());
    return 1;
  }
  network = *entered;
  programs = *std::move(loaded);
  const int result = RUN_ALL_TESTS();
  programs.reset();
  return result;
}

}  // namespace

const TestNetwork& Network() { return network; }
const LoadedPrograms& Programs() { return *programs; }

}  // namespace xlb::test

int main(int argc, char** argv) { return xlb::test::Main(argc, argv); }
