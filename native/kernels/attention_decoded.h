// The inner loops of attention over keys and values that lie as f32 in the first-level cache, for many tiles of rows in turn.
//
// The same chains as in attention_tile.h, in the same order. What comes next is fetched a few lines at a time, by every tile
// its share: the first-level cache has few buffers for lines on their way.
#pragma once

#include "attention_tile.h"

namespace octavo {
namespace {

/** A tile's share of what is fetched ahead: tile `index` of `count`. */
struct FetchShare {
  int32_t index;
  int32_t count;
  /** The part [from, to) of `whole` things that is this tile's. */
  OCTAVO_INLINE int32_t from(const FetchShare& share, int32_t whole) { return whole * share.index / share.count; }
  OCTAVO_INLINE int32_t to(const FetchShare& share, int32_t whole) { return whole * (share.index + 1) / share.count; }
};

struct DecodedScoreJob {
  const float* keys;  // [count][head_size][16]
  int32_t count;  // sixteens of positions
  const float* queries;  // [dimension][kAttentionTileRows]
  int32_t head_size;
  float* scores;  // [row][kScoreStride], of the first sixteen on
  const uint8_t* const* ahead;  // what is fetched beside each sixteen; null: nothing
  int32_t ahead_lines;  // of each
  FetchShare share;
};

template <int kRows, int kChunks>
OCTAVO_INLINE void score_decoded_chunks(const DecodedScoreJob& job, int32_t first) {
  if (job.ahead != nullptr) {
    const int32_t to = FetchShare::to(job.share, job.ahead_lines);
    for (int c = 0; c < kChunks; ++c) {
      for (int32_t line = FetchShare::from(job.share, job.ahead_lines); line < to; ++line) fetch_ahead(job.ahead[first + c] + line * 64);
    }
  }
  const size_t chunk_floats = static_cast<size_t>(job.head_size) * 16;
  const float* keys = job.keys + static_cast<size_t>(first) * chunk_floats;
  const float* queries = job.queries;
  float* const scores = job.scores + first * 16;
  V16 sums[kRows][kChunks];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < kChunks; ++c) sums[r][c] = v_zero();
  }
  for (int32_t d = 0; d < job.head_size; ++d, keys += 16, queries += kAttentionTileRows) {
    V16 loaded[kChunks];
#pragma GCC unroll 8
    for (int c = 0; c < kChunks; ++c) loaded[c] = v_load(keys + c * chunk_floats);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
      for (int c = 0; c < kChunks; ++c) add_scaled<kChunks>(sums[r][c], loaded[c], queries + r);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < kChunks; ++c) v_store(scores + r * kScoreStride + c * 16, sums[r][c]);
  }
}

template <int kRows, int kChunks>
OCTAVO_INLINE void score_decoded_rows(const DecodedScoreJob& job, int32_t chunk) {
  for (; chunk + kChunks <= job.count; chunk += kChunks) score_decoded_chunks<kRows, kChunks>(job, chunk);
  if constexpr (kChunks > 1) {
    if (chunk < job.count) score_decoded_rows<kRows, kChunks / 2>(job, chunk);
  }
}

/** Scores of `rows` rows, without the keys' scales. */
void score_decoded(int32_t rows, const DecodedScoreJob& job) {
  with_count<kAttentionTileRows>(rows, [&](auto n) __attribute__((always_inline)) { score_decoded_rows<n.value, tile_vectors(n.value)>(job, 0); });
}

struct DecodedValueJob {
  const float* values;  // of position `begin`, [position][columns]
  size_t columns;
  int32_t begin, end;  // positions from the piece's start, not empty
  const float* weights;  // [row][kScoreStride], from the piece's start
  float* const* outs;
  const PieceView* view;  // its next keys are fetched; null: none
  FetchShare share;
};

/** Fetches this tile's share of the keys that come next beside the sixteen that begins at `at`. */
OCTAVO_INLINE void fetch_next_keys(const DecodedValueJob& job, int32_t at) {
  const PieceView& view = *job.view;
  const uint8_t* const next = view.next_keys[at / 16];
  const int32_t to = FetchShare::to(job.share, 16);
  for (int32_t i = FetchShare::from(job.share, 16); i < to; ++i) {
    for (int32_t line = 0; line < view.next_lines; ++line) {
      fetch_ahead(next + static_cast<size_t>(i) * view.next_step + static_cast<size_t>(line) * view.next_stride);
    }
  }
}

template <int kRows, int kVectors>
OCTAVO_INLINE void accumulate_decoded_columns(const DecodedValueJob& job, size_t column) {
  V16 sums[kRows][kVectors];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sums[r][v] = v_load(job.outs[r] + column + v * 16);
  }
  const float* values = job.values + column;
  for (int32_t at = job.begin; at < job.end;) {
    const int32_t stop = at / 16 * 16 + 16 < job.end ? at / 16 * 16 + 16 : job.end;
    if (job.view != nullptr && column == 0 && at % 16 == 0 && job.view->next_lines > 0) fetch_next_keys(job, at);
    const float* weights = job.weights + at;
    for (; at < stop; ++at, values += job.columns, ++weights) {
      V16 loaded[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) loaded[v] = v_load(values + v * 16);
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) add_scaled<kVectors>(sums[r][v], loaded[v], weights + r * kScoreStride);
      }
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) v_store(job.outs[r] + column + v * 16, sums[r][v]);
  }
}

template <int kRows, int kVectors>
OCTAVO_INLINE void accumulate_decoded_rows(const DecodedValueJob& job, size_t column) {
  for (; column + kVectors * 16 <= job.columns; column += kVectors * 16) accumulate_decoded_columns<kRows, kVectors>(job, column);
  if constexpr (kVectors > 1) {
    if (column < job.columns) accumulate_decoded_rows<kRows, kVectors / 2>(job, column);
  }
}

// Fewer rows of a tile at a time have accumulators for more vectors of values: of heads that are as wide each weight is then read once, not twice.
constexpr int kWideVectors = 4;
constexpr int kWideRows = kAttentionTileVectors >= 2 * kWideVectors ? kAttentionTileVectors / kWideVectors : 1;

/** accumulate_decoded for columns of kWideVectors vectors or more, a few rows after others. */
void accumulate_wide(int32_t rows, const DecodedValueJob& job) {
  DecodedValueJob part = job;
  const int32_t parts = ceil_div(rows, kWideRows);
  for (int32_t i = 0; i < parts; ++i) {
    const int32_t first = rows * i / parts;
    part.weights = job.weights + static_cast<size_t>(first) * kScoreStride;
    part.outs = job.outs + first;
    with_count<kWideRows>(rows * (i + 1) / parts - first, [&](auto n) __attribute__((always_inline)) { accumulate_decoded_rows<n.value, kWideVectors>(part, 0); });
    part.view = nullptr;
  }
}

/** Adds the values of the job's positions to `rows` outputs; weights hold their scales already. */
void accumulate_decoded(int32_t rows, const DecodedValueJob& job) {
  if (job.begin >= job.end) return;
  if (kWideRows > 1 && job.columns >= kWideVectors * 16) return accumulate_wide(rows, job);
  with_count<kAttentionTileRows>(rows, [&](auto n) __attribute__((always_inline)) { accumulate_decoded_rows<n.value, tile_vectors(n.value)>(job, 0); });
}

}  // namespace
}  // namespace octavo
