// What xlbd would write into the maps, in a few words, by plain map writes:
//
//   Node().Address("192.0.2.1").Service("tcp", "*", 8091, {Route("10.1.0.5", 8080), Vxlan("10.0.0.7", 80)})
#ifndef XLB_TESTS_PACKET_NODE_H_
#define XLB_TESTS_PACKET_NODE_H_

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "packet/loaded_programs.h"
#include "xlb/abi.h"

namespace xlb::test {

inline constexpr uint32_t kVni = 4097;
inline constexpr char kIngressIp[] = "10.0.0.2";  // this node's in the ingress network
inline constexpr char kIngressMac[] = "02:42:0a:00:00:02";
inline constexpr char kTaskMac[] = "02:42:0a:00:00:07";
inline constexpr char kBridgeMac[] = "02:42:ac:12:00:01";

// Backends as the kinds have them; the fields that a case changes are the record's own. Port 0: the service's.
xlb_backend Route(std::string_view address, uint16_t port = 0);  // source: the node's first address
xlb_backend Vxlan(std::string_view address, uint16_t port = 0);  // on the worker, source: the ingress address
xlb_backend Local(std::string_view address, uint16_t port = 0);  // by the device `task0`, source: the client's

class Node {
 public:
  Node();
  Node& Address(std::string_view address);
  Node& Uplink(uint32_t ifindex, bool native_xdp);
  // The ring has the backends in the order given. `address` "*": every address of the node.
  Node& Service(std::string_view protocol, std::string_view address, uint16_t port,
                const std::vector<xlb_backend>& backends, xlb_pick pick = XLB_PICK_NEXT);

  // The ring of a service that there is: ids of backends.
  Node& Ring(uint16_t port, uint8_t protocol, std::initializer_list<uint32_t> ids);
  // Of the service made last.
  Node& Flags(uint8_t flags);
  // Verdicts of `prefix` in the list of the service made last; the first call makes the list.
  Node& Source(std::string_view prefix, uint32_t verdicts);

  // Another node's xlb, and a backend of this node that is delivered to for it, by the first bytes of its uid.
  Node& Peer(std::string_view address, std::string_view cookie, std::string_view old_cookie = "00:00:00:00:00:00");
  Node& Delivers(uint32_t backend_id);
  // As right after the maps were made: the map shortcuts says nothing.
  Node& WithoutShortcuts();

  // Brings the maps to this state; other entries of services, addresses and uplinks are not touched. May be called
  // again after changes.
  void Write(const MapFds& maps) const;

  xlb_backend& backend(uint32_t id) { return backends_.at(id - 1); }  // ids count from 1 in the order given
  const std::vector<xlb_backend>& backends() const { return backends_; }
  const std::vector<std::pair<xlb_service_key, xlb_service>>& services() const { return services_; }
  xlb_service& service(uint32_t id) { return services_.at(id - 1).second; }

  xlb_node self{};

 private:
  void WriteShortcuts(const MapFds& maps) const;
  bool with_shortcuts_ = true;
  std::vector<uint32_t> addresses_;
  std::vector<std::pair<uint32_t, xlb_uplink>> uplinks_;
  std::vector<std::pair<xlb_service_key, xlb_service>> services_;
  std::vector<std::pair<xlb_source_key, uint32_t>> sources_;
  std::vector<std::pair<uint32_t, xlb_peer>> peers_;
  std::vector<uint32_t> delivered_;
  std::vector<xlb_backend> backends_;
  std::vector<uint32_t> ring_;
};

// Empties every map, so that nothing of an earlier case is left.
void ClearMaps(const MapFds& maps);

// Gives the backend a uid that begins with these bytes.
xlb_backend WithUid(xlb_backend backend, std::string_view first_bytes);
// What the inner Ethernet addresses of frames in xlb's own VNI are: the first bytes of a backend's uid, and a pair's
// cookie.
inline constexpr char kUidMac[] = "a1:a2:a3:a4:a5:a6";
inline constexpr char kCookieMac[] = "c1:c2:c3:c4:c5:c6";
// The pair's key of every peer made by Node::Peer.
inline constexpr uint64_t kPeerKey[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
inline constexpr uint64_t kOldPeerKey[2] = {0x1706050403020100, 0x1f0e0d0c0b0a0908};

// "192.0.2.1" as the maps hold it.
uint32_t AddressBe(std::string_view text);
uint16_t PortBe(uint16_t port);

}  // namespace xlb::test

#endif  // XLB_TESTS_PACKET_NODE_H_
