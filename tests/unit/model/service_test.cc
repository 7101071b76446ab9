#include "model/service.h"

#include <gtest/gtest.h>

namespace xlb {
namespace {

std::string Message(const absl::Status& status) { return std::string(status.message()); }

struct Bad {
  std::string text, message;
};

TEST(FrontendTest, ParsesAndPrintsTheSame) {
  for (const std::string text : {"tcp/192.0.2.10:80", "udp/192.0.2.10:65535", "tcp/*:8091", "udp/*:1"}) {
    const absl::StatusOr<Frontend> frontend = Frontend::Parse(text);
    ASSERT_TRUE(frontend.ok()) << frontend.status();
    EXPECT_EQ(frontend->ToString(), text);
  }
}

TEST(FrontendTest, ParsesEachPart) {
  const absl::StatusOr<Frontend> frontend = Frontend::Parse("udp/192.0.2.10:53");
  ASSERT_TRUE(frontend.ok()) << frontend.status();
  EXPECT_EQ(frontend->protocol, Protocol::kUdp);
  EXPECT_EQ(frontend->address, Ipv4::Parse("192.0.2.10"));
  EXPECT_EQ(frontend->port, 53);
  const absl::StatusOr<Frontend> any = Frontend::Parse("tcp/*:80");
  ASSERT_TRUE(any.ok()) << any.status();
  EXPECT_TRUE(any->address.IsUnset());
}

TEST(FrontendTest, RefusesWithAReason) {
  const Bad kBad[] = {
      {"tcp/300.1.1.1:80", "\"tcp/300.1.1.1:80\": \"300.1.1.1\" is not an IPv4 address"},
      {"tcp/[::1]:80", "\"tcp/[::1]:80\": \"[::1]\" is not an IPv4 address"},
      {"tcp/:80", "\"tcp/:80\": \"\" is not an IPv4 address"},
      {"tcp/192.0.2.10/24:80", "\"tcp/192.0.2.10/24:80\": \"192.0.2.10/24\" is not an IPv4 address"},
      {"tcp/0.0.0.0:80", "\"tcp/0.0.0.0:80\": write * instead of 0.0.0.0 for every address of this node"},
      {"tcp/192.0.2.10:0", "\"tcp/192.0.2.10:0\": port \"0\" is not a number from 1 to 65535"},
      {"tcp/192.0.2.10:65536", "\"tcp/192.0.2.10:65536\": port \"65536\" is not a number from 1 to 65535"},
      {"tcp/192.0.2.10:", "\"tcp/192.0.2.10:\": port \"\" is not a number from 1 to 65535"},
      {"tcp/192.0.2.10:+80", "\"tcp/192.0.2.10:+80\": port \"+80\" is not a number from 1 to 65535"},
      {"tcp/192.0.2.10:080", "\"tcp/192.0.2.10:080\": port \"080\" is not a number from 1 to 65535"},
      {"tcp/192.0.2.10:80 ", "\"tcp/192.0.2.10:80 \": port \"80 \" is not a number from 1 to 65535"},
      {"tcp/192.0.2.10:80x", "\"tcp/192.0.2.10:80x\": port \"80x\" is not a number from 1 to 65535"},
      {"tcp/*", "\"tcp/*\": the port is missing, as in tcp/192.0.2.10:80 or tcp/*:80"},
      {"192.0.2.10:80", "\"192.0.2.10:80\": the protocol is missing, as in tcp/192.0.2.10:80 or tcp/*:80"},
      {"", "\"\": the protocol is missing, as in tcp/192.0.2.10:80 or tcp/*:80"},
      {"icmp/192.0.2.10:80", "\"icmp/192.0.2.10:80\": \"icmp\" is not a protocol; known are tcp, udp"},
      {"TCP/192.0.2.10:80", "\"TCP/192.0.2.10:80\": \"TCP\" is not a protocol; known are tcp, udp"},
      {"sctp/*:80", "\"sctp/*:80\": SCTP is left to Docker"},
  };
  for (const Bad& bad : kBad) {
    const absl::StatusOr<Frontend> frontend = Frontend::Parse(bad.text);
    EXPECT_EQ(frontend.status().code(), absl::StatusCode::kInvalidArgument) << bad.text;
    EXPECT_EQ(Message(frontend.status()), bad.message);
  }
}

TEST(EndpointTest, ParsesAndPrintsTheSame) {
  const absl::StatusOr<Endpoint> endpoint = Endpoint::Parse("10.1.0.5:8080");
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_EQ(endpoint->address, Ipv4::Parse("10.1.0.5"));
  EXPECT_EQ(endpoint->port, 8080);
  EXPECT_EQ(endpoint->ToString(), "10.1.0.5:8080");
}

TEST(EndpointTest, RefusesWithAReason) {
  const Bad kBad[] = {
      {"10.1.0.5", "\"10.1.0.5\": the port is missing, as in 10.1.0.5:8080"},
      {"10.1.0.5:0", "\"10.1.0.5:0\": port \"0\" is not a number from 1 to 65535"},
      {"10.1.0.5:80/tcp", "\"10.1.0.5:80/tcp\": port \"80/tcp\" is not a number from 1 to 65535"},
      {"web:80", "\"web:80\": \"web\" is not an IPv4 address"},
      {"*:80", "\"*:80\": \"*\" is not an IPv4 address"},
      {"0.0.0.0:80", "\"0.0.0.0:80\": nothing can be sent to 0.0.0.0"},
  };
  for (const Bad& bad : kBad) {
    const absl::StatusOr<Endpoint> endpoint = Endpoint::Parse(bad.text);
    EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument) << bad.text;
    EXPECT_EQ(Message(endpoint.status()), bad.message);
  }
}

TEST(NamesTest, EverySchedulerHasANameThatParsesBack) {
  for (const SchedulerKind kind :
       {SchedulerKind::kRoundRobin, SchedulerKind::kWeightedRoundRobin, SchedulerKind::kMaglev}) {
    const absl::StatusOr<SchedulerKind> parsed = ParseScheduler(ToString(kind));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, kind);
  }
  EXPECT_EQ(ToString(SchedulerKind::kRoundRobin), "rr");
  EXPECT_EQ(ToString(SchedulerKind::kWeightedRoundRobin), "wrr");
  EXPECT_EQ(ToString(SchedulerKind::kMaglev), "maglev");
  EXPECT_EQ(Message(ParseScheduler("lc").status()),
            "\"lc\" is not a scheduler; known are rr, wrr, maglev, sh, least-conn");
}

TEST(NamesTest, Spellings) {
  EXPECT_EQ(ToString(Protocol::kTcp), "tcp");
  EXPECT_EQ(ToString(Protocol::kUdp), "udp");
  EXPECT_EQ(ToString(BackendKind::kRoute), "route");
  EXPECT_EQ(ToString(BackendKind::kVxlan), "vxlan");
  EXPECT_EQ(ToString(BackendKind::kLocal), "local");
  EXPECT_EQ(ToString(BackendState::kActive), "active");
  EXPECT_EQ(ToString(BackendState::kDraining), "draining");
  EXPECT_EQ(ToString(BackendState::kDown), "down");
  EXPECT_EQ(ToString(ServiceSource::kStatic), "static");
  EXPECT_EQ(ToString(ServiceSource::kSwarm), "swarm");
}

TEST(NamesTest, PickOfEachScheduler) {
  EXPECT_EQ(PickOf(SchedulerKind::kRoundRobin), XLB_PICK_NEXT);
  EXPECT_EQ(PickOf(SchedulerKind::kWeightedRoundRobin), XLB_PICK_NEXT);
  EXPECT_EQ(PickOf(SchedulerKind::kMaglev), XLB_PICK_HASH);
}

}  // namespace
}  // namespace xlb
