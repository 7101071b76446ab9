// How long a flow may be idle, by what was seen of it. Pure; the sweep and the tables ask here.
#ifndef XLB_MODEL_FLOW_TIMEOUTS_H_
#define XLB_MODEL_FLOW_TIMEOUTS_H_

#include <chrono>
#include <cstdint>
#include <string_view>

#include "xlb/abi.h"

namespace xlb {

enum class FlowPhase { kSyn, kEstablished, kHalfClosed, kClosed, kReset, kUdp };

FlowPhase PhaseOf(uint8_t protocol, uint8_t state);  // IP protocol number, bits of enum xlb_flow_state
std::string_view ToString(FlowPhase phase);          // "syn", "established", "closing", "closed", "reset", "udp"

// Established and half-closed TCP lives as long as nf_conntrack lets it (5 days): applications that say nothing for
// hours are alive (moby#31208, moby#29655). The rest follows nf_conntrack's and, for UDP, IPVS's defaults.
std::chrono::seconds IdleLimit(FlowPhase phase);

// For the mark of a connection that Docker's own mesh carries (XLB_KIND_NONE): what IPVS gives it by default. Later its
// packets would find no way there either.
std::chrono::seconds MarkIdleLimit(uint8_t protocol);

}  // namespace xlb

#endif  // XLB_MODEL_FLOW_TIMEOUTS_H_
