// Writes JSON text straight into a string: a list of a million flows needs no second copy of itself as a tree.
#ifndef XLB_CONTROL_JSON_WRITER_H_
#define XLB_CONTROL_JSON_WRITER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace xlb {

// The caller keeps begins and ends, keys and values, in a sensible order. What comes out is always valid UTF-8: bytes
// that are not (a name off the wire) become U+FFFD.
class JsonWriter {
 public:
  explicit JsonWriter(bool pretty) : pretty_(pretty) {}

  void BeginObject() { Begin('{'); }
  void EndObject() { End('}'); }
  void BeginArray() { Begin('['); }
  void EndArray() { End(']'); }
  void Key(std::string_view key);

  void String(std::string_view text);
  void Bool(bool value) { Raw(value ? "true" : "false"); }
  void Unsigned(uint64_t value);
  void Signed(int64_t value);
  void Double(double value);  // what JSON has no word for (NaN, infinity) becomes 0

  std::string Take() { return std::move(out_); }

 private:
  void Begin(char bracket);
  void End(char bracket);
  void Raw(std::string_view text);
  void Separate();  // comma and line break before an element
  void NewLine();
  void Quote(std::string_view text);

  std::string out_;
  bool pretty_;
  bool first_ = true;       // nothing in the innermost bracket yet
  bool after_key_ = false;  // the next value belongs to a key just written
  int depth_ = 0;
};

}  // namespace xlb

#endif  // XLB_CONTROL_JSON_WRITER_H_
