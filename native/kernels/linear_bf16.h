// Products of BF16 weights by vdpbf16ps: pairs of columns, activations rounded to bf16 (to nearest, ties to even), sums in f32.
//
// Order of an output: one accumulator, pairs of columns in ascending order, in each pair the odd column first (as the
// instruction has it). It depends on nothing but the row; spilling the accumulators to `out` and back changes no bit. Panels hold
// pairs of columns interleaved by rows (layout.h). Which processors this is faster on: docs/decisions/0003-bf16-products.md.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "kernels.h"
#include "simd.h"

namespace octavo {
namespace {

constexpr int kPairTileRows = 12;
/** Columns of a piece: 16 KiB of a panel, which every tile of rows passes over while it is in the first cache. */
constexpr int32_t kPairColumns = kPieceColumns;
/** How far ahead of its own loads a tile fetches the panel, from how many rows on: fewer read a plain stream (fetches_plain_streams in processor.h). */
constexpr size_t kPairAheadBytes = 2048;
constexpr int kPairAheadRows = 5;

/** One row's columns, an even number up to kPairColumns of which `columns` are there, as bf16. */
OCTAVO_INLINE void round_row(const float* input, int32_t columns, uint16_t* out) {
  for (int32_t column = 0; column < columns; column += 32) {
    const int32_t left = columns - column;
    const __mmask16 low = left >= 16 ? 0xffff : static_cast<__mmask16>((1u << left) - 1);
    const __mmask16 high = left >= 32 ? 0xffff : left <= 16 ? 0 : static_cast<__mmask16>((1u << (left - 16)) - 1);
    const __m512bh rounded = _mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, input + column + 16), _mm512_maskz_loadu_ps(low, input + column));
    std::memcpy(out + column, &rounded, sizeof rounded);
  }
}

/** out[row][0..31] (+)= the products of `pairs` pairs of columns; `rounded` holds kPairColumns columns of each row. */
template <int kRows>
void pair_tile(const uint8_t* panel, int32_t pairs, const uint16_t* rounded, float* out, size_t out_stride, bool resume) {
  __m512 low[kRows];
  __m512 high[kRows];
#pragma GCC unroll 12
  for (int row = 0; row < kRows; ++row) {
    low[row] = resume ? _mm512_loadu_ps(out + row * out_stride) : _mm512_setzero_ps();
    high[row] = resume ? _mm512_loadu_ps(out + row * out_stride + 16) : _mm512_setzero_ps();
  }
  for (int32_t pair = 0; pair < pairs; ++pair, panel += 128) {
    if constexpr (kRows >= kPairAheadRows) {
      __builtin_prefetch(panel + kPairAheadBytes, 0, 2);
      __builtin_prefetch(panel + kPairAheadBytes + 64, 0, 2);
    }
    const __m512bh w0 = reinterpret_cast<__m512bh>(_mm512_loadu_si512(panel));
    const __m512bh w1 = reinterpret_cast<__m512bh>(_mm512_loadu_si512(panel + 64));
#pragma GCC unroll 12
    for (int row = 0; row < kRows; ++row) {
      int32_t two;
      std::memcpy(&two, rounded + row * kPairColumns + 2 * pair, 4);
      const __m512bh x = reinterpret_cast<__m512bh>(_mm512_set1_epi32(two));
      low[row] = _mm512_dpbf16_ps(low[row], w0, x);
      high[row] = _mm512_dpbf16_ps(high[row], w1, x);
    }
  }
#pragma GCC unroll 12
  for (int row = 0; row < kRows; ++row) {
    _mm512_storeu_ps(out + row * out_stride, low[row]);
    _mm512_storeu_ps(out + row * out_stride + 16, high[row]);
  }
}

template <int kRows>
OCTAVO_INLINE void pair_tile_of(int32_t rows, const uint8_t* panel, int32_t pairs, const uint16_t* rounded, float* out, size_t out_stride,
                                bool resume) {
  if constexpr (kRows > 0) {
    if (rows == kRows) pair_tile<kRows>(panel, pairs, rounded, out, out_stride, resume);
    else pair_tile_of<kRows - 1>(rows, panel, pairs, rounded, out, out_stride, resume);
  }
}

/** All rows of a panel of pairs, in tiles of nearly equal height. `scratch`: kPairTileRows * kPairColumns / 2 floats. */
void pair_panel(const uint8_t* panel, int32_t columns, const float* input, size_t input_stride, int32_t rows, float* out, size_t out_stride,
                float* scratch) {
  static_assert(kPairTileRows * kPairColumns / 2 <= kLinearScratchFloats, "a tile of rounded rows fits into the scratch memory");
  uint16_t* const rounded = reinterpret_cast<uint16_t*>(scratch);
  for (int32_t first = 0; first < columns; first += kPairColumns) {
    const int32_t count = columns - first < kPairColumns ? columns - first : kPairColumns;
    int32_t tiles = ceil_div(rows, kPairTileRows);
    for (int32_t row = 0; row < rows; --tiles) {
      const int32_t height = ceil_div(rows - row, tiles);
      for (int32_t i = 0; i < height; ++i) {
        round_row(input + static_cast<size_t>(row + i) * input_stride + first, count, rounded + i * kPairColumns);
      }
      pair_tile_of<kPairTileRows>(height, panel + static_cast<size_t>(first) * kPanelRows * 2, (count + 1) / 2, rounded,
                                  out + static_cast<size_t>(row) * out_stride, out_stride, first > 0);
      row += height;
    }
  }
}

}  // namespace
}  // namespace octavo
