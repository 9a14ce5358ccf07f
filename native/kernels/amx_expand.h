// Quantised weights as tiles of bf16, for AMX.
//
// A tile of weights is 32 columns of 16 outputs: row i holds, for each output, columns 2 i and 2 i + 1. A weight is computed
// in f32, rounded once (formats without minima) or twice, and then rounded to bf16 (nearest, ties to even).
#pragma once

#include "formats.h"

namespace octavo {
namespace {

/**
 * Where the byte of a code is put into a float so that it counts units: as byte 1 of 32768.0, or, where codes have at most
 * seven bits, as byte 2 of 128.0, which leaves the minimum more bits.
 */
template <class F>
struct CodePlacement {
  static constexpr int kByte = F::kWide ? 1 : 2;
  static constexpr int32_t kBase = F::kWide ? 0x47000000 : 0x43000000;
  static constexpr float kBaseFloat = F::kWide ? 32768.0f : 128.0f;
  static constexpr __mmask64 kMask = F::kWide ? 0x2222222222222222ull : 0x4444444444444444ull;
};

/** For the float of lane i: byte first + 4 (i / 2) + i % 2, in all four bytes. */
OCTAVO_INLINE __m512i pair_index(int first) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29);
  return _mm512_mullo_epi32(_mm512_add_epi32(lane, _mm512_set1_epi32(first)), _mm512_set1_epi32(0x01010101));
}

/** Scale and offset of eight outputs, each twice. */
struct PairScale {
  V16 scale, offset;
};

template <class F>
OCTAVO_INLINE void pair_scales(const F& from, int half, int group, PairScale (&to)[2]) {
  const V16 scale = from.scale(half, group);
  V16 offset = v_mul(scale, v_set1(-(CodePlacement<F>::kBaseFloat + static_cast<float>(F::kZero))));
  if constexpr (F::kHasMin) {
    // The product is exact: the base is a power of two and the zero is none.
    const V16 min = from.min(half, group);
    offset = F::kSubtractsMin ? v_sub(offset, min) : v_add(offset, min);
  }
  const __m512i low = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  to[0] = {_mm512_permutexvar_ps(low, scale), _mm512_permutexvar_ps(low, offset)};
  to[1] = {_mm512_permutexvar_ps(high, scale), _mm512_permutexvar_ps(high, offset)};
}

template <class F>
OCTAVO_INLINE V16 weights_of(B64 codes, __m512i index, const PairScale& by) {
  using Placement = CodePlacement<F>;
  const __m512i placed = _mm512_mask_permutexvar_epi8(_mm512_set1_epi32(Placement::kBase), Placement::kMask, index, codes);
  return v_fma(_mm512_castsi512_ps(placed), by.scale, by.offset);
}

/** Both in bf16: `low` in the first 32 bytes. */
OCTAVO_INLINE B64 to_bf16(V16 low, V16 high) { return (B64)_mm512_cvtne2ps_pbh(high, low); }

/** Columns 4 kStep to 4 kStep + 3 of sixteen outputs: two rows of a tile. */
template <class F, int kStep>
OCTAVO_INLINE void expand_step(const F& from, int group, const PairScale (&by)[F::kHalves][2], uint8_t* tile) {
  const B64 codes = from.template codes<kStep>(group);
  const PairScale(&scales)[2] = by[F::kHalves == 1 ? 0 : kStep / 4];
  b_store(tile + kStep * 128, to_bf16(weights_of<F>(codes, pair_index(0), scales[0]), weights_of<F>(codes, pair_index(32), scales[1])));
  b_store(tile + kStep * 128 + 64, to_bf16(weights_of<F>(codes, pair_index(2), scales[0]), weights_of<F>(codes, pair_index(34), scales[1])));
}

template <class F, int... kSteps>
OCTAVO_INLINE void expand_steps(const F& from, int group, const PairScale (&by)[F::kHalves][2], uint8_t* tile, std::integer_sequence<int, kSteps...>) {
  (expand_step<F, kSteps>(from, group, by, tile), ...);
}

/** The tile of one unit and one group of sixteen outputs. */
template <class F>
OCTAVO_INLINE void expand_tile(const F& from, int group, uint8_t* tile) {
  PairScale by[F::kHalves][2];
  for (int half = 0; half < F::kHalves; ++half) pair_scales(from, half, group, by[half]);
  // Columns of one byte of nibbles lie next to each other, so that it is loaded once.
  expand_steps(from, group, by, tile, std::integer_sequence<int, 0, 4, 1, 5, 2, 6, 3, 7>{});
}

}  // namespace
}  // namespace octavo
