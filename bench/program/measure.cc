#include "program/measure.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "program/cases.h"

namespace xlb::bench {
namespace {

constexpr uint32_t kMostWarmUp = 64 * 1024;  // packets that come before those that count

class Measurement {
 public:
  Measurement(const Scene* scene, Wrapper* wrapper, const Options& options)
      : scene_(scene), wrapper_(wrapper), options_(options) {}

  // Makes the flows, and sends one packet of each by every way, so that nothing is left to be done once.
  absl::Status Prepare(const std::vector<Case>& cases) {
    for (Case fill : FillsOf(*scene_, *wrapper_)) {
      next_fresh_ = 0;
      XLB_RETURN_IF_ERROR(Run(fill, scene_->setting().flows - 1, 0).status());
    }
    next_fresh_ = 0;
    for (const Case& one : cases) {
      if (one.empty == one.path) continue;
      // New flows: until the table has long been full. Before that they push out none, which is not what is counted.
      if (one.fresh) XLB_RETURN_IF_ERROR(Send(one, 8 * scene_->setting().table_flows, 0).status());
      XLB_RETURN_IF_ERROR(Run(one, one.flows, 0).status());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<double> Round(const Case& one) {
    return Run(one, std::min(std::max(one.flows, 1024u), kMostWarmUp), options_.packets);
  }

 private:
  absl::StatusOr<Sample> Send(const Case& one, uint32_t warm, uint32_t packets) {
    Flows flows{.count = one.flows};
    if (one.fresh) {
      flows.first = next_fresh_;
      next_fresh_ = (next_fresh_ + warm + packets + 1) % kMostFlows;
    }
    return wrapper_->Run(one.hook, one.target, one.stream, flows, warm, packets);
  }

  absl::StatusOr<double> Run(const Case& one, uint32_t warm, uint32_t packets) {
    const std::vector<uint64_t> before = scene_->ReadCounters();
    const uint64_t misses = wrapper_->floor_misses();
    auto sample = Send(one, warm, packets);
    if (sample.ok()) XLB_RETURN_IF_ERROR(Check(one, *sample, before, misses));
    if (!sample.ok()) return sample.status();
    return sample->ns;
  }

  absl::Status Wrong(const Case& one, const std::string& what) const {
    return absl::InternalError(
        fmt::format("{}: {} ({}, {} flows): {}", scene_->setting().name, one.path, one.program, one.flows, what));
  }

  // Did the program do what the case is about, for every packet? A figure of something else would look the better.
  absl::Status Check(const Case& one, const Sample& sample, const std::vector<uint64_t>& before,
                     uint64_t misses) const {
    if (sample.verdict != one.verdict) {
      return Wrong(one, fmt::format("verdict {} instead of {}", sample.verdict, one.verdict));
    }
    const absl::Status counted = scene_->CheckCounters(before, one.counted, sample.packets);
    if (!counted.ok()) return Wrong(one, std::string(counted.message()));
    if (!one.is_floor()) return CheckFrame(one, sample);
    const uint64_t missed = wrapper_->floor_misses() - misses;
    const uint64_t expected = one.program == "floor_lru_new" ? sample.packets : 0;
    if (missed != expected) return Wrong(one, fmt::format("{} misses in {} packets", missed, sample.packets));
    return absl::OkStatus();
  }

  // The last frame against a single run of the same program on a frame that was built without the wrapper.
  absl::Status CheckFrame(const Case& one, const Sample& sample) const {
    using test::Program;
    const Program program = one.program == "xlb_xdp"      ? Program::kXdp
                            : one.program == "xlb_uplink" ? Program::kUplink
                                                          : Program::kTask;
    // A SYN that comes again unanswered would go to another backend.
    if (one.stream.syn) scene_->Answer(sample.last_flow);
    const Bytes frame = scene_->FrameOf(one.stream, sample.last_flow);
    const test::Outcome single = scene_->programs().Run(program, frame, {.ifindex = one.stream.ifindex});
    if (single.error != 0) return Wrong(one, "a single run failed");
    if (single.frame != sample.frame) return Wrong(one, fmt::format("flow {} left as other bytes", sample.last_flow));
    return absl::OkStatus();
  }

  const Scene* scene_;
  Wrapper* wrapper_;
  Options options_;
  uint32_t next_fresh_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<Result>> Measure(const Setting& setting, const test::TestNetwork& network,
                                            const Options& options) {
  XLB_ASSIGN_OR_RETURN(const std::unique_ptr<Scene> scene, Scene::Make(setting, network));
  // The floor's hits need one entry a flow, its new flows make two, as xlb's do: tables of as many flows.
  XLB_ASSIGN_OR_RETURN(const std::unique_ptr<Wrapper> wrapper, Wrapper::Load(2 * setting.table_flows));
  const std::vector<Case> cases = CasesOf(*scene, *wrapper);
  Measurement measurement(scene.get(), wrapper.get(), options);
  XLB_RETURN_IF_ERROR(measurement.Prepare(cases));
  std::vector<Result> results;
  for (const Case& one : cases) results.push_back({.scene = setting.name, .what = one, .rounds = {}});
  for (uint32_t round = 0; round < options.rounds; round++) {
    for (Result& result : results) {
      XLB_ASSIGN_OR_RETURN(const double ns, measurement.Round(result.what));
      result.rounds.push_back(ns);
    }
  }
  return results;
}

}  // namespace xlb::bench
