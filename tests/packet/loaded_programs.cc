#include "packet/loaded_programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "tc.skel.h"
#include "xdp.skel.h"

namespace xlb::test {
namespace {

constexpr uint8_t kPoison = 0xa5;
constexpr size_t kMaxOutput = 4096;

// The maps say "pin by name", which libbpf made a path of when it opened the object: taken back here.
void Prepare(bpf_object* object, const LoadedPrograms::MapSizes& sizes) {
  bpf_map* map;
  bpf_object__for_each_map(map, object) {
    bpf_map__set_pin_path(map, nullptr);
    const auto size = sizes.find(std::string_view(bpf_map__name(map)));
    if (size != sizes.end()) bpf_map__set_max_entries(map, size->second);
  }
}

// libbpf reads the attribute in the object itself ("pin by name") and sets a path when it opens; a root that is not
// used keeps it from looking for a bpffs.
absl::Status ShareMaps(bpf_object* from, bpf_object* to) {
  bpf_map* map;
  bpf_object__for_each_map(map, to) {
    if (bpf_map__is_internal(map)) continue;  // a program's own variables
    bpf_map* original = bpf_object__find_map_by_name(from, bpf_map__name(map));
    if (original == nullptr || bpf_map__reuse_fd(map, bpf_map__fd(original)) != 0) {
      return absl::InternalError(fmt::format("cannot share the map {}", bpf_map__name(map)));
    }
  }
  return absl::OkStatus();
}

Verdict XdpVerdict(uint32_t action) {
  switch (action) {
    case XDP_PASS:
      return Verdict::kPass;
    case XDP_DROP:
      return Verdict::kDrop;
    case XDP_TX:
      return Verdict::kTransmit;
    case XDP_REDIRECT:
      return Verdict::kRedirect;
    default:
      return Verdict::kUnknown;
  }
}

// TC_ACT_OK is not among them: it would keep the packet from the filters behind ours.
Verdict TcVerdict(uint32_t action) {
  switch (static_cast<int>(action)) {
    case TC_ACT_UNSPEC:
      return Verdict::kPass;
    case TC_ACT_SHOT:
      return Verdict::kDrop;
    case TC_ACT_REDIRECT:
      return Verdict::kRedirect;
    default:
      return Verdict::kUnknown;
  }
}

}  // namespace

std::string ToString(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kDrop:
      return "drop";
    case Verdict::kTransmit:
      return "transmit";
    case Verdict::kRedirect:
      return "redirect";
    case Verdict::kUnknown:
      break;
  }
  return "unknown";
}

LoadedPrograms::MapSizes LoadedPrograms::TableFor(uint64_t flows) {
  const auto buckets = static_cast<uint32_t>(XLB_FLOW_BUCKETS(flows));
  return {{"flow_heads", buckets}, {"flows", buckets * XLB_FLOW_WAYS}};
}

xlb_flow_config FlowConfigOf(const MapFds& maps) {
  bpf_map_info info{};
  uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(maps.flow_heads, &info, &length) != 0) std::abort();
  return {.seed = {0x9e3779b97f4a7c15, 0xd1b54a32d192ed03, 0x8cb92ba72f3d8dd7, 0xaef17502108ef2d9},
          .buckets = info.max_entries,
          .pad = 0};
}

absl::StatusOr<std::unique_ptr<LoadedPrograms>> LoadedPrograms::Load(const MapSizes& sizes) {
  std::unique_ptr<LoadedPrograms> programs(new LoadedPrograms);
  XLB_RETURN_IF_ERROR(programs->Open(sizes));
  return programs;
}

absl::Status LoadedPrograms::Open(const MapSizes& sizes) {
  xdp_ = xdp_bpf__open();
  tc_ = tc_bpf__open();
  if (xdp_ == nullptr || tc_ == nullptr) return ErrnoStatus(errno, "cannot open the objects");
  Prepare(xdp_->obj, sizes);
  Prepare(tc_->obj, sizes);
  if (xdp_bpf__load(xdp_) != 0) return ErrnoStatus(errno, "cannot load the XDP object");
  XLB_RETURN_IF_ERROR(ShareMaps(xdp_->obj, tc_->obj));
  if (tc_bpf__load(tc_) != 0) return ErrnoStatus(errno, "cannot load the TC object");

  maps_ = MapFdsOf(xdp_->maps);
  XLB_ASSIGN_OR_RETURN(FlowMemory flows, FlowMemory::Map(maps_.flow_heads, maps_.flows, FlowConfigOf(maps_)));
  flows_.emplace(std::move(flows));

  // Metadata in front of the frame is what can be poisoned. Older kernels take 32 bytes of it, which is not all that a
  // tunnel header covers, but better than none.
  const Bytes probe(60, 0);
  for (const uint32_t length : {64u, 32u}) {
    poison_length_ = length;
    if (RunXdp(probe, {.ifindex = 1}).error == 0) break;
    poison_length_ = 0;
  }
  return absl::OkStatus();
}

LoadedPrograms::~LoadedPrograms() {
  xdp_bpf__destroy(xdp_);
  tc_bpf__destroy(tc_);
}

int LoadedPrograms::fd(Program program) const {
  switch (program) {
    case Program::kXdp:
      return bpf_program__fd(xdp_->progs.xlb_xdp);
    case Program::kUplink:
      return bpf_program__fd(tc_->progs.xlb_uplink);
    case Program::kTask:
      return bpf_program__fd(tc_->progs.xlb_task);
    case Program::kHost:
      break;
  }
  return bpf_program__fd(tc_->progs.xlb_host);
}

int LoadedPrograms::clock_fd() const { return bpf_program__fd(tc_->progs.xlb_clock); }
int LoadedPrograms::mark_fd() const { return bpf_program__fd(tc_->progs.xlb_mark); }

Outcome LoadedPrograms::Run(Program program, const Bytes& frame, const RunOptions& options) const {
  return program == Program::kXdp ? RunXdp(frame, options) : RunTc(program, frame, options);
}

Outcome LoadedPrograms::RunXdp(const Bytes& frame, const RunOptions& options) const {
  const uint32_t metadata = options.metadata_length != 0 ? options.metadata_length : poison_length_;
  Bytes in(metadata, kPoison), out(kMaxOutput);
  Append(in, frame);
  xdp_md context{}, context_out{};
  context.data = metadata;
  context.data_end = static_cast<uint32_t>(in.size());
  context.ingress_ifindex = options.ifindex;
  LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in.data(), .data_out = out.data(),
              .data_size_in = static_cast<uint32_t>(in.size()), .data_size_out = static_cast<uint32_t>(out.size()),
              .ctx_in = &context, .ctx_out = &context_out, .ctx_size_in = sizeof(context),
              .ctx_size_out = sizeof(context_out), .repeat = 1);
  if (bpf_prog_test_run_opts(fd(Program::kXdp), &run) != 0) return {.error = errno};
  return {.verdict = XdpVerdict(run.retval), .frame = Bytes(&out[context_out.data], &out[context_out.data_end])};
}

Outcome LoadedPrograms::RunTc(Program program, const Bytes& frame, const RunOptions& options) const {
  Bytes out(kMaxOutput);
  __sk_buff context{}, context_out{};
  context.ifindex = options.ifindex;
  context.ingress_ifindex = program == Program::kHost ? options.forwarded_from : options.ifindex;
  context.gso_size = options.gso_size;
  context.mark = options.mark;
  LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame.data(), .data_out = out.data(),
              .data_size_in = static_cast<uint32_t>(frame.size()), .data_size_out = static_cast<uint32_t>(out.size()),
              .ctx_in = &context, .ctx_out = &context_out, .ctx_size_in = sizeof(context),
              .ctx_size_out = sizeof(context_out), .repeat = 1);
  if (bpf_prog_test_run_opts(fd(program), &run) != 0) return {.error = errno};
  out.resize(run.data_size_out);
  return {.verdict = TcVerdict(run.retval),
          .frame = std::move(out),
          .gso_size = context_out.gso_size,
          .mark = context_out.mark};
}

}  // namespace xlb::test
