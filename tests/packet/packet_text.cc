#include "packet/packet_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

namespace xlb::test {
namespace {

constexpr std::string_view kFlagLetters = "FSRPAUEC";

std::string Hex(const Bytes& bytes, size_t from, size_t length) {
  std::string text;
  for (size_t i = from; i < from + length; i++) text += fmt::format("{:02x}", bytes.at(i));
  return text;
}

// Walks a frame header by header. Fields go to a list, and each layer's line for scapy to another.
class Dissector {
 public:
  explicit Dissector(const Bytes& frame) : frame_(frame) {}

  void Run() {
    Ethernet();
    if (at_ < frame_.size()) {
      const std::string rest = Hex(frame_, at_, frame_.size() - at_);
      fields_.push_back({"payload", rest});
      layers_.push_back(fmt::format("Raw(bytes.fromhex('{}'))", rest));
    }
  }

  std::vector<Field> fields_;
  std::vector<std::string> layers_;

 private:
  bool Has(size_t length) const { return frame_.size() - at_ >= length; }
  uint16_t Word(size_t offset) const { return Get16(frame_, at_ + offset); }
  unsigned Byte(size_t offset) const { return frame_[at_ + offset]; }
  template <typename T>
  void Add(std::string_view name, const T& value) {
    fields_.push_back({prefix_ + std::string(name), fmt::format("{}", value)});
  }
  void AddHex(std::string_view name, unsigned value) { Add(name, fmt::format("{:#06x}", value)); }

  void Ethernet() {
    if (!Has(kEthernetLength)) return;
    const std::string destination = MacText(frame_, at_), source = MacText(frame_, at_ + 6);
    uint16_t type = Word(12);
    Add("eth.dst", destination);
    Add("eth.src", source);
    AddHex("eth.type", type);
    layers_.push_back(fmt::format("Ether(dst='{}',src='{}',type={:#06x})", destination, source, type));
    at_ += kEthernetLength;
    while ((type == kEtherVlan || type == kEtherVlanService) && Has(4)) {
      const uint16_t tag = Word(0);
      type = Word(2);
      Add("vlan.id", tag & 0xfff);
      AddHex("vlan.type", type);
      layers_.push_back(fmt::format("Dot1Q(vlan={},type={:#06x})", tag & 0xfff, type));
      at_ += 4;
    }
    if (type == kEtherIpv4) Ip();
  }

  void Ip() {
    if (!Has(kIpLength)) return;
    const unsigned words = Byte(0) & 15, fragment = Word(6);
    const std::string source = IpText(Get32(frame_, at_ + 12)), destination = IpText(Get32(frame_, at_ + 16));
    Add("ip.version", Byte(0) >> 4);
    Add("ip.ihl", words);
    Add("ip.tos", fmt::format("{:#04x}", Byte(1)));
    Add("ip.len", Word(2));
    AddHex("ip.id", Word(4));
    AddHex("ip.frag", fragment);
    Add("ip.ttl", Byte(8));
    Add("ip.proto", Byte(9));
    AddHex("ip.chksum", Word(10));
    Add("ip.src", source);
    Add("ip.dst", destination);
    layers_.push_back(fmt::format("IP(src='{}',dst='{}',ttl={},tos={:#04x},id={:#06x},flags={},frag={},proto={})",
                                  source, destination, Byte(8), Byte(1), Word(4), fragment >> 13, fragment & 0x1fff,
                                  Byte(9)));
    const unsigned protocol = Byte(9);
    if (words != 5) return;  // what follows is told as payload
    at_ += kIpLength;
    if ((fragment & 0x1fff) != 0) return;
    if (protocol == kTcp) Tcp();
    if (protocol == kUdp) Udp();
  }

  void Tcp() {
    if (!Has(kTcpLength)) return;
    std::string flags;
    for (size_t bit = 0; bit < kFlagLetters.size(); bit++) {
      if (Byte(13) & 1u << bit) flags += kFlagLetters[bit];
    }
    const uint32_t sequence = Get32(frame_, at_ + 4), acknowledgement = Get32(frame_, at_ + 8);
    Add("tcp.sport", Word(0));
    Add("tcp.dport", Word(2));
    Add("tcp.seq", sequence);
    Add("tcp.ack", acknowledgement);
    Add("tcp.doff", Byte(12) >> 4);
    Add("tcp.flags", flags);
    Add("tcp.window", Word(14));
    AddHex("tcp.chksum", Word(16));
    layers_.push_back(fmt::format("TCP(sport={},dport={},seq={},ack={},dataofs={},flags='{}',window={})", Word(0),
                                  Word(2), sequence, acknowledgement, Byte(12) >> 4, flags, Word(14)));
    at_ += kTcpLength;
  }

  void Udp() {
    if (!Has(kUdpLength)) return;
    const uint16_t port = Word(2), checksum = Word(6);
    Add("udp.sport", Word(0));
    Add("udp.dport", port);
    Add("udp.len", Word(4));
    AddHex("udp.chksum", checksum);
    layers_.push_back(
        fmt::format("UDP(sport={},dport={},len={}{})", Word(0), port, Word(4), checksum ? "" : ",chksum=0"));
    at_ += kUdpLength;
    if (port == kVxlanPort) Vxlan();
  }

  void Vxlan() {
    if (!Has(kVxlanLength)) return;
    const uint32_t vni = Get32(frame_, at_ + 4) >> 8;
    Add("vxlan.flags", fmt::format("{:#04x}", Byte(0)));
    Add("vxlan.vni", vni);
    layers_.push_back(fmt::format("VXLAN(flags={:#04x},vni={})", Byte(0), vni));
    at_ += kVxlanLength;
    prefix_ += "inner.";
    Ethernet();
  }

  const Bytes& frame_;
  size_t at_ = 0;
  std::string prefix_;
};

std::string FieldDifference(const Bytes& expected, const Bytes& actual) {
  const std::vector<Field> left = Dissect(expected), right = Dissect(actual);
  std::map<std::string, std::string> found;
  std::set<std::string> known;
  for (const Field& field : right) found[field.name] = field.value;
  std::string text;
  for (const Field& field : left) {
    known.insert(field.name);
    const auto it = found.find(field.name);
    if (it == found.end()) {
      text += fmt::format("  {:<18} expected {}, is missing\n", field.name, field.value);
    } else if (it->second != field.value && field.name != "payload") {
      text += fmt::format("  {:<18} expected {}, is {}\n", field.name, field.value, it->second);
    } else if (it->second != field.value) {
      text += "  payload            differs, see below\n";
    }
  }
  for (const Field& field : right) {
    if (!known.count(field.name)) text += fmt::format("  {:<18} not expected, is {}\n", field.name, field.value);
  }
  return text;
}

// Rows of 16 bytes, without those that are the same in both and without the rest of a long list. A byte that the other
// frame does not have there is followed by '!'.
std::string MarkedHex(const Bytes& frame, const Bytes& other) {
  constexpr int kMostRows = 24;
  std::string text;
  int rows = 0;
  for (size_t row = 0; row < frame.size(); row += 16) {
    bool differs = false;
    std::string line = fmt::format("  {:04x}  ", row);
    for (size_t i = row; i < std::min(row + 16, frame.size()); i++) {
      const bool marked = i >= other.size() || frame[i] != other[i];
      differs |= marked;
      line += fmt::format("{:02x}{}", frame[i], marked ? "! " : "  ");
    }
    if (differs && ++rows <= kMostRows) text += line + "\n";
  }
  if (rows > kMostRows) text += fmt::format("  and {} more rows\n", rows - kMostRows);
  return text;
}

}  // namespace

std::vector<Field> Dissect(const Bytes& frame) {
  Dissector dissector(frame);
  dissector.Run();
  return std::move(dissector.fields_);
}

std::string Scapy(const Bytes& frame) {
  Dissector dissector(frame);
  dissector.Run();
  std::string text;
  for (const std::string& layer : dissector.layers_) text += (text.empty() ? "" : "/") + layer;
  return text;
}

std::string Difference(const Bytes& expected, const Bytes& actual) {
  if (expected == actual) return "";
  std::string text = fmt::format("frames differ (expected {} bytes, got {}):\n", expected.size(), actual.size());
  text += FieldDifference(expected, actual);
  text += "expected\n" + MarkedHex(expected, actual) + "got\n" + MarkedHex(actual, expected);
  return text + "expected " + Scapy(expected) + "\ngot      " + Scapy(actual) + "\n";
}

}  // namespace xlb::test
