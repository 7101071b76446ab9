// Commands that only look: what people see, and what programs get.
#include <thread>

#include "control/json.h"
#include "unit/xlbctl/command_fixture.h"

namespace xlb {
namespace {

class ShowTest : public CommandTest {
 protected:
  ShowTest() { StartDaemon(); }
};

TEST_F(ShowTest, Status) {
  EXPECT_EQ(Output("status"),
            "xlb 0.1.0 (schema 1), pid 4711, up 3h 12m, mode swarm\n"
            "\n"
            "Uplinks\n"
            "  eth0   XDP native, by a pinned bpf_link\n"
            "  eth1   XDP generic, by libxdp's dispatcher: the driver has no native XDP\n"
            "\n"
            "Node            node-1 (x3kd92), swarm manager\n"
            "Docker          connected, version 24.0.7\n"
            "Ingress         ingress 10.0.0.0/24, VNI 4096, UDP port 4789, MTU 1450\n"
            "Peers           serves the swarm's nodes at 192.0.2.11:9651, 2 connected\n"
            "xlb elsewhere   node-2 (192.0.2.12) up, node-3 (192.0.2.13) no xlb\n"
            "Docker mesh     generation A (IPVS, iptables), alive; 12 marks keep connections from before xlb with it\n"
            "Addresses       192.0.2.11, 127.0.0.1\n"
            "Services        2, with 3 backends\n"
            "Flows           1.2k of 262k (0.5%)\n"
            "\n"
            "Warnings\n"
            "  port 53/sctp is left to Docker\n");
}

TEST_F(ShowTest, StatusWithoutDocker) {
  daemon_.status = StatusView();
  daemon_.status.version = "0.1.0";
  daemon_.status.schema = 1;
  daemon_.status.pid = 1;
  daemon_.status.uptime_seconds = 5;
  daemon_.status.mode = "static";
  daemon_.status.docker = "absent: /run/docker.sock does not exist";
  EXPECT_EQ(Output("status"),
            "xlb 0.1.0 (schema 1), pid 1, up 5.0s, mode static\n"
            "\n"
            "Uplinks\n"
            "  none: no packet reaches xlb\n"
            "\n"
            "Docker     absent: /run/docker.sock does not exist\n"
            "Services   0, with 0 backends\n"
            "Flows      0\n");
}

TEST_F(ShowTest, ServiceList) {
  ServiceView other;
  other.name = "a-static-one";
  other.frontend = "udp/192.0.2.10:53";
  other.source = "static";
  other.scheduler = "maglev";
  daemon_.services.push_back(other);
  EXPECT_EQ(Output("service ls"),
            "NAME           FRONTEND            SOURCE   SCHEDULER   BACKENDS   FLOWS   PACKETS    BYTES\n"
            "web            tcp/*:8091          swarm    rr               1/2      12      7.0k   203 MB\n"
            "a-static-one   udp/192.0.2.10:53   static   maglev           0/0       0         0      0 B\n");
}

TEST_F(ShowTest, ServicePage) {
  const std::string page =
      "web  tcp/*:8091\n"
      "  id          3\n"
      "  source      swarm\n"
      "  scheduler   rr, ring of 2 slots\n"
      "  flows       12 live, 200 ever\n"
      "  in          4.0k packets, 6.8 MB\n"
      "  out         3.0k packets, 196 MB\n"
      "\n"
      "BACKEND   NODE     ADDRESS         KIND    VIA                STATE         WEIGHT   FLOWS   PACKETS    BYTES   "
      "REASON\n"
      "web.2     node-2   10.0.0.7:8091   vxlan   vxlan 192.0.2.12   active             1      12      3.5k   101 MB\n"
      "web.3     node-2                   none                       unreachable        1       0         0      0 B   "
      "no address in the ingress network\n";
  EXPECT_EQ(Output("service show web"), page);
  EXPECT_EQ(Output("service show tcp/*:8091"), page);
  ExpectFailure("service show nope", 1, "service \"nope\" does not exist; 'xlbctl service ls' lists them");
}

TEST_F(ShowTest, BackendList) {
  const std::string all = Output("backend ls");
  EXPECT_EQ(all.rfind("SERVICE   FRONTEND     BACKEND   NODE ", 0), 0u) << all;
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 3);
  EXPECT_EQ(Output("backend ls web"), all);
  ExpectFailure("backend ls nope", 1, "does not exist");
}

TEST_F(ShowTest, FlowList) {
  EXPECT_EQ(
      Output("flow ls --client 192.0.2.50 --service web --limit 7"),
      "PROTO   CLIENT             FRONTEND          SEEN AS          BACKEND         KIND    STATE         IDLE   "
      "SERVICE   NAME\n"
      "tcp     192.0.2.50:40000   192.0.2.11:8091   10.0.0.3:40000   10.0.0.7:8091   vxlan   established   0.5s   "
      "web       web.2\n");
  EXPECT_EQ(daemon_.last_filter.client, "192.0.2.50");
  EXPECT_EQ(daemon_.last_filter.service, "web");
  EXPECT_EQ(daemon_.last_filter.limit, 8u);
}

TEST_F(ShowTest, FlowListSaysWhenItIsCut) {
  daemon_.flows.assign(3, SampleFlow());
  const CommandResult result = Run("flow ls --limit 2");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 3);
  EXPECT_EQ(result.err, "xlbctl: there are more than 2 flows; --limit shows more\n");
}

TEST_F(ShowTest, FlowPage) {
  FlowView other = SampleFlow();
  other.client = "192.0.2.50:40001";
  daemon_.flows.push_back(other);
  EXPECT_EQ(Output("flow show 192.0.2.50:40000"),
            "tcp 192.0.2.50:40000 -> 192.0.2.11:8091\n"
            "  service   web\n"
            "  state     established\n"
            "  idle      0.5s\n"
            "  backend   web.2 10.0.0.7:8091\n"
            "  kind      vxlan\n"
            "  seen as   10.0.0.3:40000\n");
  ExpectFailure("flow show 192.0.2.50:1", 1, "no flow of client 192.0.2.50:1; 'xlbctl flow ls --client 192.0.2.50'");
}

TEST_F(ShowTest, Stats) {
  EXPECT_EQ(Output("stats"),
            "HOOK   COUNTER         PACKETS    BYTES   MEANING\n"
            "xdp    forward_vxlan      2.0k   3.4 MB   Sent on to a task on another node, in VXLAN.\n"
            "\n"
            "HOOK   DROP REASON   PACKETS   BYTES   MEANING\n"
            "xdp    no_port             3   180 B   No free source port.\n");
  EXPECT_NE(Output("stats --all").find("pass_link"), std::string::npos);
  daemon_.stats = {};
  EXPECT_EQ(Output("stats"), "No packet was counted yet.\n\nNo packet was dropped.\n");
  daemon_.stats_error = absl::FailedPreconditionError("the data path is detached");
  ExpectFailure("stats", 1, "the data path is detached");
}

TEST_F(ShowTest, Top) {
  EXPECT_EQ(Output("top --interval 0.1 --count 2"),
            "xlb 0.1.0: 1.2k flows, 0 new/s, 0 packets/s, in 0 B/s, out 0 B/s\n"
            "\n"
            "NAME   FRONTEND     BACKENDS   FLOWS   NEW/S   PACKETS/S      IN     OUT\n"
            "web    tcp/*:8091        1/2      12       0           0   0 B/s   0 B/s\n"
            "\n"
            "xlb 0.1.0: 1.2k flows, 0 new/s, 0 packets/s, in 0 B/s, out 0 B/s\n"
            "\n"
            "NAME   FRONTEND     BACKENDS   FLOWS   NEW/S   PACKETS/S      IN     OUT\n"
            "web    tcp/*:8091        1/2      12       0           0   0 B/s   0 B/s\n");
}

TEST_F(ShowTest, TopShowsRates) {
  std::thread traffic([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    server_->Run([this] { daemon_.services[0].stats.in.bytes += 1'000'000'000; });
  });
  const std::string screen = Output("top --interval 1 --count 1");
  traffic.join();
  EXPECT_TRUE(screen.find("in 1.0 GB/s") != std::string::npos || screen.find(" MB/s") != std::string::npos) << screen;
}

TEST_F(ShowTest, Events) {
  EXPECT_EQ(Output("events --after 1"),
            "2024-05-01T12:00:00.123Z  service-added          web                  tcp/*:8091, scheduler rr\n");
  EXPECT_EQ(Output("events --after 2"), "");
}

TEST_F(ShowTest, FollowedEventsComeAsTheyHappenUntilTheDaemonGoes) {
  std::thread life([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    server_->Run([this] { daemon_.events.push_back(SampleEvent(3)); });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    server_.reset();
  });
  const CommandResult result = Run("-o json events --follow");
  life.join();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out, ToJson(SampleEvent(1)) + "\n" + ToJson(SampleEvent(2)) + "\n" + ToJson(SampleEvent(3)) + "\n");
}

TEST_F(ShowTest, JsonIsExact) {
  EXPECT_EQ(Output("-o json status"), ToJson(SampleStatus(), JsonStyle::kPretty) + "\n");
  const std::string services = ToJson(ServicesReply{daemon_.services}, JsonStyle::kPretty) + "\n";
  EXPECT_EQ(Output("service ls -o json"), services);
  EXPECT_EQ(Output("--output json service show web"), services);
  EXPECT_EQ(Output("-o json backend ls"), services);
  EXPECT_EQ(Output("-o json flow ls"), ToJson(FlowsReply{daemon_.flows}, JsonStyle::kPretty) + "\n");
  EXPECT_EQ(Output("-o json flow show 192.0.2.50:40000"), ToJson(FlowsReply{daemon_.flows}, JsonStyle::kPretty) + "\n");
  EXPECT_EQ(Output("-o json stats"), ToJson(SampleStats(), JsonStyle::kPretty) + "\n");
}

}  // namespace
}  // namespace xlb
