// Products of BF16 weights on the tiles of AMX, with activations in two parts.
//
// An activation is split into its nearest bf16 and the nearest bf16 of what that leaves: sixteen bits of it and more, where one part would keep eight. For every 32 columns, in ascending
// order, one TDPBF16PS adds the products of the larger parts to an f32 that begins at zero, and one those of the smaller parts. What
// the instruction does inside for an output depends on its own row of activations and column of weights alone, so that one row and a thousand rows have the same bits;
// the accumulators never leave the tiles.
//
// Weights lie in pairs of columns (layout.h), which is the order of a tile's operand: 16 pairs of 16 outputs are read as they lie, 128 bytes from one pair to the
// next. Even one row goes through tiles: what 32 columns take there, some 80 cycles, is a fraction of the time that their 2 KiB of weights take to come from memory.
#pragma once

#include <immintrin.h>

#include "amx_tiles.h"
#include "kernels.h"
#include "panel_output.h"
#include "simd.h"
#include "weight_stream.h"

namespace octavo {
namespace {

/** Of 32 columns of a tile of split activations. */
constexpr size_t kPairBlockBytes = 2 * kSplitPartBytes;

/** To the nearest bf16, ties to even, in the upper half; NaN stays NaN. */
OCTAVO_INLINE __m512i upper_bf16(__m512 value) {
  const __m512i bits = _mm512_castps_si512(value);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __m512i either = _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q), quiet);
  return _mm512_and_si512(either, _mm512_set1_epi32(static_cast<int32_t>(0xffff0000u)));
}

/** Both parts of a row, of which `columns` are there, into slot `slot` of a tile. */
void split_row(const float* input, int32_t columns, uint8_t* tile, int32_t slot) {
  uint8_t* to = tile + static_cast<size_t>(slot) * kQuantBlock * 2;
  for (int32_t first = 0; first < columns; first += kQuantBlock, to += kPairBlockBytes) {
    for (int32_t half = 0; half < 2; ++half) {
      const int32_t left = columns - first - half * 16;
      const __mmask16 mask = left >= 16 ? 0xffff : left <= 0 ? 0 : static_cast<__mmask16>((1u << left) - 1);
      const __m512 x = _mm512_maskz_loadu_ps(mask, input + first + half * 16);
      const __m512i large = upper_bf16(x);
      const __m512i small = upper_bf16(_mm512_sub_ps(x, _mm512_castsi512_ps(large)));
      _mm256_store_si256(reinterpret_cast<__m256i*>(to + half * 32), _mm512_cvtepi32_epi16(_mm512_srli_epi32(large, 16)));
      _mm256_store_si256(reinterpret_cast<__m256i*>(to + kSplitPartBytes + half * 32), _mm512_cvtepi32_epi16(_mm512_srli_epi32(small, 16)));
    }
  }
}

// Tiles 0 to 3: accumulators [tile of rows][group of outputs]. 4, 5: activations. 6, 7: weights of either group.
template <int kTo, int kRows, int kColumns>
OCTAVO_INLINE void tile_dot_bf16() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kTo), "i"(kRows), "i"(kColumns));
}

/** One tile of rows (the second of two: kSecond) and the weights of 32 columns. */
template <bool kSecond>
OCTAVO_INLINE void add_split(const uint8_t* block) {
  tile_load<4>(block, 64);
  tile_dot_bf16<kSecond ? 2 : 0, 4, 6>();
  tile_dot_bf16<kSecond ? 3 : 1, 4, 7>();
  tile_load<5>(block + kSplitPartBytes, 64);
  tile_dot_bf16<kSecond ? 2 : 0, 5, 6>();
  tile_dot_bf16<kSecond ? 3 : 1, 5, 7>();
}

/** One or two tiles of rows over the whole panel; `out` takes all their rows. */
template <bool kTwo, class Fetch>
void pair_tiles(const uint8_t* panel, int32_t blocks, const uint8_t* first, const uint8_t* second, Fetch fetch, float* out, size_t out_stride) {
  tile_zero<0>();
  tile_zero<1>();
  if constexpr (kTwo) {
    tile_zero<2>();
    tile_zero<3>();
  }
  for (int32_t block = 0; block < blocks; ++block) {
    fetch.step(block);
    tile_load<6>(panel, 128);
    tile_load<7>(panel + 64, 128);
    panel += kPanelBlockBytes;
    add_split<false>(first);
    first += kPairBlockBytes;
    if constexpr (kTwo) {
      add_split<true>(second);
      second += kPairBlockBytes;
    }
  }
  const int64_t stride = static_cast<int64_t>(out_stride) * 4;
  tile_store<0>(out, stride);
  tile_store<1>(out + kGroupRows, stride);
  if constexpr (kTwo) {
    float* const below = out + kTileRows * out_stride;
    tile_store<2>(below, stride);
    tile_store<3>(below + kGroupRows, stride);
  }
}

/** All rows of a panel. Of more than one tile `out` takes whole ones; the tiles of activations and accumulators are as high as a single one. */
void pair_panel_on_tiles(const uint8_t* panel, int32_t blocks, const SplitRows& input, int32_t row_count, float* out, size_t out_stride) {
  const int32_t tiles = ceil_div(row_count, kTileRows);
  // Tiles are loaded and stored behind the compiler's back.
  asm volatile("" ::: "memory");
  WeightStream stream(panel);
  const StreamSteps fetch = {stream, kPanelBlockBytes / static_cast<size_t>((tiles + 1) / 2)};
  for (int32_t tile = 0; tile < tiles; tile += 2) {
    const uint8_t* first = input.tiles + static_cast<size_t>(tile) * input.tile_bytes;
    float* const to = out + static_cast<size_t>(tile * kTileRows) * out_stride;
    if (tile + 1 < tiles) pair_tiles<true>(panel, blocks, first, first + input.tile_bytes, fetch, to, out_stride);
    else pair_tiles<false>(panel, blocks, first, nullptr, fetch, to, out_stride);
  }
  asm volatile("" ::: "memory");
}

}  // namespace
}  // namespace octavo
