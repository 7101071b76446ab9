#include "dataplane/peer_maps.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>

#include "dataplane/batch.h"

namespace xlb {
namespace {

bool Same(const xlb_peer& a, const xlb_peer& b) { return std::memcmp(&a, &b, sizeof(a)) == 0; }
bool Same(uint32_t a, uint32_t b) { return a == b; }

// Makes the map what is wanted; `held` is what it holds. True if something was written or removed.
template <typename Map>
absl::StatusOr<bool> Bring(int fd, std::string_view name, const Map& wanted, Map& held) {
  bool changed = false;
  for (const auto& [key, value] : wanted) {
    const auto found = held.find(key);
    if (found != held.end() && Same(found->second, value)) continue;
    if (bpf_map_update_elem(fd, &key, &value, BPF_ANY) != 0) {
      return ErrnoStatus(errno, fmt::format("cannot write the map {}", name));
    }
    held[key] = value;
    changed = true;
  }
  for (auto it = held.begin(); it != held.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    if (bpf_map_delete_elem(fd, &it->first) != 0 && errno != ENOENT) {
      return ErrnoStatus(errno, fmt::format("cannot write the map {}", name));
    }
    it = held.erase(it);
    changed = true;
  }
  return changed;
}

}  // namespace

absl::Status PeerMaps::Load() {
  peers_.clear();
  deliveries_.clear();
  XLB_RETURN_IF_ERROR((ForEachEntry<uint32_t, xlb_peer>(
      peers_fd_, "peers", [this](uint32_t address, const xlb_peer& peer) { peers_[address] = peer; })));
  return ForEachEntry<xlb_delivery_key, uint32_t>(
      deliveries_fd_, "deliveries", [this](const xlb_delivery_key& key, uint32_t id) { deliveries_[key] = id; });
}

absl::StatusOr<bool> PeerMaps::SetPeers(const Peers& wanted) { return Bring(peers_fd_, "peers", wanted, peers_); }

absl::Status PeerMaps::SetDeliveries(const Deliveries& wanted) {
  return Bring(deliveries_fd_, "deliveries", wanted, deliveries_).status();
}

std::optional<xlb_peer_state> PeerMaps::State(uint32_t address) const {
  xlb_peer_state state;
  if (bpf_map_lookup_elem(states_fd_, &address, &state) != 0) return std::nullopt;
  return state;
}

void PeerMaps::ForgetState(uint32_t address) const { (void)bpf_map_delete_elem(states_fd_, &address); }

Deliveries DeliveriesOf(const std::map<uint32_t, xlb_backend>& backends) {
  Deliveries deliveries;
  for (const auto& [id, backend] : backends) {
    const bool takes = backend.state == XLB_BACKEND_ACTIVE || backend.state == XLB_BACKEND_DRAINING;
    if (backend.kind != XLB_KIND_LOCAL || !takes) continue;
    xlb_delivery_key key{};
    std::copy_n(backend.uid, sizeof(key.uid), key.uid);
    deliveries.emplace(key, id);
  }
  return deliveries;
}

}  // namespace xlb
