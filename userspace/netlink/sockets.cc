#include "netlink/sockets.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace xlb {
namespace {

// States of TCP, which UDP borrows: TCP_LISTEN, and TCP_CLOSE for a socket that is not connected.
constexpr uint32_t kListening = 1u << 10;
constexpr uint32_t kNotConnected = 1u << 7;
constexpr timeval kAnswerTimeout{2, 0};
constexpr size_t kBufferSize = 64 * 1024;

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};

struct Reading {
  uint8_t protocol;
  std::vector<WaitingSocket>* sockets;
};

bool IsZero(const __be32 (&address)[4]) { return (address[0] | address[1] | address[2] | address[3]) == 0; }

int OnAttribute(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == INET_DIAG_SKV6ONLY && mnl_attr_get_payload_len(attribute) >= 1) {
    *static_cast<bool*>(data) = mnl_attr_get_u8(attribute) != 0;
  }
  return MNL_CB_OK;
}

bool OnlyIpv6(const nlmsghdr* message) {
  bool only = false;
  mnl_attr_parse(message, sizeof(inet_diag_msg), &OnAttribute, &only);
  return only;
}

int OnSocket(const nlmsghdr* message, void* data) {
  const auto* reading = static_cast<Reading*>(data);
  if (mnl_nlmsg_get_payload_len(message) < sizeof(inet_diag_msg)) return MNL_CB_OK;
  const auto* said = static_cast<const inet_diag_msg*>(mnl_nlmsg_get_payload(message));
  WaitingSocket socket{reading->protocol, {}, ntohs(said->id.idiag_sport), said->idiag_inode};
  if (socket.port == 0 || said->id.idiag_dport != 0) return MNL_CB_OK;
  if (said->idiag_family == AF_INET) {
    socket.address.be = said->id.idiag_src[0];
  } else if (!IsZero(said->id.idiag_src)) {
    const bool is_mapped =
        said->id.idiag_src[0] == 0 && said->id.idiag_src[1] == 0 && said->id.idiag_src[2] == htonl(0xffff);
    if (!is_mapped) return MNL_CB_OK;
    socket.address.be = said->id.idiag_src[3];
  } else if (OnlyIpv6(message)) {
    return MNL_CB_OK;
  }
  reading->sockets->push_back(socket);
  return MNL_CB_OK;
}

absl::Status ReadFamily(mnl_socket* socket, uint8_t family, uint8_t protocol, std::vector<WaitingSocket>& sockets) {
  alignas(nlmsghdr) char request[256];
  nlmsghdr* header = mnl_nlmsg_put_header(request);
  header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header->nlmsg_seq = family * 256u + protocol;
  auto* asked = static_cast<inet_diag_req_v2*>(mnl_nlmsg_put_extra_header(header, sizeof(inet_diag_req_v2)));
  std::memset(asked, 0, sizeof(*asked));
  asked->sdiag_family = family;
  asked->sdiag_protocol = protocol;
  asked->idiag_states = protocol == IPPROTO_TCP ? kListening : kNotConnected;
  if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0) return ErrnoStatus(errno, "cannot ask for the sockets");
  alignas(nlmsghdr) static thread_local char buffer[kBufferSize];
  Reading reading{protocol, &sockets};
  for (;;) {
    const ssize_t size = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus(errno, "cannot read the sockets of this node");
    const int more = mnl_cb_run(buffer, static_cast<size_t>(size), header->nlmsg_seq, mnl_socket_get_portid(socket),
                                &OnSocket, &reading);
    // A kernel without IPv6, or without UDP's half of sock_diag, has none to tell.
    if (more < 0 && (errno == ENOENT || errno == EAFNOSUPPORT)) return absl::OkStatus();
    if (more < 0) return ErrnoStatus(errno, "the kernel does not tell the sockets of this node");
    if (more == MNL_CB_STOP) return absl::OkStatus();
  }
}

}  // namespace

absl::StatusOr<std::vector<WaitingSocket>> ReadWaitingSockets() {
  const std::unique_ptr<mnl_socket, CloseSocket> socket(mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC));
  if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0) {
    return ErrnoStatus(errno, "cannot open a netlink socket for sock_diag");
  }
  if (setsockopt(mnl_socket_get_fd(socket.get()), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof(kAnswerTimeout)) !=
      0) {
    return ErrnoStatus(errno, "cannot set a timeout on a netlink socket");
  }
  std::vector<WaitingSocket> sockets;
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    for (const uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
      XLB_RETURN_IF_ERROR(ReadFamily(socket.get(), family, protocol, sockets));
    }
  }
  std::sort(sockets.begin(), sockets.end());
  sockets.erase(std::unique(sockets.begin(), sockets.end()), sockets.end());
  return sockets;
}

}  // namespace xlb
