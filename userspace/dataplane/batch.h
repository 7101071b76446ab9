// Whole maps read in few system calls.
#ifndef XLB_DATAPLANE_BATCH_H_
#define XLB_DATAPLANE_BATCH_H_

#include <bpf/bpf.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "base/status.h"

namespace xlb {

// One walk over a map, a slice at a time. Entries that come or go during the walk may be seen or missed, as in any walk
// over a live hash. K and V as the map has them; per-CPU maps are not for this.
template <typename K, typename V>
class BatchWalk {
 public:
  BatchWalk(int fd, std::string_view name, uint32_t slice) : fd_(fd), name_(name), keys_(slice), values_(slice) {}

  // Reads the next slice. False when the walk is over; the slice may still hold entries then.
  absl::StatusOr<bool> Next() {
    count_ = static_cast<uint32_t>(keys_.size());
    LIBBPF_OPTS(bpf_map_batch_opts, options);
    const int result = bpf_map_lookup_batch(fd_, started_ ? &cursor_ : nullptr, &next_, keys_.data(), values_.data(),
                                            &count_, &options);
    if (result == 0 || errno == ENOENT) {
      started_ = true;
      cursor_ = next_;
      return result == 0;
    }
    // A hash bucket longer than the slice: nothing was read, a larger slice will do.
    if (errno == ENOSPC && keys_.size() < (1u << 20)) {
      keys_.resize(keys_.size() * 2);
      values_.resize(keys_.size());
      count_ = 0;
      return true;
    }
    count_ = 0;
    return ErrnoStatus(errno, fmt::format("cannot read the map {}", name_));
  }

  size_t size() const { return count_; }
  const K& key(size_t i) const { return keys_[i]; }
  const V& value(size_t i) const { return values_[i]; }

 private:
  int fd_;
  std::string_view name_;
  std::vector<K> keys_;
  std::vector<V> values_;
  K cursor_{};  // hashes keep a u32 bucket number in it, arrays an index
  K next_{};
  uint32_t count_ = 0;
  bool started_ = false;
};

// Calls visit(key, value) for every entry.
template <typename K, typename V, typename F>
absl::Status ForEachEntry(int fd, std::string_view name, F visit) {
  BatchWalk<K, V> walk(fd, name, 4096);
  for (;;) {
    XLB_ASSIGN_OR_RETURN(const bool more, walk.Next());
    for (size_t i = 0; i < walk.size(); i++) visit(walk.key(i), walk.value(i));
    if (!more) return absl::OkStatus();
  }
}

}  // namespace xlb

#endif  // XLB_DATAPLANE_BATCH_H_
