// Time behind an interface, so that timeouts are tested without waiting.
#ifndef XLB_BASE_CLOCK_H_
#define XLB_BASE_CLOCK_H_

#include <chrono>

namespace xlb {

class Clock {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;
  virtual ~Clock() = default;
  virtual Time Now() const = 0;  // monotonic
};

class SteadyClock : public Clock {
 public:
  Time Now() const override { return std::chrono::steady_clock::now(); }
};

class FakeClock : public Clock {
 public:
  Time Now() const override { return now_; }
  void Advance(std::chrono::nanoseconds by) { now_ += by; }

 private:
  Time now_{};
};

}  // namespace xlb

#endif  // XLB_BASE_CLOCK_H_
