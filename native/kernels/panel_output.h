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
  float* maxima;  // of the first row, up to a multiple of kTileRows rows; null: not streamed

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
  const bool streams = job.maxima.data != nullptr && left >= kPanelRows;
  const bool aside = left < kPanelRows || returns || streams;
  return {target,
          job.out_stride,
          aside ? scratch + kLinearScratchFloats : target,
          aside ? kPanelRows : job.out_stride,
          job.bias == nullptr ? nullptr : job.bias + first_lane,
          left < kPanelRows ? left : kPanelRows,
          streams ? job.maxima.data + static_cast<size_t>(panel) * job.maxima.stride + first_row : nullptr};
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
  for (int32_t first = 0; first < rows; first += kTileRows) {
    V16 largest[kTileRows];
#pragma GCC unroll 16
    for (int32_t i = 0; i < kTileRows; ++i) {
      const size_t row = static_cast<size_t>(first + i);
      largest[i] = first + i < rows ? stream_row(output.out + row * output.stride, output.target + row * output.target_stride) : v_set1(-INFINITY);
    }
    v_store(output.maxima + first, v_largest_of_each(largest));
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
