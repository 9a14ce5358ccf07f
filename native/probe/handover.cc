// Two threads that hand one number to and fro.
#include "handover.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "../affinity.h"

namespace octavo {
namespace {

using Clock = std::chrono::steady_clock;

struct alignas(128) Ball {
  std::atomic<int64_t> count{0};
};

constexpr int64_t kEnd = -1;
/** Passes between looks at the clock, and at most so many looks at the ball before the processor is given away: the other thread may want it. */
constexpr int64_t kPasses = 2000;
constexpr int32_t kLooks = 10'000;

/** Waits until the ball has the value that it is to have, or has ended; returns what it has. */
int64_t wait_for(const Ball& ball, int64_t wanted) {
  for (int32_t looks = 0;; ++looks) {
    const int64_t count = ball.count.load(std::memory_order_acquire);
    if (count == wanted || count == kEnd) return count;
    if (looks % kLooks == kLooks - 1) std::this_thread::yield();
  }
}

double nanoseconds_of_a_pass(const std::vector<int32_t>& processors, double seconds) {
  Ball ball;
  std::thread other([&] {
    stay_on(processors[1]);
    for (int64_t count = 1; wait_for(ball, count) == count; count += 2) ball.count.store(count + 1, std::memory_order_release);
  });
  double result = 0;
  std::thread first([&] {
    stay_on(processors[0]);
    // The first round waits for the other thread to be there.
    int64_t count = 0;
    Clock::time_point start = Clock::now();
    double least = 0;
    for (double spent = 0; spent < seconds;) {
      const Clock::time_point begin = Clock::now();
      for (int64_t i = 0; i < kPasses; i += 2, count += 2) {
        ball.count.store(count + 1, std::memory_order_release);
        wait_for(ball, count + 2);
      }
      const Clock::time_point now = Clock::now();
      // Whoever was preempted in a round was not waiting for a line.
      const double nanoseconds = std::chrono::duration<double, std::nano>(now - begin).count() / kPasses;
      if (least == 0 || nanoseconds < least) least = nanoseconds;
      spent = std::chrono::duration<double>(now - start).count();
    }
    ball.count.store(kEnd, std::memory_order_release);
    result = least;
  });
  first.join();
  other.join();
  return result;
}

}  // namespace

std::vector<double> probe_handover(const ProbeOptions& options) {
  const std::vector<int32_t> processors = allowed_processors();
  std::vector<double> nanoseconds;
  if (options.threads < 2 || processors.size() < 2) return nanoseconds;
  for (int32_t i = 0; i < options.repetitions; ++i) nanoseconds.push_back(nanoseconds_of_a_pass(processors, options.milliseconds_each / 1e3));
  return nanoseconds;
}

}  // namespace octavo
