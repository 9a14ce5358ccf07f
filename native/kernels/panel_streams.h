// Fetching weights that some panels take turns over.
#pragma once

#include "kernels.h"

namespace octavo {
namespace {

/** Fetches as many bytes of each of some panels, line by line from kStreams places, of each of which the prefetcher has what comes next. */
template <int32_t kStreams>
class PanelStreams {
 public:
  /** Begins with `bytes` from `from` on of the first panel, and from as far in on of the others. */
  void begin(const uint8_t* from, size_t panel_bytes, int32_t panel_count, size_t bytes) {
    const int32_t parts = kStreams / panel_count;
    streams_ = parts * panel_count;
    part_ = round_up(bytes / static_cast<size_t>(parts), 64);
    for (int32_t i = 0; i < kStreams; ++i) {
      const size_t stream = static_cast<size_t>(i % streams_);
      at_[i] = from + stream / static_cast<size_t>(parts) * panel_bytes + stream % static_cast<size_t>(parts) * part_;
    }
    fetched_ = 0;
  }
  /** A line of each stream, beyond the end too. */
  __attribute__((always_inline)) void step() {
#pragma GCC unroll 8
    for (int32_t i = 0; i < kStreams; ++i) __builtin_prefetch(at_[i] + fetched_, 0, 2);
    fetched_ += 64;
  }
  /** A step, if there is something left. */
  __attribute__((always_inline)) void step_within() {
    if (fetched_ < part_) step();
  }
  /** Goes on until so many bytes were fetched. */
  void reach(size_t bytes) {
    while (fetched_ * static_cast<size_t>(streams_) < bytes) step();
  }

 private:
  static_assert(kPanelsAtOnce <= kStreams, "each panel has a stream");
  const uint8_t* at_[kStreams];
  int32_t streams_ = 1;
  size_t part_ = 0;
  size_t fetched_ = 0;
};

}  // namespace
}  // namespace octavo
