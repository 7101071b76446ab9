#include "dataplane/tc_attach.h"

#include <fmt/core.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "base/unique_fd.h"

namespace xlb {
namespace {

std::string DeviceName(uint32_t ifindex) {
  char name[IF_NAMESIZE];
  return if_indextoname(ifindex, name) != nullptr ? name : fmt::format("device {}", ifindex);
}

std::string ProgramName(uint32_t program_id) {
  UniqueFd program(bpf_prog_get_fd_by_id(program_id));
  bpf_prog_info info{};
  uint32_t length = sizeof(info);
  if (!program.valid() || bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0) return "";
  return info.name;
}

// Does any filter hang on this side (ingress or egress) of the device's clsact? An error counts as yes: then nothing
// that might be somebody else's is removed.
bool HasFilters(uint32_t ifindex, uint32_t parent) {
  alignas(nlmsghdr) char buffer[8192];
  nlmsghdr* request = mnl_nlmsg_put_header(buffer);
  request->nlmsg_type = RTM_GETTFILTER;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = 1;
  auto* message = static_cast<tcmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(tcmsg)));
  message->tcm_family = AF_UNSPEC;
  message->tcm_ifindex = static_cast<int>(ifindex);
  message->tcm_parent = parent;
  mnl_socket* socket = mnl_socket_open(NETLINK_ROUTE);
  if (socket == nullptr) return true;
  bool found = false;
  int result = -1;
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
      mnl_socket_sendto(socket, request, request->nlmsg_len) >= 0) {
    const auto on_message = [](const nlmsghdr* header, void* data) {
      if (header->nlmsg_type == RTM_NEWTFILTER) *static_cast<bool*>(data) = true;
      return MNL_CB_OK;
    };
    do {
      const ssize_t length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
      result = length < 0 ? -1
                          : mnl_cb_run(buffer, static_cast<size_t>(length), 1, mnl_socket_get_portid(socket),
                                       on_message, &found);
    } while (result > MNL_CB_STOP);
  }
  mnl_socket_close(socket);
  return found || result < 0;
}

void RemoveQdiscIfUnused(uint32_t ifindex) {
  if (HasFilters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS))) return;
  if (HasFilters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS))) return;
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex));
  hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
  bpf_tc_hook_destroy(&hook);  // fails when it is already gone, which is as good
}

bpf_tc_attach_point SideOf(TcProgram program) { return program == TcProgram::kHost ? BPF_TC_EGRESS : BPF_TC_INGRESS; }

// The name of our program there; empty: none, or not one of ours.
std::string OursAt(uint32_t ifindex, bpf_tc_attach_point side) {
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex), .attach_point = side);
  LIBBPF_OPTS(bpf_tc_opts, options, .handle = kTcHandle, .priority = kTcPriority);
  if (bpf_tc_query(&hook, &options) != 0) return "";
  const std::string name = ProgramName(options.prog_id);
  return name == "xlb_uplink" || name == "xlb_task" || name == "xlb_host" ? name : "";
}

const char* NameOf(TcProgram program) {
  switch (program) {
    case TcProgram::kUplink:
      return "xlb_uplink";
    case TcProgram::kTask:
      return "xlb_task";
    case TcProgram::kHost:
      break;
  }
  return "xlb_host";
}

}  // namespace

absl::Status AttachTc(uint32_t ifindex, TcProgram program, int program_fd) {
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex), .attach_point = SideOf(program));
  int error = bpf_tc_hook_create(&hook);
  if (error != 0 && error != -EEXIST) {
    return ErrnoStatus(-error, fmt::format("cannot add a clsact qdisc to {}", DeviceName(ifindex)));
  }
  LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE, .handle = kTcHandle,
              .priority = kTcPriority);
  error = bpf_tc_attach(&hook, &options);
  if (error != 0) return ErrnoStatus(-error, fmt::format("cannot attach the TC program to {}", DeviceName(ifindex)));
  return absl::OkStatus();
}

bool HasTc(uint32_t ifindex, TcProgram program) { return OursAt(ifindex, SideOf(program)) == NameOf(program); }

std::set<uint32_t> DevicesWithTc(TcProgram program) {
  std::set<uint32_t> found;
  const std::unique_ptr<struct if_nameindex, void (*)(struct if_nameindex*)> list(if_nameindex(), if_freenameindex);
  if (list == nullptr) return found;
  for (const struct if_nameindex* device = list.get(); device->if_index != 0; device++) {
    if (HasTc(device->if_index, program)) found.insert(device->if_index);
  }
  return found;
}

absl::StatusOr<bool> DetachTc(uint32_t ifindex, TcProgram program) {
  if (OursAt(ifindex, SideOf(program)).empty()) return false;
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex), .attach_point = SideOf(program));
  LIBBPF_OPTS(bpf_tc_opts, options, .handle = kTcHandle, .priority = kTcPriority);
  const int error = bpf_tc_detach(&hook, &options);
  if (error != 0 && error != -ENOENT && error != -ENODEV) {
    return ErrnoStatus(-error, fmt::format("cannot detach the TC program from {}", DeviceName(ifindex)));
  }
  RemoveQdiscIfUnused(ifindex);
  return true;
}

}  // namespace xlb
