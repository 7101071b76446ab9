// A node's network, small and private: what bpf_fib_lookup asks. Everything is in a network namespace of the test
// process, which ends with it.
//
//   client 203.0.113.7 --- gateway .254 --- 192.0.2.0/24 --- up0 (.1) node (.1) up1 --- 198.51.100.0/24
//                                            worker .20                                  backend .5
#ifndef XLB_TESTS_PACKET_TEST_NETWORK_H_
#define XLB_TESTS_PACKET_TEST_NETWORK_H_

#include <cstdint>
#include <string>

#include "base/status.h"

namespace xlb::test {

inline constexpr char kNodeIp[] = "192.0.2.1";
inline constexpr char kNodeIp2[] = "198.51.100.1";
inline constexpr char kUplinkMac[] = "02:00:00:00:00:01";
inline constexpr char kUplink2Mac[] = "02:00:00:00:01:01";
inline constexpr char kTaskVethMac[] = "02:00:00:00:02:01";
inline constexpr char kGatewayMac[] = "02:00:00:00:00:fe";  // the way to everything far off
inline constexpr char kWorkerIp[] = "192.0.2.20";
inline constexpr char kWorkerMac[] = "02:00:00:00:00:20";
inline constexpr char kOtherUplinkIp[] = "198.51.100.5";  // a host beyond the second uplink
inline constexpr char kOtherUplinkMac[] = "02:00:00:00:01:05";
inline constexpr char kSilentIp[] = "192.0.2.66";       // on the first uplink's link, no neighbour entry
inline constexpr char kBehindSilentIp[] = "10.66.0.5";  // routed by way of it
inline constexpr char kUnreachableIp[] = "10.99.0.5";
inline constexpr char kNoMac[] = "00:00:00:00:00:00";

struct TestNetwork {
  uint32_t uplink = 0;  // ifindexes
  uint32_t uplink2 = 0;
  uint32_t task = 0;  // the host side of a task's veth
};

// Unshares the process's network namespace and builds the network in it. Unavailable without the rights for that.
absl::StatusOr<TestNetwork> EnterTestNetwork();

// Lines for `ip -batch`. A case that changes the network changes it back.
absl::Status ChangeNetwork(const std::string& lines);

// IPv4 forwarding of the first uplink.
void SetForwarding(bool on);

}  // namespace xlb::test

#endif  // XLB_TESTS_PACKET_TEST_NETWORK_H_
