#include "model/flow_timeouts.h"

#include <netinet/in.h>

namespace xlb {

FlowPhase PhaseOf(uint8_t protocol, uint8_t state) {
  if (protocol == IPPROTO_UDP) return FlowPhase::kUdp;
  if (state & XLB_FLOW_RESET) return FlowPhase::kReset;
  if ((state & XLB_FLOW_FIN_BOTH) == XLB_FLOW_FIN_BOTH) return FlowPhase::kClosed;
  if (state & XLB_FLOW_FIN_BOTH) return FlowPhase::kHalfClosed;
  return state & XLB_FLOW_REPLIED ? FlowPhase::kEstablished : FlowPhase::kSyn;
}

std::string_view ToString(FlowPhase phase) {
  switch (phase) {
    case FlowPhase::kSyn:
      return "syn";
    case FlowPhase::kEstablished:
      return "established";
    case FlowPhase::kHalfClosed:
      return "closing";
    case FlowPhase::kClosed:
      return "closed";
    case FlowPhase::kReset:
      return "reset";
    case FlowPhase::kUdp:
      return "udp";
  }
  return "?";
}

std::chrono::seconds IdleLimit(FlowPhase phase) {
  switch (phase) {
    case FlowPhase::kSyn:
      return std::chrono::seconds(60);
    case FlowPhase::kEstablished:
    case FlowPhase::kHalfClosed:
      return std::chrono::hours(5 * 24);
    case FlowPhase::kClosed:
      return std::chrono::seconds(60);
    case FlowPhase::kReset:
      return std::chrono::seconds(10);
    case FlowPhase::kUdp:
      return std::chrono::seconds(300);
  }
  return std::chrono::seconds(60);
}

std::chrono::seconds MarkIdleLimit(uint8_t protocol) {
  return protocol == IPPROTO_UDP ? std::chrono::seconds(300) : std::chrono::seconds(900);
}

}  // namespace xlb
