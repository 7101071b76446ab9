// What spares packets look-ups in the maps services and addrs (struct xlb_shortcuts), kept in step with them.
#ifndef XLB_DATAPLANE_SHORTCUTS_H_
#define XLB_DATAPLANE_SHORTCUTS_H_

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "model/map_store.h"
#include "xlb/abi.h"

namespace xlb {

// Packets read the record at any moment, and take its word: so it is told of what is added before that is in its map,
// of what is removed afterwards; of an address the other way round. Told twice is as good as once. Not thread safe.
class Shortcuts {
 public:
  // `record`: the map's own memory, or a test's; outlives this.
  explicit Shortcuts(xlb_shortcuts* record) : record_(record) {}

  // Brings the record, whatever it says, to what the maps hold. First call: before it, nobody knows of a service that
  // is removed whether it was its port's last, and so nothing is said of it.
  void Reset(const MapContents& contents);

  void BeforeServiceIsAdded(const xlb_service_key& key);
  void AfterServiceIsRemoved(const xlb_service_key& key);
  void AfterAddressIsAdded(uint32_t address_be);
  void BeforeAddressIsRemoved(uint32_t address_be);

 private:
  using Port = std::pair<uint8_t, uint16_t>;  // protocol, port in network byte order
  xlb_shortcuts* record_;
  bool knows_all_ = false;
  std::map<Port, std::set<uint32_t>> bound_;  // the addresses at which there are services with this port
};

}  // namespace xlb

#endif  // XLB_DATAPLANE_SHORTCUTS_H_
