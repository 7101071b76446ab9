#include "netfilter/nft_tables.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

namespace xlb {
namespace {

constexpr size_t kBufferSize = 64 * 1024;
constexpr timeval kAnswerTimeout{2, 0};
constexpr uint32_t kSequence = 1;

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};

struct Attributes {
  std::array<const nlattr*, 16> entries{};

  static int Collect(const nlattr* attribute, void* data) {
    const uint16_t type = mnl_attr_get_type(attribute);
    auto& entries = static_cast<Attributes*>(data)->entries;
    if (type < entries.size()) entries[type] = attribute;
    return MNL_CB_OK;
  }
  std::string_view Text(size_t type) const {
    if (entries[type] == nullptr) return {};
    const auto* text = static_cast<const char*>(mnl_attr_get_payload(entries[type]));
    return {text, strnlen(text, mnl_attr_get_payload_len(entries[type]))};
  }
  uint32_t Number(size_t type, uint32_t otherwise) const {
    const nlattr* attribute = entries[type];
    if (attribute == nullptr || mnl_attr_get_payload_len(attribute) < sizeof(uint32_t)) return otherwise;
    return ntohl(mnl_attr_get_u32(attribute));
  }
};

const char* NameOfFamily(uint8_t family) {
  switch (family) {
    case NFPROTO_IPV4:
      return "ip";
    case NFPROTO_INET:
      return "inet";
    case NFPROTO_NETDEV:
      return "netdev";
    case NFPROTO_BRIDGE:
      return "bridge";
    default:
      return nullptr;  // of no IPv4 packet
  }
}

bool IsKnownOtherwise(uint8_t family, std::string_view table) {
  constexpr std::string_view kOfIptables[] = {"raw", "mangle", "nat", "filter", "security"};
  if (table.starts_with("docker")) return true;
  return family == NFPROTO_IPV4 &&
         std::find(std::begin(kOfIptables), std::end(kOfIptables), table) != std::end(kOfIptables);
}

bool IsPassed(uint8_t family, uint32_t hook) {
  if (family == NFPROTO_NETDEV) return hook == NF_NETDEV_INGRESS;
  return hook == NF_INET_PRE_ROUTING || hook == NF_INET_FORWARD || (family == NFPROTO_INET && hook == NF_INET_INGRESS);
}

int OnChain(const nlmsghdr* message, void* data) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(nfgenmsg)) return MNL_CB_OK;
  const uint8_t family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message))->nfgen_family;
  Attributes chain, hook;
  mnl_attr_parse(message, sizeof(nfgenmsg), &Attributes::Collect, &chain);
  const char* name = NameOfFamily(family);
  const std::string_view table = chain.Text(NFTA_CHAIN_TABLE);
  if (name == nullptr || chain.entries[NFTA_CHAIN_HOOK] == nullptr || IsKnownOtherwise(family, table)) return MNL_CB_OK;
  mnl_attr_parse_nested(chain.entries[NFTA_CHAIN_HOOK], &Attributes::Collect, &hook);
  const bool decides = chain.Number(NFTA_CHAIN_USE, 0) != 0 || chain.Number(NFTA_CHAIN_POLICY, NF_ACCEPT) == NF_DROP;
  if (chain.Text(NFTA_CHAIN_TYPE) == "filter" && IsPassed(family, hook.Number(NFTA_HOOK_HOOKNUM, UINT32_MAX)) &&
      decides) {
    static_cast<std::set<std::string>*>(data)->insert(fmt::format("{} {}", name, table));
  }
  return MNL_CB_OK;
}

}  // namespace

absl::StatusOr<std::set<std::string>> ReadFilteringNftTables() {
  std::set<std::string> tables;
  const std::unique_ptr<mnl_socket, CloseSocket> socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  if (socket == nullptr && errno == EPROTONOSUPPORT) return tables;
  if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0 ||
      setsockopt(mnl_socket_get_fd(socket.get()), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof(kAnswerTimeout)) !=
          0) {
    return ErrnoStatus(errno, "cannot open a netfilter netlink socket");
  }
  alignas(nlmsghdr) char request[256];
  nlmsghdr* header = mnl_nlmsg_put_header(request);
  header->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETCHAIN;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header->nlmsg_seq = kSequence;
  auto* family = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
  family->nfgen_family = NFPROTO_UNSPEC;
  family->version = NFNETLINK_V0;
  if (mnl_socket_sendto(socket.get(), header, header->nlmsg_len) < 0)
    return ErrnoStatus(errno, "cannot ask for nftables");
  alignas(nlmsghdr) static thread_local char buffer[kBufferSize];
  for (;;) {
    const ssize_t size = mnl_socket_recvfrom(socket.get(), buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus(errno, "cannot read nftables");
    const int more = mnl_cb_run(buffer, static_cast<size_t>(size), kSequence, mnl_socket_get_portid(socket.get()),
                                &OnChain, &tables);
    if (more < 0 && (errno == EINVAL || errno == EOPNOTSUPP || errno == ENOENT)) return tables;  // no nftables here
    if (more < 0) return ErrnoStatus(errno, "the kernel does not tell nftables");
    if (more == MNL_CB_STOP) return tables;
  }
}

}  // namespace xlb
