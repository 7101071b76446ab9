// Text for people: aligned columns under capital headings, and pages of names and values.
#ifndef XLB_XLBCTL_TABLE_H_
#define XLB_XLBCTL_TABLE_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace xlb {

// A heading that begins with '>' makes its column right-aligned: numbers.
class Table {
 public:
  explicit Table(std::vector<std::string> headings);
  void Add(std::vector<std::string> row);
  std::string Render() const;  // headings even without a row
  bool empty() const { return rows_.size() == 1; }

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;  // the first holds the headings
};

// "name   value" lines, values aligned; those with an empty value are left out.
std::string RenderPairs(const std::vector<std::pair<std::string, std::string>>& pairs, size_t indent);

// Text from elsewhere, made harmless for a terminal: no control characters.
std::string Printable(std::string_view text);

}  // namespace xlb

#endif  // XLB_XLBCTL_TABLE_H_
