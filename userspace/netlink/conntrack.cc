#include "netlink/conntrack.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include "base/netns.h"
#include "netlink/nfnetlink.h"

namespace xlb {
namespace {

// Attributes by type, those of a message or of a nest.
template <size_t N>
struct Attributes {
  std::array<const nlattr*, N> entries{};

  static int Collect(const nlattr* attribute, void* data) {
    auto* table = static_cast<Attributes*>(data);
    const uint16_t type = mnl_attr_get_type(attribute);
    if (type < N) table->entries[type] = attribute;
    return MNL_CB_OK;
  }
  const nlattr* Find(size_t type, size_t size) const {
    const nlattr* attribute = entries[type];
    return attribute != nullptr && mnl_attr_get_payload_len(attribute) >= size ? attribute : nullptr;
  }
};

template <size_t N>
Attributes<N> Nested(const nlattr* nest) {
  Attributes<N> table;
  mnl_attr_parse_nested(nest, &Attributes<N>::Collect, &table);
  return table;
}

// The protocol number, or nothing: not IPv4, not TCP or UDP.
std::optional<uint8_t> ParseTuple(const nlattr* nest, ConnectionTuple& tuple) {
  const auto parts = Nested<CTA_TUPLE_PROTO + 1>(nest);
  const nlattr* ip = parts.Find(CTA_TUPLE_IP, 0);
  const nlattr* proto = parts.Find(CTA_TUPLE_PROTO, 0);
  if (ip == nullptr || proto == nullptr) return std::nullopt;
  const auto addresses = Nested<CTA_IP_V4_DST + 1>(ip);
  const auto ports = Nested<CTA_PROTO_DST_PORT + 1>(proto);
  const nlattr* source = addresses.Find(CTA_IP_V4_SRC, sizeof(uint32_t));
  const nlattr* destination = addresses.Find(CTA_IP_V4_DST, sizeof(uint32_t));
  const nlattr* number = ports.Find(CTA_PROTO_NUM, sizeof(uint8_t));
  const nlattr* source_port = ports.Find(CTA_PROTO_SRC_PORT, sizeof(uint16_t));
  const nlattr* destination_port = ports.Find(CTA_PROTO_DST_PORT, sizeof(uint16_t));
  if (!source || !destination || !number || !source_port || !destination_port) return std::nullopt;
  tuple = {.source = Ipv4{mnl_attr_get_u32(source)},
           .destination = Ipv4{mnl_attr_get_u32(destination)},
           .source_port = ntohs(mnl_attr_get_u16(source_port)),
           .destination_port = ntohs(mnl_attr_get_u16(destination_port))};
  return mnl_attr_get_u8(number);
}

}  // namespace

std::optional<Connection> ParseConnection(const nlmsghdr& message) {
  if (message.nlmsg_len < MNL_ALIGN(sizeof(nlmsghdr)) + sizeof(nfgenmsg)) return std::nullopt;
  Attributes<CTA_TUPLE_REPLY + 1> table;
  mnl_attr_parse(&message, sizeof(nfgenmsg), &decltype(table)::Collect, &table);
  const nlattr* original = table.Find(CTA_TUPLE_ORIG, 0);
  const nlattr* reply = table.Find(CTA_TUPLE_REPLY, 0);
  if (original == nullptr || reply == nullptr) return std::nullopt;
  Connection connection;
  const auto protocol = ParseTuple(original, connection.original);
  if (!protocol || ParseTuple(reply, connection.reply) != protocol) return std::nullopt;
  if (*protocol != IPPROTO_TCP && *protocol != IPPROTO_UDP) return std::nullopt;
  connection.protocol = *protocol;
  return connection;
}

absl::Status ForEachConnection(const std::function<void(const Connection&)>& visit) {
  return DumpNetfilter((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET, AF_INET, "the connections that it tracks",
                       [&](const nlmsghdr& message) {
                         if (const auto connection = ParseConnection(message)) visit(*connection);
                       });
}

absl::Status ForEachConnectionIn(const std::string& netns_path, const std::function<void(const Connection&)>& visit) {
  XLB_ASSIGN_OR_RETURN(NetnsScope scope, NetnsScope::Enter(netns_path));
  return ForEachConnection(visit);
}

}  // namespace xlb
