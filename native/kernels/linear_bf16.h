// Products of BF16 weights by vdpbf16ps: pairs of columns, activations rounded to bf16 (to nearest, ties to even), sums in f32.
//
// Order of an output: one accumulator, pairs of columns in ascending order, in each pair the odd column first (as the
// instruction has it). It depends on nothing but the row; spilling the accumulators to `out` and back changes no bit. Panels hold
// pairs of columns interleaved by rows, activations lie in tiles as the larger part of split ones (layout.h): rounded once for all panels. Which processors this is faster on:
// docs/decisions/0003-bf16-products.md.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "kernels.h"
#include "simd.h"
#include "weight_stream.h"

namespace octavo {
namespace {

constexpr int kPairTileRows = 8;
static_assert(kTileRows % kPairTileRows == 0, "a tile of activations is cut into whole tiles of registers");
/** Blocks of 32 columns of a piece: 16 KiB of a panel, which every tile of rows passes over while it is in the first cache. */
constexpr int32_t kPairBlocks = kPieceColumns / kQuantBlock;

/** As Kernels::split_row, in one part. */
void round_row(const float* input, int32_t columns, uint8_t* tile, int32_t slot) {
  uint8_t* to = tile + static_cast<size_t>(slot) * kQuantBlock * 2;
  for (int32_t column = 0; column < columns; column += kQuantBlock, to += kSplitPartBytes) {
    const int32_t left = columns - column;
    const __mmask16 low = left >= 16 ? 0xffff : static_cast<__mmask16>((1u << left) - 1);
    const __mmask16 high = left >= 32 ? 0xffff : left <= 16 ? 0 : static_cast<__mmask16>((1u << (left - 16)) - 1);
    const __m512bh rounded = _mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, input + column + 16), _mm512_maskz_loadu_ps(low, input + column));
    std::memcpy(to, &rounded, sizeof rounded);
  }
}

/** out[row][0..31] (+)= the products of `blocks` blocks; `rows` points at the first row's slot. */
template <int kRows>
void pair_tile(const uint8_t* panel, int32_t blocks, const uint8_t* rows, const StreamSteps& fetch, float* out, size_t out_stride, bool resume) {
  __m512 low[kRows];
  __m512 high[kRows];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    low[row] = resume ? _mm512_loadu_ps(out + row * out_stride) : _mm512_setzero_ps();
    high[row] = resume ? _mm512_loadu_ps(out + row * out_stride + 16) : _mm512_setzero_ps();
  }
  for (int32_t block = 0; block < blocks; ++block, rows += kSplitPartBytes) {
    for (int32_t pair = 0; pair < kQuantBlock / 2; ++pair, panel += 128) {
      fetch.step(pair);
      const __m512bh w0 = reinterpret_cast<__m512bh>(_mm512_loadu_si512(panel));
      const __m512bh w1 = reinterpret_cast<__m512bh>(_mm512_loadu_si512(panel + 64));
#pragma GCC unroll 8
      for (int row = 0; row < kRows; ++row) {
        int32_t two;
        std::memcpy(&two, rows + row * kQuantBlock * 2 + pair * 4, 4);
        const __m512bh x = reinterpret_cast<__m512bh>(_mm512_set1_epi32(two));
        low[row] = _mm512_dpbf16_ps(low[row], w0, x);
        high[row] = _mm512_dpbf16_ps(high[row], w1, x);
      }
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    _mm512_storeu_ps(out + row * out_stride, low[row]);
    _mm512_storeu_ps(out + row * out_stride + 16, high[row]);
  }
}

template <int kRows>
OCTAVO_INLINE void pair_tile_of(int32_t height, const uint8_t* panel, int32_t blocks, const uint8_t* rows, const StreamSteps& fetch, float* out, size_t out_stride, bool resume) {
  if constexpr (kRows > 0) {
    if (height == kRows) pair_tile<kRows>(panel, blocks, rows, fetch, out, out_stride, resume);
    else pair_tile_of<kRows - 1>(height, panel, blocks, rows, fetch, out, out_stride, resume);
  }
}

/** All rows of a panel of pairs; `input` begins at the tile of the first row. */
void pair_panel(const uint8_t* panel, int32_t blocks, const SplitRows& input, int32_t row_count, float* out, size_t out_stride) {
  const int32_t tiles = ceil_div(row_count, kPairTileRows);
  const int32_t most = tiles == 1 ? blocks : kPairBlocks;
  WeightStream stream(panel, row_count);
  const StreamSteps fetch = {stream, kPanelBlockBytes / (kQuantBlock / 2) / static_cast<size_t>(tiles)};
  for (int32_t first = 0; first < blocks; first += most) {
    const int32_t count = blocks - first < most ? blocks - first : most;
    for (int32_t row = 0; row < row_count; row += kPairTileRows) {
      const int32_t height = row_count - row < kPairTileRows ? row_count - row : kPairTileRows;
      const uint8_t* rows = input.tiles + static_cast<size_t>(row / kTileRows) * input.tile_bytes + static_cast<size_t>(row % kTileRows) * kQuantBlock * 2;
      pair_tile_of<kPairTileRows>(height, panel + static_cast<size_t>(first) * kPanelBlockBytes, count, rows + static_cast<size_t>(first) * kSplitPartBytes, fetch,
                                  out + static_cast<size_t>(row) * out_stride, out_stride, first > 0);
    }
  }
}

}  // namespace
}  // namespace octavo
