#include "program/cases.h"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <algorithm>

namespace xlb::bench {
namespace {

using test::Program;

Case Floor(const Wrapper& wrapper, std::string path, std::string program, Stream stream, uint32_t flows = 1) {
  Case floor{.path = std::move(path), .program = std::move(program), .stream = std::move(stream), .flows = flows};
  floor.target = wrapper.floor_fd(floor.program);
  floor.verdict = XDP_TX;
  floor.empty = "empty";
  return floor;
}

Case OfXlb(const Scene& scene, std::string path, Program program, Stream stream, uint32_t verdict, Counted counted) {
  const bool is_xdp = program == Program::kXdp;
  Case one{.path = std::move(path), .hook = is_xdp ? Hook::kXdp : Hook::kTc, .stream = std::move(stream)};
  one.program = is_xdp ? "xlb_xdp" : program == Program::kUplink ? "xlb_uplink" : "xlb_task";
  one.target = scene.programs().fd(program);
  one.verdict = verdict;
  one.counted = {counted};
  one.empty = is_xdp ? (one.stream.tunnelled ? "empty, tunnelled" : "empty") : "empty, tc";
  return one;
}

Case At(uint32_t flows, Case one) {
  one.flows = flows;
  return one;
}

void AddEmpty(const Scene& scene, const Wrapper& wrapper, std::vector<Case>& cases) {
  cases.push_back(Floor(wrapper, "empty", "floor_empty", scene.FromClients()));
  if (scene.CrossesTunnel() || scene.setting().by_peer) {
    const Stream tunnelled = scene.CrossesTunnel() ? scene.FromBackends() : scene.FromPeer();
    cases.push_back(Floor(wrapper, "empty, tunnelled", "floor_empty", tunnelled));
  } else if (scene.setting().kind == XLB_KIND_LOCAL) {
    Case tc = Floor(wrapper, "empty, tc", "floor_tc_empty", scene.FromClients());
    tc.hook = Hook::kTc;
    tc.verdict = TC_ACT_OK;
    cases.push_back(tc);
  }
  cases.push_back(Floor(wrapper, "parse, TX", "floor_parse", scene.FromClients()));
}

xlb_counter ForwardOf(xlb_kind kind) {
  return static_cast<xlb_counter>(int{XLB_COUNT_FORWARD_ROUTE} + (int{kind} - int{XLB_KIND_ROUTE}));
}
xlb_counter ReplyOf(xlb_kind kind) {
  return static_cast<xlb_counter>(int{XLB_COUNT_REPLY_ROUTE} + (int{kind} - int{XLB_KIND_ROUTE}));
}

constexpr char kLruNat[] = "LRU, NAT, TX";
constexpr char kLruVxlan[] = "LRU, NAT, VXLAN, TX";
constexpr char kLruNew[] = "miss, 2 LRU inserts, NAT, VXLAN, TX";

void AddHits(const Scene& scene, const Wrapper& wrapper, uint32_t flows, std::vector<Case>& cases) {
  const bool tunnel = scene.CrossesTunnel();
  const xlb_counter forward = ForwardOf(scene.setting().kind), reply = ReplyOf(scene.setting().kind);
  Case floor = Floor(wrapper, tunnel ? kLruVxlan : kLruNat, tunnel ? "floor_lru_vxlan" : "floor_lru_nat",
                     scene.FromClients(), flows);
  Case hit = OfXlb(scene, "hit", Program::kXdp, scene.FromClients(), scene.XdpSends(), {XLB_HOOK_XDP, forward});
  Case back = OfXlb(scene, "reply", Program::kXdp, scene.FromBackends(), scene.XdpSends(), {XLB_HOOK_XDP, reply});
  hit.floor = back.floor = floor.path;
  cases.insert(cases.end(), {std::move(floor), At(flows, std::move(hit)), At(flows, std::move(back))});
}

void AddWithNatFloor(const Scene& scene, const Wrapper& wrapper, uint32_t flows, std::vector<Case> some,
                     std::vector<Case>& cases) {
  cases.push_back(Floor(wrapper, kLruNat, "floor_lru_nat", scene.FromClients(), flows));
  for (Case& one : some) {
    one.flows = flows;
    one.floor = kLruNat;
    cases.push_back(std::move(one));
  }
}

void AddLocal(const Scene& scene, const Wrapper& wrapper, uint32_t flows, std::vector<Case>& cases) {
  const Counted left{XLB_HOOK_XDP, XLB_COUNT_PASS_TO_TC};
  if (scene.setting().by_peer) {
    const Case at_xdp = OfXlb(scene, "left to TC", Program::kXdp, scene.FromPeer(), XDP_PASS, left);
    return AddWithNatFloor(scene, wrapper, flows, {at_xdp}, cases);
  }
  const Counted in{XLB_HOOK_TC, XLB_COUNT_FORWARD_LOCAL}, out{XLB_HOOK_TASK, XLB_COUNT_REPLY_LOCAL};
  AddWithNatFloor(scene, wrapper, flows,
                  {OfXlb(scene, "left to TC", Program::kXdp, scene.FromClients(), XDP_PASS, left),
                   OfXlb(scene, "hit", Program::kUplink, scene.FromClients(), TC_ACT_REDIRECT, in),
                   OfXlb(scene, "reply", Program::kTask, scene.FromBackends(), TC_ACT_REDIRECT, out)},
                  cases);
}

void AddNew(const Scene& scene, const Wrapper& wrapper, std::vector<Case>& cases) {
  Case floor = Floor(wrapper, kLruNew, "floor_lru_new", scene.FromClients(true));
  Case fresh =
      OfXlb(scene, "new flow", Program::kXdp, scene.FromClients(true), XDP_TX, {XLB_HOOK_XDP, XLB_COUNT_FORWARD_VXLAN});
  fresh.counted.push_back({XLB_HOOK_XDP, XLB_COUNT_FLOW_NEW});
  fresh.counted.push_back({XLB_HOOK_XDP, XLB_COUNT_FLOW_EVICTED});
  fresh.floor = floor.path;
  floor.fresh = fresh.fresh = true;
  cases.insert(cases.end(), {std::move(floor), std::move(fresh)});
}

}  // namespace

std::vector<uint32_t> FlowCounts(const Setting& setting) {
  std::vector<uint32_t> counts;
  for (const uint32_t count : {1u, 1u << 12, 1u << 16, 1u << 20}) {
    if (count > setting.flows) continue;
    // With few flows hardly a packet is the first in its tick, whatever a tick is.
    if (setting.tick_shift == 0 && count < (1u << 16) && count != setting.flows) continue;
    counts.push_back(count);
  }
  return counts;
}

std::vector<Case> CasesOf(const Scene& scene, const Wrapper& wrapper) {
  std::vector<Case> cases;
  AddEmpty(scene, wrapper, cases);
  if (scene.setting().fresh) {
    AddNew(scene, wrapper, cases);
    return cases;
  }
  for (const uint32_t flows : FlowCounts(scene.setting())) {
    switch (scene.setting().kind) {
      case XLB_KIND_NONE:
        AddWithNatFloor(scene, wrapper, flows,
                        {OfXlb(scene, "pass, no service", Program::kXdp, scene.FromClients(), XDP_PASS,
                               {XLB_HOOK_XDP, XLB_COUNT_PASS_NO_SERVICE})},
                        cases);
        break;
      case XLB_KIND_LOCAL:
        AddLocal(scene, wrapper, flows, cases);
        break;
      default:
        AddHits(scene, wrapper, flows, cases);
    }
  }
  return cases;
}

std::vector<Case> FillsOf(const Scene& scene, const Wrapper& wrapper) {
  const xlb_kind kind = scene.setting().kind;
  if (scene.setting().fresh) return {};
  std::vector<Case> fills = {Floor(wrapper, "fill", "floor_lru_fill", scene.FromClients())};
  if (kind != XLB_KIND_NONE) {
    const bool local = kind == XLB_KIND_LOCAL;
    const xlb_counter counter = local ? XLB_COUNT_PASS_TO_TC : ForwardOf(kind);
    const Stream first = scene.setting().by_peer ? scene.FromPeer(true) : scene.FromClients(true);
    const uint32_t verdict = local ? uint32_t{XDP_PASS} : scene.XdpSends();
    fills.push_back(OfXlb(scene, "fill", Program::kXdp, first, verdict, {XLB_HOOK_XDP, counter}));
    fills.back().counted.push_back({XLB_HOOK_XDP, XLB_COUNT_FLOW_NEW});
  }
  for (Case& fill : fills) fill.fresh = true;
  return fills;
}

}  // namespace xlb::bench
