// How a test program of this folder says that it cannot run here.
#ifndef XLB_TESTS_PACKET_SKIP_H_
#define XLB_TESTS_PACKET_SKIP_H_

#include <cstdio>
#include <string>

namespace xlb::test {

// The exit status for main; ctest shows it as skipped (SKIP_RETURN_CODE in cmake/XlbTest.cmake).
inline int Skip(const std::string& reason) {
  std::printf("SKIPPED: %s\n", reason.c_str());
  return 77;
}

inline constexpr char kNeedsRoot[] = "needs root, for BPF and a network namespace";

}  // namespace xlb::test

#endif  // XLB_TESTS_PACKET_SKIP_H_
