// Fetching weights from memory while rows are computed.
//
// WeightStream, for products that compute: a core waits for few lines of memory at a time (a dozen and a half of its own requests, and what the second cache's prefetcher adds), and that prefetcher
// runs no more than some twenty lines ahead, inside a page. One stream read at the pace of arithmetic is therefore never far enough ahead, and
// requests for it hold up the loads of what is computed. Several streams at a fraction of the pace are: of each the prefetcher has what comes next.
//
// So the next window of weights is fetched line by line from eight places, an eighth of it apart, as many lines as were used of this one. Measured on an Intel
// Xeon (Granite Rapids), Q8_0, two threads that read 31 to 33 GB/s: 8 rows go through 29 instead of 26 GB/s. Windows of 32 and 64 KiB are alike, of
// 128 KiB slower; 2 streams are slower than 4, 8 and 16, which are alike; one stream (a whole panel ahead) takes 1.4 times as long.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo {
namespace {

class WeightStream {
 public:
  /** For weights that are used from `from` on, in the order of their addresses. */
  explicit WeightStream(const uint8_t* from) : position_(reinterpret_cast<uintptr_t>(from)), fetched_((position_ + kGroup - 1) / kGroup * kGroup) {}

  /** So many more bytes are used now. */
  __attribute__((always_inline)) void advance(size_t bytes) { go(position_ + bytes); }
  /** Fetches one line of each stream, which is for as many bytes as that. */
  __attribute__((always_inline)) void step() {
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
  /** For each group of lines that was used, one line of each stream is fetched. */
  static constexpr uintptr_t kGroup = kStreams * 64;

  __attribute__((always_inline)) void go(uintptr_t to) {
    position_ = to;
    while (fetched_ < to) step();
  }

  uintptr_t position_;
  uintptr_t fetched_;
};

/**
 * For products of one to four rows, which hardly compute: `lines` cache lines at each step, `bytes` after those of the step before, go into the first cache, from `at` on, one to four units
 * (1 to 4 KiB) ahead of use. Every fourth line `far` bytes beyond goes into the second, which brings the three behind it along. Where a unit is no whole number of lines, a pace of whole
 * lines runs away from use: four rows of Q4_K and Q6_K took 1.1 to 1.16 times as long with it, one row 1.0 to 1.13 times.
 */
struct NearLines {
  const uint8_t* at;
  size_t bytes;
  int32_t lines;
  size_t far;

  __attribute__((always_inline)) void step(int32_t index) const {
    const uint8_t* first = at + static_cast<size_t>(index) * bytes;
    // Unrolled, all requests come at once: one row of Q4_0 then reads a tenth slower.
#pragma GCC unroll 1
    for (int32_t line = 0; line < lines; ++line) {
      const uint8_t* near = first + static_cast<size_t>(line) * 64;
      __builtin_prefetch(near, 0, 3);
      if (line % 4 == 0) __builtin_prefetch(near + far, 0, 2);
    }
  }
};

/**
 * From this many rows on, weights are fetched by a WeightStream; fewer have NearLines. One to four rows hardly compute, and on a quiet machine read 5 % faster in one stream; but where memory answers slowly
 * (other guests: 16 to 20 GB/s instead of 30) streams take 0.66 to 0.76 of the time of NearLines with one and two rows of F16, Q8_0 and Q4_0: more lines are under way.
 */
constexpr int32_t kStreamFromRows = 1;

/**
 * What fewer rows fetch of F16, BF16 or F32 weights, `lines` at each step. Measured with F16 and BF16: 1, 2 and 4 rows read 5 to 15 % faster than without (BF16 on AMX 31 instead
 * of the stream's 29 GB/s); 4 KiB farther one row loses that again.
 */
static inline NearLines near_floats(const uint8_t* panel, int32_t lines) { return {panel + 1088, static_cast<size_t>(lines) * 64, lines, 2048}; }

/** A stream that each step moves on by so many bytes. */
struct StreamSteps {
  WeightStream& stream;
  size_t bytes;

  __attribute__((always_inline)) void step(int32_t) const { stream.advance(bytes); }
};

}  // namespace
}  // namespace octavo
