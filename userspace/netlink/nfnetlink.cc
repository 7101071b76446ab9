#include "netlink/nfnetlink.h"

#include <fmt/core.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <memory>

namespace xlb {
namespace {

constexpr size_t kBufferSize = 64 * 1024;
constexpr timeval kAnswerTimeout{2, 0};
constexpr uint32_t kSequence = 1;  // one question a socket

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, CloseSocket>;

absl::StatusOr<Socket> OpenSocket() {
  Socket socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  if (socket == nullptr && errno == EPROTONOSUPPORT) return absl::NotFoundError("this kernel has no netfilter");
  if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0) {
    return ErrnoStatus(errno, "cannot open a netfilter netlink socket");
  }
  const int fd = mnl_socket_get_fd(socket.get());
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof(kAnswerTimeout)) != 0) {
    return ErrnoStatus(errno, "cannot set a timeout on a netlink socket");
  }
  return socket;
}

absl::Status Request(mnl_socket* socket, uint16_t type, uint8_t family, const std::string& what) {
  alignas(nlmsghdr) std::array<char, MNL_ALIGN(sizeof(nlmsghdr)) + MNL_ALIGN(sizeof(nfgenmsg))> buffer{};
  nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = type;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = kSequence;
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(nfgenmsg)));
  header->nfgen_family = family;
  header->version = NFNETLINK_V0;
  if (mnl_socket_sendto(socket, request, request->nlmsg_len) >= 0) return absl::OkStatus();
  return ErrnoStatus(errno, fmt::format("cannot ask the kernel for {}", what));
}

int CallVisitor(const nlmsghdr* message, void* data) {
  if (message->nlmsg_len >= MNL_ALIGN(sizeof(nlmsghdr)) + sizeof(nfgenmsg)) {
    (*static_cast<const std::function<void(const nlmsghdr&)>*>(data))(*message);
  }
  return MNL_CB_OK;
}

}  // namespace

absl::Status DumpNetfilter(uint16_t type, uint8_t family, const std::string& what,
                           const std::function<void(const nlmsghdr&)>& visit) {
  XLB_ASSIGN_OR_RETURN(const Socket socket, OpenSocket());
  XLB_RETURN_IF_ERROR(Request(socket.get(), type, family, what));
  auto handler = visit;
  const auto buffer = std::make_unique<std::array<char, kBufferSize>>();
  for (;;) {
    const ssize_t size = mnl_socket_recvfrom(socket.get(), buffer->data(), buffer->size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus(errno, fmt::format("cannot read {} from the kernel", what));
    const int more = mnl_cb_run(buffer->data(), static_cast<size_t>(size), kSequence,
                                mnl_socket_get_portid(socket.get()), &CallVisitor, &handler);
    if (more == MNL_CB_STOP) return absl::OkStatus();
    if (more >= 0 || errno == EINTR) continue;  // interrupted: the table changed, which it always does
    // What nfnetlink answers when nobody is there to list them.
    if (errno == EINVAL || errno == EOPNOTSUPP) {
      return absl::NotFoundError(fmt::format("this kernel cannot list {}", what));
    }
    return ErrnoStatus(errno, fmt::format("the kernel does not tell {}", what));
  }
}

}  // namespace xlb
