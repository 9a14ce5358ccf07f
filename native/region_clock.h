// What the threads of a step spend on its regions, and waiting for each other after them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace octavo {

/** Nanoseconds of one thread. */
struct RegionTime {
  int64_t work;
  int64_t wait;
};

/** The times of the last step, where they are wanted: two looks at the clock for each region and thread, some 0.1 % of a short step. */
class RegionClock {
 public:
  RegionClock(size_t regions, size_t threads, bool is_on) : regions_(regions), times_(is_on ? regions * threads : 0) {}

  bool is_on() const { return !times_.empty(); }
  /** Before the threads start: a region that a step skips has taken no time. */
  void reset() { times_.assign(times_.size(), RegionTime{0, 0}); }
  static int64_t now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  /** Now, or without looking 0 when off. */
  int64_t mark() const { return is_on() ? now() : 0; }
  void add(size_t thread, size_t region, RegionTime time) {
    if (!is_on()) return;
    RegionTime& sum = times_[thread * regions_ + region];
    sum.work += time.work;
    sum.wait += time.wait;
  }
  /** (work, wait) of each region in milliseconds: the mean over the threads. Empty when off. */
  std::vector<double> means() const;

 private:
  const size_t regions_;
  std::vector<RegionTime> times_;  // [thread][region]
};

inline std::vector<double> RegionClock::means() const {
  if (!is_on()) return {};
  std::vector<double> sums(2 * regions_, 0);
  for (size_t i = 0; i < times_.size(); ++i) {
    sums[2 * (i % regions_)] += static_cast<double>(times_[i].work);
    sums[2 * (i % regions_) + 1] += static_cast<double>(times_[i].wait);
  }
  const double threads = static_cast<double>(times_.size() / regions_);
  for (double& sum : sums) sum /= 1e6 * threads;
  return sums;
}

}  // namespace octavo
