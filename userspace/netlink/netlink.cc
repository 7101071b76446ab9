#include "netlink/netlink.h"

#include <fmt/core.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <string_view>
#include <utility>

#include "base/netns.h"
#include "netlink/parse.h"

namespace xlb {
namespace {

// Large enough that a dump takes few system calls; the kernel fills at most what recv offers.
constexpr size_t kBufferSize = 64 * 1024;
constexpr timeval kAnswerTimeout{2, 0};
// A table that changes during each of so many dumps is read at the next occasion.
constexpr int kDumpAttempts = 5;

// A request under construction: netlink header, family header, attributes.
class Request {
 public:
  Request(uint16_t type, uint16_t flags) : header_(mnl_nlmsg_put_header(buffer_)) {
    header_->nlmsg_type = type;
    header_->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  }
  template <typename Family>
  Family* Extra() {
    return static_cast<Family*>(mnl_nlmsg_put_extra_header(header_, sizeof(Family)));
  }
  nlmsghdr* header() { return header_; }

 private:
  alignas(nlmsghdr) char buffer_[256];
  nlmsghdr* header_;
};

int CallHandler(const nlmsghdr* message, void* data) {
  (*static_cast<const std::function<void(const nlmsghdr&)>*>(data))(*message);
  return MNL_CB_OK;
}

}  // namespace

void Netlink::CloseSocket::operator()(mnl_socket* socket) const { mnl_socket_close(socket); }

Netlink::Netlink(Socket socket) : socket_(std::move(socket)), port_id_(mnl_socket_get_portid(socket_.get())) {}

absl::StatusOr<Netlink> Netlink::Open() {
  Socket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
  if (socket == nullptr) return ErrnoStatus(errno, "cannot open a netlink socket");
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0) {
    return ErrnoStatus(errno, "cannot bind a netlink socket");
  }
  const int fd = mnl_socket_get_fd(socket.get());
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof(kAnswerTimeout)) != 0) {
    return ErrnoStatus(errno, "cannot set a timeout on a netlink socket");
  }
  // The kernel then filters dumps by the request's device; an older one sends all, and the entries are compared here.
  int on = 1;
  (void)mnl_socket_setsockopt(socket.get(), NETLINK_GET_STRICT_CHK, &on, sizeof(on));
  return Netlink(std::move(socket));
}

absl::StatusOr<Netlink> Netlink::OpenIn(const std::string& netns_path) {
  XLB_ASSIGN_OR_RETURN(NetnsScope scope, NetnsScope::Enter(netns_path));
  return Open();
}

absl::Status Netlink::Ask(nlmsghdr* request, const std::string& what, const OnMessage& on_message) {
  const bool dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  request->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), request, request->nlmsg_len) < 0) {
    return ErrnoStatus(errno, fmt::format("cannot ask the kernel for {}", what));
  }
  alignas(nlmsghdr) static thread_local char buffer[kBufferSize];
  OnMessage handler = on_message;
  for (;;) {
    const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus(errno, fmt::format("cannot read {} from the kernel", what));
    // What is left of an answer that an earlier call gave up on.
    if (reinterpret_cast<const nlmsghdr*>(buffer)->nlmsg_seq != sequence_) continue;
    const int more = mnl_cb_run(buffer, static_cast<size_t>(size), sequence_, port_id_, &CallHandler, &handler);
    if (more < 0 && errno == EINTR) return absl::AbortedError(fmt::format("{} changed while they were read", what));
    if (more < 0) return ErrnoStatus(errno, fmt::format("the kernel does not tell {}", what));
    // The answer to a request that is no dump is a single message without an end mark.
    if (more == MNL_CB_STOP || !dump) return absl::OkStatus();
  }
}

template <typename Value>
absl::StatusOr<std::vector<Value>> Netlink::Dump(nlmsghdr* request, const std::string& what,
                                                 const std::function<std::optional<Value>(const nlmsghdr&)>& parse) {
  std::vector<Value> values;
  const OnMessage collect = [&](const nlmsghdr& message) {
    if (auto value = parse(message)) values.push_back(*std::move(value));
  };
  absl::Status status;
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    values.clear();
    status = Ask(request, what, collect);
    if (status.ok()) return values;
    if (!absl::IsAborted(status)) return status;
  }
  return status;
}

absl::StatusOr<std::vector<Link>> Netlink::Links() {
  Request request(RTM_GETLINK, NLM_F_DUMP);
  request.Extra<ifinfomsg>()->ifi_family = AF_UNSPEC;
  return Dump<Link>(request.header(), "the devices", &ParseLink);
}

absl::StatusOr<std::vector<Address>> Netlink::Addresses() {
  Request request(RTM_GETADDR, NLM_F_DUMP);
  request.Extra<ifaddrmsg>()->ifa_family = AF_INET;
  return Dump<Address>(request.header(), "the addresses", &ParseAddress);
}

absl::StatusOr<std::vector<Route>> Netlink::DefaultRoutes() {
  Request request(RTM_GETROUTE, NLM_F_DUMP);
  request.Extra<rtmsg>()->rtm_family = AF_INET;
  const auto parse = [](const nlmsghdr& message) -> std::optional<Route> {
    const auto parsed = ParseRoute(message);
    if (!parsed || parsed->destination_length != 0 || parsed->table != RT_TABLE_MAIN || parsed->cached) {
      return std::nullopt;
    }
    return parsed->route;
  };
  XLB_ASSIGN_OR_RETURN(std::vector<Route> routes, Dump<Route>(request.header(), "the routes", parse));
  std::stable_sort(routes.begin(), routes.end(), [](const Route& a, const Route& b) { return a.metric < b.metric; });
  return routes;
}

absl::StatusOr<Route> Netlink::RouteTo(Ipv4 destination) {
  Request request(RTM_GETROUTE, 0);
  auto* header = request.Extra<rtmsg>();
  header->rtm_family = AF_INET;
  header->rtm_dst_len = 32;
  mnl_attr_put_u32(request.header(), RTA_DST, destination.be);
  const std::string what = fmt::format("the route to {}", destination.ToString());
  std::optional<Route> route;
  XLB_RETURN_IF_ERROR(Ask(request.header(), what, [&route](const nlmsghdr& message) {
    if (const auto parsed = ParseRoute(message)) route = parsed->route;
  }));
  if (!route) return absl::NotFoundError(fmt::format("the kernel does not tell {}", what));
  return *route;
}

absl::StatusOr<std::vector<Neighbor>> Netlink::Neighbors(uint32_t ifindex) {
  Request request(RTM_GETNEIGH, NLM_F_DUMP);
  request.Extra<ndmsg>()->ndm_family = AF_INET;
  if (ifindex != 0) mnl_attr_put_u32(request.header(), NDA_IFINDEX, ifindex);
  const auto parse = [ifindex](const nlmsghdr& message) {
    auto neighbor = ParseNeighbor(message);
    if (neighbor && ifindex != 0 && neighbor->ifindex != ifindex) neighbor.reset();
    return neighbor;
  };
  return Dump<Neighbor>(request.header(), "the neighbours", parse);
}

absl::StatusOr<std::vector<FdbEntry>> Netlink::BridgeFdb(uint32_t ifindex) {
  Request request(RTM_GETNEIGH, NLM_F_DUMP);
  auto* header = request.Extra<ndmsg>();
  header->ndm_family = AF_BRIDGE;
  header->ndm_ifindex = static_cast<int>(ifindex);
  const auto parse = [ifindex](const nlmsghdr& message) -> std::optional<FdbEntry> {
    const auto* entry = static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&message));
    if (entry->ndm_ifindex != static_cast<int>(ifindex)) return std::nullopt;
    return ParseFdbEntry(message);
  };
  return Dump<FdbEntry>(request.header(), "the forwarding entries", parse);
}

}  // namespace xlb
