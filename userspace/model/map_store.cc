#include "model/map_store.h"

#include <tuple>

namespace xlb {

bool ServiceKeyLess::operator()(const xlb_service_key& a, const xlb_service_key& b) const {
  return std::tie(a.addr, a.port, a.proto) < std::tie(b.addr, b.port, b.proto);
}

}  // namespace xlb
