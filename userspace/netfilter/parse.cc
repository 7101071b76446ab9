#include "netfilter/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

namespace xlb {
namespace {

// A word of a line; quoted ones are never options.
struct Word {
  std::string text;
  bool quoted = false;
};

std::vector<Word> SplitWords(std::string_view line) {
  std::vector<Word> words;
  size_t at = 0;
  while (at < line.size()) {
    if (line[at] == ' ') {
      ++at;
      continue;
    }
    Word word;
    bool inside = false;
    for (; at < line.size() && (inside || line[at] != ' '); ++at) {
      if (line[at] == '"') {
        inside = !inside;
        word.quoted = true;
      } else if (line[at] == '\\' && inside && at + 1 < line.size()) {
        word.text += line[++at];
      } else {
        word.text += line[at];
      }
    }
    words.push_back(std::move(word));
  }
  return words;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

std::optional<uint32_t> ParseNumber(std::string_view text, uint32_t max) {
  int base = 10;
  if (text.starts_with("0x")) {
    text.remove_prefix(2);
    base = 16;
  }
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number > max) return std::nullopt;
  return number;
}

std::optional<PortRange> ParsePortRange(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    const auto port = ParseNumber(text, 65535);
    if (!port) return std::nullopt;
    return PortRange{static_cast<uint16_t>(*port), static_cast<uint16_t>(*port)};
  }
  const std::string_view low = text.substr(0, colon);
  const std::string_view high = text.substr(colon + 1);
  const auto first = low.empty() ? 0u : ParseNumber(low, 65535);
  const auto last = high.empty() ? 65535u : ParseNumber(high, 65535);
  if (!first || !last) return std::nullopt;
  return PortRange{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
}

std::optional<PortMatch> ParsePorts(PortKind kind, std::string_view text, bool negated) {
  PortMatch match{kind, {}, negated};
  for (const std::string& part : SplitList(text)) {
    const auto range = ParsePortRange(part);
    if (!range) return std::nullopt;
    match.ranges.push_back(*range);
  }
  return match;
}

Ipv4 MaskOfLength(uint32_t length) {
  const uint32_t bits = length == 0 ? 0 : ~uint32_t{0} << (32 - length);
  return Ipv4{std::endian::native == std::endian::little ? __builtin_bswap32(bits) : bits};
}

std::optional<AddressMatch> ParseAddress(std::string_view text, bool negated) {
  const size_t slash = text.find('/');
  const auto address = Ipv4::Parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return AddressMatch{*address, MaskOfLength(32), negated};
  const std::string_view mask = text.substr(slash + 1);
  if (const auto length = ParseNumber(mask, 32)) return AddressMatch{*address, MaskOfLength(*length), negated};
  const auto dotted = Ipv4::Parse(mask);
  if (!dotted) return std::nullopt;
  return AddressMatch{*address, *dotted, negated};
}

std::optional<SourceRangeMatch> ParseRange(std::string_view text, bool negated) {
  const size_t dash = text.find('-');
  const auto first = Ipv4::Parse(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : Ipv4::Parse(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return SourceRangeMatch{{first->HostOrder(), last->HostOrder()}, negated};
}

std::optional<MarkMatch> ParseMark(std::string_view text, bool negated) {
  const size_t slash = text.find('/');
  const auto value = ParseNumber(text.substr(0, slash), UINT32_MAX);
  const auto mask =
      slash == std::string_view::npos ? std::optional(UINT32_MAX) : ParseNumber(text.substr(slash + 1), UINT32_MAX);
  if (!value || !mask) return std::nullopt;
  return MarkMatch{*value, *mask, negated};
}

// An option with what belongs to it: `! --match-set bad src`.
struct Option {
  std::string_view module;  // of the -m before it; empty before the first
  bool negated = false;
  std::string_view name;
  std::span<const Word> values;

  // The one value; nothing when there are none or several.
  std::optional<std::string_view> Value() const {
    if (values.size() != 1) return std::nullopt;
    return values[0].text;
  }
  std::string ToString() const;
};

std::string Option::ToString() const {
  std::string text = module.empty() ? "" : fmt::format("-m {} ", module);
  if (negated) text += "! ";
  text += name;
  for (const Word& value : values) text += " " + value.text;
  return text;
}

template <typename Value>
bool Take(std::optional<Value> parsed, std::optional<Value>& into) {
  if (!parsed || into.has_value()) return false;
  into = std::move(parsed);
  return true;
}

template <typename Value>
bool Take(std::optional<Value> parsed, std::vector<Value>& into) {
  if (!parsed) return false;
  into.push_back(*std::move(parsed));
  return true;
}

bool TakeBasic(const Option& option, std::string_view value, FirewallRule& rule) {
  const bool negated = option.negated;
  if (option.name == "-s") return Take(ParseAddress(value, negated), rule.source);
  if (option.name == "-d") return Take(ParseAddress(value, negated), rule.destination);
  if (option.name == "-i") return Take(std::optional(DeviceMatch{std::string(value), negated}), rule.in);
  if (option.name == "-o") return Take(std::optional(DeviceMatch{std::string(value), negated}), rule.out);
  if (option.name == "-p") return Take(std::optional(ProtocolMatch{std::string(value), negated}), rule.protocol);
  return false;
}

std::optional<PortKind> PortKindOf(const Option& option) {
  if (option.module == "tcp" || option.module == "udp") {
    if (option.name == "--sport") return PortKind::kSource;
    if (option.name == "--dport") return PortKind::kDestination;
  }
  if (option.module == "multiport") {
    if (option.name == "--sports") return PortKind::kSource;
    if (option.name == "--dports") return PortKind::kDestination;
    if (option.name == "--ports") return PortKind::kEither;
  }
  if (option.module == "conntrack" && option.name == "--ctorigdstport") return PortKind::kOriginalDestination;
  return std::nullopt;
}

bool TakeConntrack(const Option& option, std::string_view value, FirewallRule& rule) {
  if (option.name == "--ctstate" || option.name == "--state") {
    return Take(std::optional(StateMatch{SplitList(value), option.negated}), rule.states);
  }
  if (option.name == "--ctorigdst") return Take(ParseAddress(value, option.negated), rule.original_destination);
  if (option.name == "--ctdir" && !option.negated && rule.direction.empty()) {
    rule.direction = value;
    return true;
  }
  return false;
}

// True: the rule has it now. False: it is not known, or not in this form.
bool TakeMatch(const Option& option, FirewallRule& rule) {
  const auto& values = option.values;
  if (option.module == "tcp" && option.name == "--tcp-flags" && !option.negated && values.size() == 2) {
    rule.only_syn |= values[0].text == "FIN,SYN,RST,ACK" && values[1].text == "SYN";
    return rule.only_syn;
  }
  if (option.module == "comment" && option.name == "--comment" && values.size() == 1) {
    rule.comment = values[0].text;
    return true;
  }
  const auto value = option.Value();
  if (!value) return false;
  if (TakeBasic(option, *value, rule)) return true;
  if (const auto kind = PortKindOf(option)) return Take(ParsePorts(*kind, *value, option.negated), rule.ports);
  if (option.module == "conntrack" || option.module == "state") return TakeConntrack(option, *value, rule);
  if (option.module == "iprange" && option.name == "--src-range") {
    return Take(ParseRange(*value, option.negated), rule.source_range);
  }
  if (option.module == "mark" && option.name == "--mark") return Take(ParseMark(*value, option.negated), rule.mark);
  if (option.module == "addrtype" && (option.name == "--dst-type" || option.name == "--src-type")) {
    AddressTypeMatch types{option.name == "--dst-type", SplitList(*value), option.negated};
    return Take(std::optional(std::move(types)), rule.address_types);
  }
  return false;
}

bool IsOption(const Word& word) { return !word.quoted && word.text.size() > 1 && word.text[0] == '-'; }
bool IsNegation(const Word& word) { return !word.quoted && word.text == "!"; }

// Modules without an option of their own decide by being there ("-m socket"); these two only announce theirs, and -m
// tcp and -m udp stand behind -p in any case.
bool DecidesAlone(std::string_view module) {
  constexpr std::string_view kSilent[] = {"tcp",       "udp",   "multiport", "iprange", "comment",
                                          "conntrack", "state", "mark",      "addrtype"};
  return std::find(std::begin(kSilent), std::end(kSilent), module) == std::end(kSilent);
}

class RuleParser {
 public:
  explicit RuleParser(std::span<const Word> words) : words_(words) {}

  FirewallRule Parse() && {
    while (at_ < words_.size()) Step();
    EndModule();
    return std::move(rule_);
  }

 private:
  void Step() {
    bool negated = false;
    if (IsNegation(words_[at_]) && at_ + 1 < words_.size()) {
      negated = true;
      ++at_;
    }
    const std::string_view name = words_[at_].text;
    if (!IsOption(words_[at_])) {
      rule_.unknown.emplace_back(words_[at_++].text);
    } else if (name == "-m" && !negated && at_ + 1 < words_.size()) {
      EndModule();
      module_ = words_[at_ + 1].text;
      had_options_ = false;
      at_ += 2;
    } else if ((name == "-j" || name == "-g") && at_ + 1 < words_.size()) {
      TakeTarget(name == "-g");
    } else {
      TakeOption(negated);
    }
  }

  void TakeTarget(bool is_goto) {
    rule_.is_goto = is_goto;
    rule_.target = words_[at_ + 1].text;
    for (at_ += 2; at_ < words_.size(); ++at_) rule_.options.push_back(words_[at_].text);
  }

  void TakeOption(bool negated) {
    const std::string_view name = words_[at_++].text;
    const size_t first = at_;
    // Its text may look like an option.
    if (name == "--comment" && at_ < words_.size()) ++at_;
    while (at_ < words_.size() && !IsOption(words_[at_]) && !IsNegation(words_[at_]) && name != "--comment") ++at_;
    const bool is_basic = name.size() == 2;
    const Option option{is_basic ? std::string_view() : module_, negated, name, words_.subspan(first, at_ - first)};
    had_options_ |= !is_basic;
    if (!TakeMatch(option, rule_)) rule_.unknown.push_back(option.ToString());
  }

  void EndModule() {
    if (!module_.empty() && !had_options_ && DecidesAlone(module_))
      rule_.unknown.push_back(fmt::format("-m {}", module_));
  }

  std::span<const Word> words_;
  size_t at_ = 0;
  std::string_view module_;
  bool had_options_ = false;
  FirewallRule rule_;
};

class DumpParser {
 public:
  void Line(std::string_view line);
  FirewallDump Finish() && { return std::move(dump_); }

 private:
  void Comment(std::string_view line);
  void Chain(std::string_view line);
  void Rule(std::string_view line);
  void Problem(std::string_view line) { dump_.problems.push_back(fmt::format("not understood: {}", line)); }

  FirewallDump dump_;
  FirewallTable* table_ = nullptr;
};

void DumpParser::Line(std::string_view line) {
  if (line.empty()) return;
  if (line[0] == '#') return Comment(line);
  if (line[0] == '*') {
    table_ = &dump_.tables[std::string(line.substr(1))];
  } else if (line == "COMMIT") {
    table_ = nullptr;
  } else if (table_ == nullptr) {
    Problem(line);
  } else if (line[0] == ':') {
    Chain(line);
  } else {
    Rule(line);
  }
}

// iptables-nft says by a comment that a table holds what only nft understands.
void DumpParser::Comment(std::string_view line) {
  for (const std::string_view sign : {"incompatible", "nsupported", "Error"}) {
    if (line.find(sign) != std::string_view::npos) return dump_.problems.emplace_back(line.substr(2)), void();
  }
}

void DumpParser::Chain(std::string_view line) {
  const std::vector<Word> words = SplitWords(line.substr(1));
  if (words.size() < 2) return Problem(line);
  (*table_)[words[0].text].policy = words[1].text;
}

void DumpParser::Rule(std::string_view line) {
  if (line[0] == '[') line.remove_prefix(std::min(line.size(), line.find(' ') + 1));
  const std::vector<Word> words = SplitWords(line);
  if (words.size() < 2 || words[0].text != "-A") return Problem(line);
  FirewallRule rule = RuleParser(std::span(words).subspan(2)).Parse();
  rule.text = line;
  (*table_)[words[1].text].rules.push_back(std::move(rule));
}

}  // namespace

FirewallDump ParseIptablesSave(std::string_view text) {
  DumpParser parser;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    parser.Line(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return std::move(parser).Finish();
}

}  // namespace xlb
