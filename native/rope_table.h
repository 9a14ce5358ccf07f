// Cosines and sines of positions, for as many positions as a sequence may have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace octavo {

/** The widest rotation that a table may be of. */
constexpr int32_t kMaxRotaryDim = 1024;

/**
 * Rows of rotary_dim / 2 entries: one for each of the first `fine_count` positions, then one for each multiple of fine_count, from 0 on. A position
 * beyond the fine ones is the sum of one of each, so that a million positions take no more memory than fine_count do.
 */
struct RopeTable {
  int32_t rotary_dim;
  int32_t fine_count;
  std::vector<float> cosine;
  std::vector<float> sine;

  /** Rows that a table for `max_context` positions has. */
  static size_t row_count(int32_t max_context, int32_t fine_count) {
    if (max_context <= fine_count) return static_cast<size_t>(max_context);
    return static_cast<size_t>(fine_count) + (static_cast<size_t>(max_context) + static_cast<size_t>(fine_count) - 1) / static_cast<size_t>(fine_count);
  }

  struct Rows {
    const float* cosine;
    const float* sine;
  };
  struct Buffer {
    float cosine[kMaxRotaryDim / 2];
    float sine[kMaxRotaryDim / 2];
  };
  /** The rows of a position; they lie in the table or in `buffer`. */
  Rows rows_of(int32_t position, Buffer& buffer) const {
    const size_t pairs = static_cast<size_t>(rotary_dim / 2);
    if (position < fine_count) return {cosine.data() + static_cast<size_t>(position) * pairs, sine.data() + static_cast<size_t>(position) * pairs};
    const size_t fine = static_cast<size_t>(position % fine_count) * pairs;
    const size_t coarse = (static_cast<size_t>(fine_count) + static_cast<size_t>(position / fine_count)) * pairs;
    for (size_t i = 0; i < pairs; ++i) {
      const double c = cosine[coarse + i], s = sine[coarse + i], fc = cosine[fine + i], fs = sine[fine + i];
      buffer.cosine[i] = static_cast<float>(c * fc - s * fs);
      buffer.sine[i] = static_cast<float>(s * fc + c * fs);
    }
    return {buffer.cosine, buffer.sine};
  }
};

}  // namespace octavo
