#include "dataplane/programs.h"

#include <fmt/core.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <utility>

#include "tc.skel.h"
#include "xdp.skel.h"

namespace xlb {
namespace {

std::string& LogLine() {
  static std::string* const line = new std::string;
  return *line;
}

void Keep(const char* format, va_list arguments) {
  char text[512];
  std::vsnprintf(text, sizeof(text), format, arguments);
  std::string line(text);
  while (!line.empty() && line.back() == '\n') line.pop_back();
  LogLine() = std::move(line);
}

int KeepLibbpf(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_WARN) Keep(format, arguments);
  return 0;
}

int KeepLibxdp(libxdp_print_level level, const char* format, va_list arguments) {
  if (level == LIBXDP_WARN) Keep(format, arguments);
  return 0;
}

absl::Status LoadError(const char* object) {
  const int error = errno;
  if (error == EPERM) {
    return absl::PermissionDeniedError(
        fmt::format("the kernel refuses to load the {} programs: run xlbd as root, or with CAP_BPF, CAP_NET_ADMIN and "
                    "CAP_PERFMON",
                    object));
  }
  return ErrnoStatus(error, fmt::format("cannot load the {} programs ({})", object, LastLibbpfError()));
}

}  // namespace

void CaptureLibbpfLog() {
  libbpf_set_print(KeepLibbpf);
  libxdp_set_print(KeepLibxdp);
}

std::string LastLibbpfError() { return LogLine(); }

absl::StatusOr<xdp_bpf*> Programs::OpenXdp(const std::string& bpffs_dir, uint32_t flow_buckets) {
  LIBBPF_OPTS(bpf_object_open_opts, options, .pin_root_path = bpffs_dir.c_str());
  xdp_bpf* xdp = xdp_bpf__open_opts(&options);
  if (xdp == nullptr) return ErrnoStatus(errno, "cannot open the XDP object");
  bpf_map__set_max_entries(xdp->maps.flow_heads, flow_buckets);
  bpf_map__set_max_entries(xdp->maps.flows, flow_buckets * XLB_FLOW_WAYS);
  return xdp;
}

absl::StatusOr<Programs> Programs::Load(const std::string& bpffs_dir, uint32_t flow_buckets) {
  CaptureLibbpfLog();
  XLB_ASSIGN_OR_RETURN(xdp_bpf * xdp, OpenXdp(bpffs_dir, flow_buckets));
  Programs programs(xdp, nullptr);
  if (xdp_bpf__load(xdp) != 0) return LoadError("XDP");

  LIBBPF_OPTS(bpf_object_open_opts, options, .pin_root_path = bpffs_dir.c_str());
  programs.tc_ = tc_bpf__open_opts(&options);
  if (programs.tc_ == nullptr) return ErrnoStatus(errno, "cannot open the TC object");
  bpf_map__set_max_entries(programs.tc_->maps.flow_heads, flow_buckets);
  bpf_map__set_max_entries(programs.tc_->maps.flows, flow_buckets * XLB_FLOW_WAYS);
  if (tc_bpf__load(programs.tc_) != 0) return LoadError("TC");
  return programs;
}

Programs::Programs(Programs&& other) noexcept
    : xdp_(std::exchange(other.xdp_, nullptr)), tc_(std::exchange(other.tc_, nullptr)) {}

Programs& Programs::operator=(Programs&& other) noexcept {
  std::swap(xdp_, other.xdp_);
  std::swap(tc_, other.tc_);
  return *this;
}

Programs::~Programs() {
  xdp_bpf__destroy(xdp_);
  tc_bpf__destroy(tc_);
}

int Programs::xdp_fd() const { return bpf_program__fd(xdp_->progs.xlb_xdp); }
int Programs::uplink_tc_fd() const { return bpf_program__fd(tc_->progs.xlb_uplink); }
int Programs::task_tc_fd() const { return bpf_program__fd(tc_->progs.xlb_task); }
int Programs::host_tc_fd() const { return bpf_program__fd(tc_->progs.xlb_host); }
int Programs::clock_fd() const { return bpf_program__fd(tc_->progs.xlb_clock); }
int Programs::mark_fd() const { return bpf_program__fd(tc_->progs.xlb_mark); }

MapFds Programs::maps() const { return MapFdsOf(xdp_->maps); }

}  // namespace xlb
