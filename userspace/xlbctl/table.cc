#include "xlbctl/table.h"

#include <algorithm>

namespace xlb {
namespace {

constexpr size_t kGap = 3;  // as docker's tables have

// Characters, not bytes; good enough for names, which are ASCII or nearly so.
size_t Width(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

void TrimRight(std::string& line) { line.erase(line.find_last_not_of(' ') + 1); }

}  // namespace

Table::Table(std::vector<std::string> headings) {
  for (std::string& heading : headings) {
    right_.push_back(heading.front() == '>');
    if (right_.back()) heading.erase(0, 1);
  }
  rows_.push_back(std::move(headings));
}

void Table::Add(std::vector<std::string> row) {
  row.resize(right_.size());
  for (std::string& cell : row) cell = Printable(cell);
  rows_.push_back(std::move(row));
}

std::string Table::Render() const {
  std::vector<size_t> widths(right_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - Width(row[i]), ' ');
      line += right_[i] ? padding + row[i] : row[i] + padding;
      line.append(kGap, ' ');
    }
    TrimRight(line);
    text += line + "\n";
  }
  return text;
}

std::string RenderPairs(const std::vector<std::pair<std::string, std::string>>& pairs, size_t indent) {
  size_t width = 0;
  for (const auto& [name, value] : pairs) {
    if (!value.empty()) width = std::max(width, Width(name));
  }
  std::string text;
  for (const auto& [name, value] : pairs) {
    if (value.empty()) continue;
    text += std::string(indent, ' ') + name + std::string(width - Width(name) + kGap, ' ') + Printable(value) + "\n";
  }
  return text;
}

std::string Printable(std::string_view text) {
  std::string clean(text);
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return clean;
}

}  // namespace xlb
