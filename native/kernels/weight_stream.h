// Fetching weights from memory while rows are computed.
//
// A core waits for few lines of memory at a time (a dozen and a half of its own requests, and what the second cache's prefetcher adds), and that prefetcher
// runs no more than some twenty lines ahead, inside a page. One stream read at the pace of arithmetic is therefore never far enough ahead, and
// requests for it hold up the loads of what is computed. Several streams at a fraction of the pace are: of each the prefetcher has what comes next.
//
// So the next window of weights is fetched line by line from eight places, an eighth of it apart, as many lines as were used of this one. Measured on an Intel
// Xeon (Granite Rapids), Q8_0, two threads that read 31 to 33 GB/s: 8 rows go through 29 instead of 26 GB/s. Windows of 32 and 64 KiB are alike, of
// 128 KiB slower; 2 streams are slower than 4, 8 and 16, which are alike; one stream (a whole panel ahead) takes 1.4 times as long.
//
// One to four rows hardly compute: on a quiet machine they read 5 % faster in one stream a few KiB ahead of use. But where memory answers slowly (other guests: 16 to 20 GB/s instead of 30) eight streams take
// 0.66 to 0.76 of the time of that one with one and two rows of F16, Q8_0 and Q4_0: more lines are under way.
//
// AMD's prefetchers are another matter (processor.h). On Zen 5, two threads that read 40 to 70 GB/s: eight rows of Q8_0 and Q4_0 take 0.65 of the time without fetching if they
// fetch from eight places, and 0.5 in one stream 8 or 16 KiB ahead into the first cache (0.6 to 0.75 if 1 or 2 KiB ahead); into the second cache 16 rows take 1.2 times as long.
// One or two rows (few_stream_rows) fetch 3 KiB ahead instead: parts of the time without fetching, smollm2-135m and qwen2.5-0.5b, in which the processors had one last-level cache or two: two rows 0.82 to 0.87 (Q8_0),
// 0.92 to 0.98 (Q4_0), 0.91 to 0.93 (Q4_K), 0.90 to 0.93 (F16), 0.99 to 1.0 (BF16); one row 0.92 to 1.02, 1.01, 0.86, 0.96 to 0.97, 0.99 to 1.0. 1 KiB is worse, 16 KiB 1.05 to 1.1, eight places 1.2.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../processor.h"

namespace octavo {
namespace {

class WeightStream {
 public:
  /** For weights that are used from `from` on, in the order of their addresses, by so many rows. */
  explicit WeightStream(const uint8_t* from, int32_t rows = kManyRows)
      : position_(reinterpret_cast<uintptr_t>(from)),
        fetched_((position_ + kGroup - 1) / kGroup * kGroup),
        in_order_(fetches_in_order()),
        ahead_(rows <= few_stream_rows() ? kAheadOfFew : kAhead) {}

  /** So many more bytes are used now. */
  __attribute__((always_inline)) void advance(size_t bytes) { go(position_ + bytes); }
  /** Fetches one line of each stream, or as many lines in order, which is for as many bytes as that. */
  __attribute__((always_inline)) void step() {
    if (in_order_) {
#pragma GCC unroll 8
      for (uintptr_t line = 0; line < kStreams; ++line) __builtin_prefetch(reinterpret_cast<const uint8_t*>(fetched_ + ahead_ + line * 64), 0, 3);
      fetched_ += kGroup;
      return;
    }
    const uintptr_t offset = fetched_ % kWindow;
    const uint8_t* at = reinterpret_cast<const uint8_t*>(fetched_ - offset + kWindow + offset / kStreams);
#pragma GCC unroll 8
    for (uintptr_t stream = 0; stream < kStreams; ++stream) __builtin_prefetch(at + stream * (kWindow / kStreams), 0, 2);
    fetched_ += kGroup;
  }
  /** Everything before `to` is used. */
  __attribute__((always_inline)) void reach(const uint8_t* to) { go(reinterpret_cast<uintptr_t>(to)); }

 private:
  static constexpr uintptr_t kStreams = 8;
  static constexpr uintptr_t kWindow = 32768;
  static constexpr int32_t kManyRows = INT32_MAX;
  static constexpr uintptr_t kAhead = 16384;
  static constexpr uintptr_t kAheadOfFew = 3072;
  /** For each group of lines that was used, one line of each stream is fetched. */
  static constexpr uintptr_t kGroup = kStreams * 64;

  __attribute__((always_inline)) void go(uintptr_t to) {
    position_ = to;
    while (fetched_ < to) step();
  }

  uintptr_t position_;
  uintptr_t fetched_;
  const bool in_order_;
  const uintptr_t ahead_;
};

/** A stream that each step moves on by so many bytes. */
struct StreamSteps {
  WeightStream& stream;
  size_t bytes;

  __attribute__((always_inline)) void step(int32_t) const { stream.advance(bytes); }
};

/** Where tall batches hide the wait. */
struct NoFetch {
  __attribute__((always_inline)) void step(int32_t) const {}
};

}  // namespace
}  // namespace octavo
