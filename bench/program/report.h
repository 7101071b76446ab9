// The results as JSON, for bench/program/report.py and for comparisons.
#ifndef XLB_BENCH_PROGRAM_REPORT_H_
#define XLB_BENCH_PROGRAM_REPORT_H_

#include <string>
#include <vector>

#include "program/measure.h"

namespace xlb::bench {

std::string ToJson(const std::vector<Result>& results, const Options& options, int cpu, double load_before);

// Runnable processes over the last minute, this one included.
double LoadAverage();

}  // namespace xlb::bench

#endif  // XLB_BENCH_PROGRAM_REPORT_H_
