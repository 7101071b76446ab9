// A million flows held by the programs, while connections begin and end on every CPU: none is lost, none is mixed up.
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <sched.h>

#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "packet/checksum.h"
#include "packet/flow_entry.h"
#include "packet/packet_test.h"
#include "packet/samples.h"

namespace xlb::test {
namespace {

// An emulated machine takes a hundred times as long for each.
const bool kInVm = std::getenv("XLB_IN_VM") != nullptr;
const uint32_t kHeld = kInVm ? 10'000 : 1'000'000;
const uint32_t kChurned = kInVm ? 500 : 10'000;   // clients of each thread that come and go
const uint32_t kRounds = kInVm ? 1'000 : 60'000;  // connections of each thread
constexpr uint32_t kFirstClient = 0x0b000000;
constexpr size_t kInner = kEthernetLength + 50;  // the inner IP header of what leaves

enum class Says { kSyn, kAck, kFin };

// Frames of clients and tasks, made by writing into one that was built: fast, and with no state between threads.
class Frames {
 public:
  Frames()
      : client_{ClientTcp("S").Build(), ClientTcp("A").Build(), ClientTcp("FA").Build()},
        task_{Answer("SA").Build(), Answer("A").Build(), Answer("FA").Build()} {}

  Bytes OfClient(Says says, uint32_t client) const {
    Bytes frame = client_[static_cast<int>(says)];
    Write(frame, kEthernetLength, kFirstClient + client, std::nullopt);
    return frame;
  }
  Bytes OfTask(Says says, uint32_t task, uint16_t port) const {
    Bytes frame = task_[static_cast<int>(says)];
    Write(frame, kInner, task, port);
    return frame;
  }

 private:
  static Packet Answer(std::string_view flags) {
    return Wrapped(Packet::Tcp("10.0.0.7:8091", "10.0.0.2:40000").Macs(kTaskMac, kIngressMac).Flags(flags));
  }
  static void Write(Bytes& frame, size_t ip, uint32_t source, std::optional<uint16_t> port) {
    Set16(frame, ip + 12, static_cast<uint16_t>(source >> 16));
    Set16(frame, ip + 14, static_cast<uint16_t>(source));
    if (port) Set16(frame, ip + kIpLength + 2, *port);
    Set16(frame, ip + 10, 0);
    Set16(frame, ip + 10, static_cast<uint16_t>(~OnesSum(frame, ip, kIpLength)));
  }
  Bytes client_[3], task_[3];
};

// Where a client's connection goes: the task and the source port towards it.
struct Way {
  uint32_t task = 0;
  uint16_t port = 0;
  bool operator==(const Way&) const = default;
};

class FlowStressTest : public testing::Test {
 protected:
  void SetUp() override {
    auto loaded = LoadedPrograms::Load(LoadedPrograms::TableFor(kHeld + 4 * kChurned));
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    programs_ = *std::move(loaded);
    Node node;
    node.Address(kNodeIp).Uplink(Network().uplink, true);
    std::vector<xlb_backend> backends;
    for (int i = 1; i <= 32; i++) backends.push_back(Vxlan(fmt::format("10.0.1.{}", i)));
    node.Service("tcp", "*", 8091, backends);
    node.Write(programs_->maps());
  }

  Outcome Run(const Bytes& frame) const { return programs_->Run(Program::kXdp, frame, {.ifindex = Network().uplink}); }
  std::optional<Way> Send(Says says, uint32_t client) const {
    const Outcome out = Run(frames_.OfClient(says, client));
    if (out.verdict != Verdict::kTransmit || out.frame.size() < kInner + 40) return std::nullopt;
    return Way{static_cast<uint32_t>(Get16(out.frame, kInner + 16)) << 16 | Get16(out.frame, kInner + 18),
               Get16(out.frame, kInner + kIpLength)};
  }
  // Does the task's answer come out at this client's?
  bool Answers(Says says, const Way& way, uint32_t client) const {
    const Outcome out = Run(frames_.OfTask(says, way.task, way.port));
    if (out.verdict != Verdict::kTransmit || out.frame.size() < kEthernetLength + 40) return false;
    const size_t to = kEthernetLength + 16;
    return (static_cast<uint32_t>(Get16(out.frame, to)) << 16 | Get16(out.frame, to + 2)) == kFirstClient + client;
  }

  std::unique_ptr<LoadedPrograms> programs_;
  Frames frames_;
};

void StayOn(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) std::perror("sched_setaffinity");
}

TEST_F(FlowStressTest, AMillionHeldFlowsOutliveWhatComesAndGoes) {
  std::vector<Way> held(kHeld);
  for (uint32_t i = 0; i < kHeld; i++) {
    const auto way = Send(Says::kSyn, i);
    ASSERT_TRUE(way) << i;
    held[i] = *way;
    if (i % 97 == 0) {
      ASSERT_TRUE(Answers(Says::kSyn, *way, i)) << i;
    }
  }
  ASSERT_EQ(CountFlows(programs_->flows()), kHeld);
  for (xlb_flow& flow : programs_->flows().flows()) {
    if (xlb_life_is_live(flow.life)) xlb_life_note(&flow, flow.life, xlb_life_seen(flow.life), XLB_FLOW_REPLIED, 0);
  }

  std::atomic<uint32_t> refused = 0, mixed = 0, lost = 0;
  const auto work = [&](unsigned cpu) {
    StayOn(cpu);
    std::minstd_rand random(cpu + 1);
    for (uint32_t i = 0; i < kRounds; i++) {
      const uint32_t client = kHeld + cpu * kChurned + random() % kChurned;
      const auto way = Send(Says::kSyn, client);
      if (!way) {
        refused++;
        continue;
      }
      if (!Answers(Says::kSyn, *way, client) || Send(Says::kAck, client) != way) mixed++;
      const uint32_t one = random() % kHeld;
      const auto still = Send(Says::kAck, one);
      if (!still) lost++;
      if (still && *still != held[one]) mixed++;
      if (!Answers(Says::kAck, held[one], one)) lost++;
      if (Send(Says::kFin, client) != way || !Answers(Says::kFin, *way, client)) mixed++;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned cpu = 0; cpu < std::min(std::thread::hardware_concurrency(), 4u); cpu++)
    threads.emplace_back(work, cpu);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused, 0u);
  EXPECT_EQ(mixed, 0u);
  EXPECT_EQ(lost, 0u);

  for (uint32_t i = 0; i < kHeld; i++) {
    xlb_flow_key key{};
    key.saddr = htonl(kFirstClient + i);
    key.daddr = AddressBe(kNodeIp);
    key.sport = PortBe(40000);
    key.dport = PortBe(8091);
    key.proto = IPPROTO_TCP;
    const auto flow = FindFlow(programs_->flows(), key);
    ASSERT_TRUE(flow) << i;
    ASSERT_EQ((Way{ntohl(flow->daddr), ntohs(flow->sport)}), held[i]) << i;
  }
}

}  // namespace
}  // namespace xlb::test
