#include "netlink/monitor.h"

#include <fmt/core.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <utility>

#include "base/unique_fd.h"
#include "netlink/known_neighbors.h"
#include "netlink/netlink.h"
#include "netlink/parse.h"

namespace xlb {
namespace {

constexpr unsigned kGroups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_NEIGH | RTMGRP_IPV4_RULE;
// A node that starts a hundred containers at once makes thousands of messages.
constexpr int kReceiveBuffer = 4 << 20;

absl::StatusOr<UniqueFd> OpenSubscribed() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd.valid()) return ErrnoStatus(errno, "cannot open a netlink socket");
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof(kReceiveBuffer)) != 0) {
    // Without CAP_NET_ADMIN the usual limit holds; a lost message is then reported by ENOBUFS.
    (void)setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof(kReceiveBuffer));
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kGroups;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, "cannot subscribe to the kernel's changes of devices, addresses and routes");
  }
  return fd;
}

}  // namespace

class NetlinkMonitor::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, UniqueFd fd, Netlink netlink, OnChange on_change,
       std::chrono::milliseconds coalesce)
      : descriptor_(executor, fd.Release()),
        timer_(executor),
        netlink_(std::move(netlink)),
        on_change_(std::move(on_change)),
        coalesce_(coalesce) {}

  void Start() {
    RereadNeighbors();
    Wait();
  }

  void Stop() {
    stopped_ = true;
    boost::system::error_code ignored;
    descriptor_.close(ignored);
    timer_.cancel();
  }

 private:
  void Wait() {
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this()](const boost::system::error_code& error) {
                             if (self->stopped_ || error) return;
                             self->ReadAll();
                             self->Wait();
                           });
  }

  void ReadAll() {
    alignas(nlmsghdr) char buffer[32768];
    for (;;) {
      const ssize_t size = recv(descriptor_.native_handle(), buffer, sizeof(buffer), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && errno == ENOBUFS) {
        RereadNeighbors();
        Report(kAllChanges);
        continue;
      }
      if (size <= 0) return;
      // Sequence and port of an announcement are those of whoever made the change: not checked.
      mnl_cb_run(
          buffer, static_cast<size_t>(size), 0, 0,
          [](const nlmsghdr* message, void* self) {
            static_cast<Impl*>(self)->OnMessage(*message);
            return MNL_CB_OK;
          },
          this);
    }
  }

  void OnMessage(const nlmsghdr& message) {
    switch (message.nlmsg_type) {
      case RTM_NEWLINK:
      case RTM_DELLINK:
        if (ParseLink(message)) Report(kLinks);
        break;
      case RTM_NEWADDR:
      case RTM_DELADDR:
        Report(kAddresses);
        break;
      case RTM_NEWROUTE:
      case RTM_DELROUTE:
        if (const auto route = ParseRoute(message); route && !route->cached) Report(kRoutes);
        break;
      case RTM_NEWRULE:
      case RTM_DELRULE:
        Report(kRoutes);
        break;
      case RTM_NEWNEIGH:
      case RTM_DELNEIGH:
        if (const auto neighbor = ParseNeighbor(message)) {
          if (neighbors_.Update(*neighbor, message.nlmsg_type == RTM_DELNEIGH)) Report(kNeighbors);
        }
        break;
      default:
        break;
    }
  }

  void RereadNeighbors() {
    // When they cannot be read just now, those known stand.
    if (const auto neighbors = netlink_.Neighbors(0); neighbors.ok()) neighbors_.Reset(*neighbors);
  }

  void Report(uint32_t changes) {
    const bool waiting = pending_ != 0;
    pending_ |= changes;
    if (waiting) return;
    timer_.expires_after(coalesce_);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code&) {
      const uint32_t pending = std::exchange(self->pending_, 0);
      if (!self->stopped_) self->on_change_(pending);
    });
  }

  boost::asio::posix::stream_descriptor descriptor_;
  boost::asio::steady_timer timer_;
  Netlink netlink_;  // for the first and every repeated reading of the neighbours
  OnChange on_change_;
  std::chrono::milliseconds coalesce_;
  KnownNeighbors neighbors_;
  uint32_t pending_ = 0;
  bool stopped_ = false;
};

absl::StatusOr<NetlinkMonitor> NetlinkMonitor::Open(boost::asio::any_io_executor executor, OnChange on_change,
                                                    std::chrono::milliseconds coalesce) {
  // Subscribed before the first reading, so that no change falls between the two.
  XLB_ASSIGN_OR_RETURN(UniqueFd fd, OpenSubscribed());
  XLB_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
  auto impl =
      std::make_shared<Impl>(std::move(executor), std::move(fd), std::move(netlink), std::move(on_change), coalesce);
  impl->Start();
  return NetlinkMonitor(std::move(impl));
}

NetlinkMonitor::NetlinkMonitor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
NetlinkMonitor::NetlinkMonitor(NetlinkMonitor&&) noexcept = default;
NetlinkMonitor::~NetlinkMonitor() { Stop(); }
void NetlinkMonitor::Stop() {
  if (impl_ != nullptr) impl_->Stop();
}

}  // namespace xlb
