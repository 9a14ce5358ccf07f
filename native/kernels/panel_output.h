// Where one panel's outputs are computed, and how they come from there to the rows of the operation.
#pragma once

#include <cmath>
#include <cstring>

#include "kernels.h"
#include "simd.h"

namespace octavo {
namespace {

struct PanelOutput {
  float* target;  // of the first row
  size_t target_stride;
  float* out;  // where they are computed: `target`, or scratch
  size_t stride;
  const float* bias;  // of the panel; null: none
  int32_t lanes;
  float* maxima;  // of the first kTileRows rows; null: not streamed
  size_t maxima_step;  // to those of as many more

  /** Whether finish_panel does no more than to copy. */
  bool only_copied() const { return bias == nullptr && lanes == kPanelRows; }
};

/**
 * A panel with fewer than 32 outputs is computed aside: `out` may be as narrow as the matrix. So is one whose outputs are
 * read and written several times (`returns`): the rows of `out` often lie a power of two apart, and would evict each other.
 * And so is one that is streamed: a store to a line that is in no cache has the line read first, in the way of weights.
 */
static inline PanelOutput panel_output(const LinearJob& job, int32_t panel, int32_t first_row, float* scratch, bool returns) {
  const size_t first_lane = static_cast<size_t>(panel) * kPanelRows;
  const int32_t left = job.weight->rows - panel * kPanelRows;
  float* const target = job.out + static_cast<size_t>(first_row - job.out_row) * job.out_stride + static_cast<size_t>(panel - job.out_panel) * kPanelRows;
  const size_t maxima_step = static_cast<size_t>(job.weight->panel_count) * kTileRows;
  const bool streams = job.maxima != nullptr && left >= kPanelRows;
  const bool aside = left < kPanelRows || returns || streams;
  return {target,
          job.out_stride,
          aside ? scratch + kLinearScratchFloats : target,
          aside ? kPanelRows : job.out_stride,
          job.bias == nullptr ? nullptr : job.bias + first_lane,
          left < kPanelRows ? left : kPanelRows,
          streams ? job.maxima + static_cast<size_t>(first_row / kTileRows) * maxima_step + static_cast<size_t>(panel) * kTileRows : nullptr,
          maxima_step};
}

/** The quantised activations, if there are any, from a row on, which is a multiple of kTileRows. */
static inline QuantizedRows quantized_from(const LinearJob& job, int32_t first_row) {
  QuantizedRows rows = job.quantized;
  if (rows.tiles != nullptr) rows.tiles += static_cast<size_t>(first_row / kTileRows) * rows.tile_bytes;
  return rows;
}

/** The same of split activations. */
static inline SplitRows split_from(const LinearJob& job, int32_t first_row) {
  return {job.split.tiles + static_cast<size_t>(first_row / kTileRows) * job.split.tile_bytes, job.split.tile_bytes};
}

/** Stores a row of a panel past the caches; returns the larger of each lane of both halves, NaN left out. */
static inline V16 stream_row(const float* from, float* to) {
  const V16 low = v_load(from);
  const V16 high = v_load(from + 16);
  v_stream(to, low);
  v_stream(to + 16, high);
  // Of two of which one is NaN, the second.
  return v_max(high, v_max(low, v_set1(-INFINITY)));
}

/** Stores a panel past the caches, and the largest of each row. */
static inline void stream_panel(const PanelOutput& output, int32_t rows) {
  const float* from = output.out;
  float* to = output.target;
  float* maxima = output.maxima;
  for (int32_t first = 0; first < rows; first += kTileRows, maxima += output.maxima_step) {
    V16 largest[kTileRows];
    const int32_t count = rows - first < kTileRows ? rows - first : kTileRows;
    if (count == kTileRows) {
#pragma GCC unroll 16
      for (int32_t i = 0; i < kTileRows; ++i, from += output.stride, to += output.target_stride) largest[i] = stream_row(from, to);
    } else {
      for (int32_t i = 0; i < kTileRows; ++i) largest[i] = v_set1(-INFINITY);
      for (int32_t i = 0; i < count; ++i, from += output.stride, to += output.target_stride) largest[i] = stream_row(from, to);
    }
    v_store(maxima, v_largest_of_each(largest));
  }
}

static inline void finish_panel(const PanelOutput& output, int32_t rows) {
  if (output.maxima != nullptr) return stream_panel(output, rows);
  if (output.out == output.target && output.bias == nullptr) return;
  for (int32_t row = 0; row < rows; ++row) {
    const float* from = output.out + static_cast<size_t>(row) * output.stride;
    float* to = output.target + static_cast<size_t>(row) * output.target_stride;
    if (output.bias == nullptr) std::memcpy(to, from, static_cast<size_t>(output.lanes) * 4);
    else for (int32_t lane = 0; lane < output.lanes; ++lane) to[lane] = from[lane] + output.bias[lane];
  }
}

}  // namespace
}  // namespace octavo
