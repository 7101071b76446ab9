// Which programs are run on which packets of a scene.
#ifndef XLB_BENCH_PROGRAM_CASES_H_
#define XLB_BENCH_PROGRAM_CASES_H_

#include <vector>

#include "program/measure.h"

namespace xlb::bench {

// Flow counts that a scene looks at, up to the number of its flows.
std::vector<uint32_t> FlowCounts(const Setting& setting);

std::vector<Case> CasesOf(const Scene& scene, const Wrapper& wrapper);

// What makes the scene's flows, before anything is measured: one packet of each. The floors' too.
std::vector<Case> FillsOf(const Scene& scene, const Wrapper& wrapper);

}  // namespace xlb::bench

#endif  // XLB_BENCH_PROGRAM_CASES_H_
