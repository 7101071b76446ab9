// Makes clients speak whose backend is gone. A client that waits for an answer sends nothing, and so would not hear of
// the end of its connection: it is asked for a sign of life, and what it then sends meets a flow without a backend, for
// which the programs have a reset (bpf/lib/reset.h).
#ifndef XLB_DATAPLANE_CLIENT_PROBER_H_
#define XLB_DATAPLANE_CLIENT_PROBER_H_

#include <array>
#include <cstdint>

#include "base/status.h"
#include "base/unique_fd.h"
#include "xlb/abi.h"

namespace xlb {

inline constexpr size_t kProbeSize = 20 + 20;  // IPv4 and TCP headers without options

// A bare ACK as from the service to the client of `key` (an entry of the client's direction). It lies outside of the
// client's window, and so is answered with an ACK that has the client's sequence numbers (RFC 9293 3.10.7.4).
std::array<uint8_t, kProbeSize> MakeProbe(const xlb_flow_key& key, uint32_t seq);

class ClientProber {
 public:
  static absl::StatusOr<ClientProber> Open();
  // Does not wait. Two probes half the sequence space apart: one of them at the least is outside of any window.
  absl::Status Probe(const xlb_flow_key& key) const;

 private:
  explicit ClientProber(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace xlb

#endif  // XLB_DATAPLANE_CLIENT_PROBER_H_
