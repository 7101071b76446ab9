#include "dataplane/dispatcher.h"

#include <fmt/core.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/programs.h"
#include "xdp.skel.h"

namespace xlb {
namespace {

constexpr char kProgramName[] = "xlb_xdp";

struct CloseMultiprog {
  void operator()(xdp_multiprog* multiprog) const { xdp_multiprog__close(multiprog); }
};
using Multiprog = std::unique_ptr<xdp_multiprog, CloseMultiprog>;

Multiprog OpenMultiprog(uint32_t ifindex) {
  xdp_multiprog* multiprog = xdp_multiprog__get_from_ifindex(static_cast<int>(ifindex));
  return Multiprog(libxdp_get_error(multiprog) == 0 ? multiprog : nullptr);
}

// Ids of our programs in the dispatcher of the device.
std::vector<uint32_t> OurPrograms(xdp_multiprog* multiprog) {
  std::vector<uint32_t> ids;
  if (multiprog == nullptr || xdp_multiprog__is_legacy(multiprog)) return ids;
  for (xdp_program* program = xdp_multiprog__next_prog(nullptr, multiprog); program != nullptr;
       program = xdp_multiprog__next_prog(program, multiprog)) {
    if (std::strcmp(xdp_program__name(program), kProgramName) == 0) ids.push_back(xdp_program__id(program));
  }
  return ids;
}

absl::Status Remove(uint32_t ifindex, const std::vector<uint32_t>& ids) {
  for (const uint32_t id : ids) {
    xdp_program* program = xdp_program__from_id(id);
    if (libxdp_get_error(program) != 0) continue;  // gone meanwhile
    const int error = xdp_program__detach(program, static_cast<int>(ifindex), XDP_MODE_UNSPEC, 0);
    xdp_program__close(program);
    if (error != 0) return ErrnoStatus(-error, fmt::format("cannot remove program {} from the XDP dispatcher", id));
  }
  return absl::OkStatus();
}

absl::Status Attach(xdp_bpf* object, uint32_t ifindex) {
  DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .obj = object->obj, .prog_name = kProgramName);
  xdp_program* program = xdp_program__create(&options);
  if (const long error = libxdp_get_error(program); error != 0) {
    return ErrnoStatus(static_cast<int>(-error), "libxdp does not take the program");
  }
  const int error = xdp_program__attach(program, static_cast<int>(ifindex), XDP_MODE_NATIVE, 0);
  xdp_program__close(program);
  if (error != 0) return ErrnoStatus(-error, fmt::format("libxdp cannot attach ({})", LastLibbpfError()));
  return absl::OkStatus();
}

}  // namespace

absl::Status AttachByDispatcher(const std::string& bpffs_dir, uint32_t flow_buckets, uint32_t ifindex) {
  // Asked first, because libxdp, refused, would silently attach the program alone, by netlink and unpinned.
  if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_EXT, nullptr) != 1) {
    return absl::UnimplementedError("this kernel does not let programs of type EXT load");
  }
  const std::vector<uint32_t> earlier = OurPrograms(OpenMultiprog(ifindex).get());
  XLB_ASSIGN_OR_RETURN(xdp_bpf * object, Programs::OpenXdp(bpffs_dir, flow_buckets));
  const std::unique_ptr<xdp_bpf, void (*)(xdp_bpf*)> owner(object, xdp_bpf__destroy);
  if (absl::Status status = Attach(object, ifindex); !status.ok()) {
    (void)Remove(ifindex, earlier);  // the caller tries another way, which the old program would bar
    return status;
  }
  const Multiprog after = OpenMultiprog(ifindex);
  if (after == nullptr || xdp_multiprog__is_legacy(after.get())) {
    if (after != nullptr) xdp_multiprog__detach(after.get());
    return absl::UnimplementedError("libxdp fell back to attaching one program without its dispatcher");
  }
  // Left behind, it would only do the same work a second time on what ours passes; the next start removes it.
  (void)Remove(ifindex, earlier);
  return absl::OkStatus();
}

absl::StatusOr<bool> DetachFromDispatcher(uint32_t ifindex) {
  const std::vector<uint32_t> ids = OurPrograms(OpenMultiprog(ifindex).get());
  XLB_RETURN_IF_ERROR(Remove(ifindex, ids));
  return !ids.empty();
}

}  // namespace xlb
