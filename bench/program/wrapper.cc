#include "program/wrapper.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <vector>

#include "program/control.h"

#include "floors.skel.h"
#include "wrapper.skel.h"

namespace xlb::bench {
namespace {

constexpr size_t kMaxOutput = 4096;

double MedianChunk(const bench_control& control, uint32_t chunks) {
  if (chunks == 0) return 0;
  std::vector<uint64_t> durations;
  for (uint32_t i = 0; i < chunks; i++) durations.push_back(control.stamps[i + 1] - control.stamps[i]);
  const auto middle = durations.begin() + chunks / 2;
  std::nth_element(durations.begin(), middle, durations.end());
  return static_cast<double>(*middle) / BENCH_CHUNK;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Wrapper>> Wrapper::Load(uint32_t floor_entries) {
  std::unique_ptr<Wrapper> result(new Wrapper);
  result->wrapper_ = wrapper_bpf__open_and_load();
  if (result->wrapper_ == nullptr) return ErrnoStatus(errno, "cannot load the wrapper's object");
  result->floors_ = floors_bpf__open();
  if (result->floors_ == nullptr) return ErrnoStatus(errno, "cannot open the floors' object");
  bpf_map__set_max_entries(result->floors_->maps.conntrack, floor_entries);
  if (floors_bpf__load(result->floors_) != 0) return ErrnoStatus(errno, "cannot load the floors' object");
  return result;
}

Wrapper::~Wrapper() {
  wrapper_bpf__destroy(wrapper_);
  floors_bpf__destroy(floors_);
}

int Wrapper::floor_fd(const std::string& program) const {
  return bpf_program__fd(bpf_object__find_program_by_name(floors_->obj, program.c_str()));
}

uint64_t Wrapper::floor_misses() const { return floors_->bss->misses; }

void Wrapper::SetControl(const Stream& stream, const Flows& flows, uint32_t warm) {
  bench_control& control = wrapper_->bss->control;
  std::copy_n(stream.frame.begin(), std::min<size_t>(stream.frame.size(), BENCH_TUNNEL_HEADERS), control.frame);
  control.length = static_cast<uint32_t>(stream.frame.size());
  control.tunnelled = stream.tunnelled;
  control.reply = stream.reply;
  control.keeps_client = stream.keeps_client;
  control.keeps_service = stream.keeps_service;
  if (flows.first == Flows::kShuffled) {
    // The constants are those of Numerical Recipes' generator.
    control.multiplier = 1664525;
    control.increment = 1013904223;
    control.mask = flows.count - 1;
    control.scramble = flows.count >= 4 ? static_cast<uint32_t>(std::bit_width(flows.count) / 2) : 31;
  } else {
    control.multiplier = 1;
    control.increment = 1;
    control.mask = kMostFlows - 1;
    control.scramble = 31;
    control.state = flows.first - 1;
  }
  control.warm = warm;
  control.packets = 0;
  control.broken = 0;
}

absl::StatusOr<Sample> Wrapper::Run(Hook hook, int target, const Stream& stream, const Flows& flows, uint32_t warm,
                                    uint32_t packets) {
  const uint32_t chunks = std::min(packets / BENCH_CHUNK, uint32_t{BENCH_MAX_CHUNKS});
  SetControl(stream, flows, warm);
  const int targets = bpf_map__fd(hook == Hook::kXdp ? wrapper_->maps.xdp_target : wrapper_->maps.tc_target);
  const uint32_t zero = 0;
  if (bpf_map_update_elem(targets, &zero, &target, BPF_ANY) != 0) {
    return ErrnoStatus(errno, "cannot put a program behind the wrapper");
  }

  Sample sample;
  sample.frame.resize(kMaxOutput);
  xdp_md xdp_context{};
  xdp_context.data_end = static_cast<uint32_t>(stream.frame.size());
  xdp_context.ingress_ifindex = stream.ifindex;
  __sk_buff skb_context{};
  skb_context.ifindex = skb_context.ingress_ifindex = stream.ifindex;
  const bool is_xdp = hook == Hook::kXdp;
  const uint32_t context_size = is_xdp ? sizeof(xdp_context) : sizeof(skb_context);
  // The packet after the last chunk ends it.
  sample.packets = uint64_t{warm} + uint64_t{chunks} * BENCH_CHUNK + 1;
  LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = stream.frame.data(), .data_out = sample.frame.data(),
              .data_size_in = static_cast<uint32_t>(stream.frame.size()), .data_size_out = kMaxOutput,
              .ctx_in = is_xdp ? static_cast<void*>(&xdp_context) : static_cast<void*>(&skb_context),
              .ctx_size_in = context_size, .repeat = static_cast<int>(sample.packets));
  const int program = bpf_program__fd(is_xdp ? wrapper_->progs.wrapper_xdp : wrapper_->progs.wrapper_tc);
  if (bpf_prog_test_run_opts(program, &run) != 0) return ErrnoStatus(errno, "cannot run the wrapper");

  const bench_control& control = wrapper_->bss->control;
  if (control.broken != 0 || control.packets != sample.packets) {
    return absl::InternalError(fmt::format("the wrapper failed for {} of {} packets", control.broken, control.packets));
  }
  sample.ns = MedianChunk(control, chunks);
  sample.last_flow = control.last;
  sample.verdict = run.retval;
  sample.frame.resize(run.data_size_out);
  return sample;
}

}  // namespace xlb::bench
