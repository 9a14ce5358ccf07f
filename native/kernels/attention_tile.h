// The inner loops of attention over one register tile of rows: scores, their softmax, weighted sums of values.
#pragma once

#include <type_traits>

#include "kernels.h"
#include "kv_formats.h"
#include "simd.h"

namespace octavo {
namespace {

// Rows of one register tile, and the vectors of accumulators that it may hold.
#if defined(__AVX512F__)
constexpr int kAttentionTileRows = 12;
constexpr int kAttentionTileVectors = 24;
#elif defined(__AVX2__)
constexpr int kAttentionTileRows = 6;
constexpr int kAttentionTileVectors = 6;
#else
constexpr int kAttentionTileRows = 3;
constexpr int kAttentionTileVectors = 3;
#endif
static_assert(kMaxAttentionRows % kAttentionTileRows == 0, "scratch is sized by kMaxAttentionRows");

constexpr int32_t kPieceChunks = kAttentionPiece / 16;
constexpr size_t kScoreStride = kAttentionPiece + 32;

/** The largest of 8, 4, 2, 1 vectors that `rows` rows have accumulators for. */
constexpr int tile_vectors(int rows) {
  const int most = kAttentionTileVectors / rows;
  return most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
}

/** As tile_vectors, where every vector of scores has `dims` vectors of keys beside it. */
constexpr int score_vectors(int rows, int dims) {
  if (dims == 1) return tile_vectors(rows);
  const int most = kAttentionTileVectors * 5 / 6 / rows;
  return most >= 4 ? 4 : most >= 2 ? 2 : 1;
}

/** Calls body with the constant of [1, kMost] that equals `count`. */
template <int kMost, typename Body>
OCTAVO_INLINE void with_count(int32_t count, const Body& body) {
  if constexpr (kMost > 0) {
    if (count == kMost) body(std::integral_constant<int, kMost>{});
    else with_count<kMost - 1>(count, body);
  }
}

/** Asks for a line in the second-level cache. */
OCTAVO_INLINE void fetch_ahead(const void* p) { __builtin_prefetch(p, 0, 2); }

/** What is fetched beside the steps of a loop: so many bytes, up to a line, at every step whose number has none of the mask's bits. */
struct FetchPace {
  size_t bytes;
  int32_t mask;
};

/** Each line of `bytes` about once beside `steps` steps. */
OCTAVO_INLINE FetchPace fetch_pace(int32_t bytes, int32_t steps) {
  int32_t every = 1;
  while (2 * every * ceil_div(bytes, 64) <= steps) every *= 2;
  return {static_cast<size_t>(ceil_div(bytes * every, steps)), every - 1};
}

/**
 * Up to so many sums that have a factor in common read it each by itself: for two that takes the front end less than a load on its own. Zen 5 loads as many vectors in a cycle as it multiplies,
 * so there two share one.
 */
#if defined(OCTAVO_ZEN)
constexpr int kReadingSums = 1;
#else
constexpr int kReadingSums = 2;
#endif

/** sum += value * *factor, where kSums sums have the factor in common. */
template <int kSums>
OCTAVO_INLINE void add_scaled(V16& sum, V16 value, const float* factor) {
  if constexpr (kSums <= kReadingSums) v_add_scaled(sum, value, factor);
  else sum = v_fma(value, v_set1(*factor), sum);
}

/** What one tile of scores is made of. Rows of keys and of queries ascend by dimension. */
struct ScoreJob {
  const uint8_t* const* chunks;  // keys of sixteen positions each
  const uint8_t* const* ahead;  // for each chunk what is fetched meanwhile: the values of its positions
  FetchPace pace;  // of those
  int32_t count;  // chunks
  size_t key_stride;  // bytes
  const float* queries;  // [dimension][kAttentionTileRows]
  int32_t head_size;
  float* scores;  // [row][kScoreStride], of the first chunk on
};

template <typename Format, int kRows, int kChunks>
OCTAVO_INLINE void score_chunks(const ScoreJob& job, int32_t first) {
  constexpr int kDims = Format::kDims;
  const float* queries = job.queries;
  V16 sums[kChunks][kRows];
  const uint8_t* keys[kChunks];
  const uint8_t* ahead[kChunks];
#pragma GCC unroll 8
  for (int c = 0; c < kChunks; ++c) {
    keys[c] = job.chunks[first + c];
    ahead[c] = job.ahead[first + c];
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) sums[c][r] = v_zero();
  }
  const size_t key_step = job.key_stride * Format::kRows;
  int32_t d = 0;
  for (; d + kDims <= job.head_size; d += kDims, queries += kDims * kAttentionTileRows) {
    if ((d / kDims & job.pace.mask) == 0) {
#pragma GCC unroll 8
      for (int c = 0; c < kChunks; ++c) {
        fetch_ahead(ahead[c]);
        ahead[c] += job.pace.bytes;
      }
    }
    V16 loaded[kChunks][kDims];
#pragma GCC unroll 8
    for (int c = 0; c < kChunks; ++c) {
      Format::key(keys[c], job.key_stride, loaded[c]);
      keys[c] += key_step;
    }
#pragma GCC unroll 2
    for (int i = 0; i < kDims; ++i) {
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
        for (int c = 0; c < kChunks; ++c) add_scaled<kChunks>(sums[c][r], loaded[c][i], queries + i * kAttentionTileRows + r);
      }
    }
  }
  if (kDims > 1 && d < job.head_size) {
#pragma GCC unroll 8
    for (int c = 0; c < kChunks; ++c) {
      const V16 loaded = Format::last_key(keys[c]);
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) sums[c][r] = v_fma(loaded, v_set1(queries[r]), sums[c][r]);
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < kChunks; ++c) {
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) v_store(job.scores + r * kScoreStride + (first + c) * 16, sums[c][r]);
  }
}

/** As many chunks at a time as there are accumulators for, and about as many each time: few chains wait for each other's sums. */
template <typename Format, int kRows>
OCTAVO_INLINE void score_rows(const ScoreJob& job) {
  constexpr int kMost = score_vectors(kRows, Format::kDims);
  const int32_t parts = ceil_div(job.count, kMost);
  for (int32_t i = 0; i < parts; ++i) {
    const int32_t first = job.count * i / parts;
    with_count<kMost>(job.count * (i + 1) / parts - first, [&](auto n) __attribute__((always_inline)) { score_chunks<Format, kRows, n.value>(job, first); });
  }
}

/** Scores of `rows` rows, without the keys' scales. */
template <typename Format>
void score_tile(int32_t rows, const ScoreJob& job) {
  with_count<kAttentionTileRows>(rows, [&](auto n) __attribute__((always_inline)) {
    score_rows<Format, n.value>(job);
  });
}

/**
 * 2^x for x <= 0 within 1.5 ulp; 2^-126 below -126, which no sum that a softmax makes (at least 1) can tell from 0. The
 * polynomial interpolates (2^r - 1) / r in the Chebyshev nodes of [-1/2, 1/2]. Exactly 1 at 0; what is not a number stays so.
 */
OCTAVO_INLINE V16 exp2_nonpositive(V16 x) {
  const V16 clamped = v_max(v_set1(-126.0f), x);
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low mantissa bits.
  const V16 magic = v_set1(12582912.0f);
  const V16 shifted = v_add(clamped, magic);
  const V16 r = v_sub(clamped, v_sub(shifted, magic));
  V16 p = v_set1(1.545316336e-04f);
  p = v_fma(p, r, v_set1(1.339086331e-03f));
  p = v_fma(p, r, v_set1(9.618083015e-03f));
  p = v_fma(p, r, v_set1(5.550356954e-02f));
  p = v_fma(p, r, v_set1(2.402265072e-01f));
  p = v_fma(p, r, v_set1(6.931471825e-01f));
  p = v_fma(p, r, v_set1(1.0f));
  return v_scale_by_exponent(p, shifted);
}

/** The largest of scores[begin, end); the rest of the first and the last sixteen become -infinity. Addressed from the piece's start. */
OCTAVO_INLINE float largest_score(float* scores, int32_t begin, int32_t end) {
  const int32_t first = begin / 16 * 16;
  const int32_t last = (end + 15) / 16 * 16;
  const V16 nothing = v_set1(-__builtin_inff());
  // By whole vectors: a vector that is loaded after parts of it were stored waits for the cache.
  const auto clear_outside = [&](int32_t at) {
    v_store(scores + at, v_keep_lanes(v_load(scores + at), begin > at ? begin - at : 0, end < at + 16 ? end - at : 16, nothing));
  };
  if (begin > first) clear_outside(first);
  if (end < last) clear_outside(last - 16);
  V16 even = nothing;
  V16 odd = nothing;
  int32_t i = first;
  for (; i + 32 <= last; i += 32) {
    even = v_max(even, v_load(scores + i));
    odd = v_max(odd, v_load(scores + i + 16));
  }
  if (i < last) even = v_max(even, v_load(scores + i));
  return v_maximum(v_max(even, odd));
}

/** scores[begin, end) become 2^(score - max); returns their sum. */
OCTAVO_INLINE float exponentiate(float* scores, int32_t begin, int32_t end, float max) {
  const int32_t last = (end + 15) / 16 * 16;
  const V16 shift = v_set1(max);
  V16 sums = v_zero();
  for (int32_t i = begin / 16 * 16; i < last; i += 16) {
    const V16 e = exp2_nonpositive(v_sub(v_load(scores + i), shift));
    v_store(scores + i, e);
    sums = v_add(sums, e);
  }
  return v_sum(sums);
}

/** scores[16 first, 16 last) are multiplied by what belongs to their positions. */
OCTAVO_INLINE void scale_positions(float* scores, const float* scales, int32_t first, int32_t last) {
  for (int32_t i = first * 16; i < last * 16; i += 16) v_store(scores + i, v_mul(v_load(scores + i), v_load(scales + i)));
}

/** Where the keys and values of each sixteen positions of a piece lie; null where no row of the piece attends. */
struct PieceView {
  const uint8_t* keys[kPieceChunks];
  const uint8_t* values[kPieceChunks];
  size_t key_stride;  // bytes from one row of keys to the next
  size_t value_stride;  // bytes from one position's values to the next
  const float* key_scales;  // [kAttentionPiece]; null: none
  const float* value_scales;
  // While the values of a position are added up, a share of the next piece's keys of the same chunk is fetched.
  const uint8_t* next_keys[kPieceChunks];
  int32_t next_lines;  // 0: nothing comes next, or it was fetched already
  size_t next_stride;
  size_t next_step;  // bytes from one position's share to the next's
};

/** outs[r][column ..] takes weight * value of positions [begin, end), which are not empty. kAhead: and fetches keys. */
template <typename Format, int kRows, int kVectors, bool kAhead>
OCTAVO_INLINE void accumulate_columns(const PieceView& view, int32_t begin, int32_t end, const float* weights, float* const* outs, size_t column) {
  V16 sums[kRows][kVectors];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sums[r][v] = v_load(outs[r] + column + v * 16);
  }
  const size_t stride = view.value_stride;
  for (int32_t at = begin; at < end;) {
    const uint8_t* values = view.values[at / 16] + static_cast<size_t>(at % 16) * stride;
    const int32_t stop = at / 16 * 16 + 16 < end ? at / 16 * 16 + 16 : end;
    const uint8_t* ahead = nullptr;
    if (kAhead && view.next_lines > 0) ahead = view.next_keys[at / 16] + static_cast<size_t>(at % 16) * view.next_step;
    const float* weight = weights + at;
    for (; at < stop; ++at, values += stride, ++weight) {
      if (kAhead) {
        for (int32_t i = 0; i < view.next_lines; ++i) fetch_ahead(ahead + static_cast<size_t>(i) * view.next_stride);
        ahead += view.next_step;
      }
      V16 loaded[kVectors];
      Format::template values<kVectors>(values, column, loaded);
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) add_scaled<kVectors>(sums[r][v], loaded[v], weight + r * kScoreStride);
      }
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) v_store(outs[r] + column + v * 16, sums[r][v]);
  }
}

template <typename Format, int kRows, int kVectors>
OCTAVO_INLINE void accumulate_rows(const PieceView& view, int32_t begin, int32_t end, const float* weights, float* const* outs, size_t column,
                                   size_t columns) {
  for (; column + kVectors * 16 <= columns; column += kVectors * 16) {
    if (column == 0) accumulate_columns<Format, kRows, kVectors, true>(view, begin, end, weights, outs, column);
    else accumulate_columns<Format, kRows, kVectors, false>(view, begin, end, weights, outs, column);
  }
  if constexpr (kVectors > 1) {
    if (column < columns) accumulate_rows<Format, kRows, kVectors / 2>(view, begin, end, weights, outs, column, columns);
  }
}

/** Adds the values of positions [begin, end) to `rows` outputs; weights hold their scales already. */
template <typename Format>
void accumulate_tile(int32_t rows, const PieceView& view, int32_t begin, int32_t end, const float* weights, float* const* outs, size_t columns) {
  if (begin >= end) return;
  with_count<kAttentionTileRows>(rows, [&](auto n) __attribute__((always_inline)) {
    accumulate_rows<Format, n.value, tile_vectors(n.value)>(view, begin, end, weights, outs, 0, columns);
  });
}

}  // namespace
}  // namespace octavo
