// xlb on the other nodes: asks after it in rounds, and keeps the maps by which the programs know it.
#ifndef XLB_XLBD_PEER_NODES_H_
#define XLB_XLBD_PEER_NODES_H_

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "dataplane/hello_socket.h"
#include "dataplane/peer_maps.h"
#include "model/views.h"
#include "peer/pair_key.h"
#include "peer/peer_tracker.h"

namespace xlb {

// What hellos need to know of the swarm.
struct PeerTopology {
  Ipv4 own_address;                   // this node's data path address; unset: not known
  uint16_t vxlan_port = 0;            // host order; 0: no ingress network to speak of
  std::string secret;                 // of the swarm (peer/pair_key.h); empty: not known
  std::map<Ipv4, std::string> nodes;  // the others' data path addresses, and their names as far as known
  bool operator==(const PeerTopology&) const = default;
};

// Runs on `executor` alone. Stops when it is destroyed.
class PeerNodes {
 public:
  struct Callbacks {
    std::function<void()> on_change;  // of what tracker() says
    std::function<void()> on_keys;    // flows to peers have to look again
    std::function<void(const char* kind, const std::string& subject, const std::string& text)> on_event;
  };
  PeerNodes(boost::asio::any_io_executor executor, const Clock* clock, PeerTimes times, PeerMaps maps,
            Callbacks callbacks);

  absl::Status Start();
  // What is not known (no secret, no address) leaves things as they are: Docker is away for a moment.
  void SetTopology(const PeerTopology& topology);
  void SetBackends(const std::map<Ipv4, std::set<UidPrefix>>& backends);
  absl::Status SetDeliveries(const std::map<uint32_t, xlb_backend>& backends) {
    return maps_.SetDeliveries(DeliveriesOf(backends));
  }
  const PeerTracker& tracker() const { return tracker_; }
  std::vector<PeerView> Describe() const;

 private:
  void Round();
  void Arm();
  void ReadAnswers();
  void Ask();
  void TellChanges();
  void WritePeers();
  // The swarm's secret changed, and not every node knows it at once. First the former one is used and both are taken,
  // then the new one is used and both are taken.
  enum class KeyPhase { kUseFormer, kTakeFormer, kNewAlone };
  KeyPhase Phase() const;
  std::optional<PairKey> FormerKey(Ipv4 address) const;
  PairKey KeyInUse(Ipv4 address) const;
  xlb_peer RecordOf(Ipv4 address) const;
  std::string NameOf(Ipv4 address) const;

  const Clock* clock_;
  PeerTimes times_;
  PeerMaps maps_;
  Callbacks callbacks_;
  PeerTracker tracker_;
  PeerTopology topology_;
  std::map<Ipv4, std::set<UidPrefix>> backends_;
  Peers pinned_;               // keys of an earlier xlbd
  std::string former_secret_;  // from before the swarm's secret changed
  Clock::Time learned_{};      // when the present one came
  KeyPhase written_ = KeyPhase::kNewAlone;
  std::optional<HelloSocket> socket_;
  std::map<Ipv4, PeerState> told_;
  std::string last_failure_;
  uint64_t last_seq_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  boost::asio::steady_timer timer_;
};

}  // namespace xlb

#endif  // XLB_XLBD_PEER_NODES_H_
