// The softmax of a row's scores in a piece, which leaves weights in bf16 as operands of tiles.
#pragma once

#include "attention_tile_operands.h"
#include "simd.h"

namespace octavo {
namespace {

/**
 * 2^x for x <= 64, which is far more than the bf16 it is rounded to can tell: within 1e-4. 2^-120 below -120, since results that
 * are subnormal take the processor a hundred times as long. The polynomial is 1 at 0, minimax in relative error on [0, 1].
 */
OCTAVO_INLINE V16 exp2_coarse(V16 x) {
  const V16 clamped = v_max(v_set1(-120.0f), x);
  const V16 r = _mm512_reduce_ps(clamped, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  V16 p = v_set1(0.0770671976f);
  p = v_fma(p, r, v_set1(0.227644822f));
  p = v_fma(p, r, v_set1(0.695116825f));
  p = v_fma(p, r, v_set1(1.0f));
  return _mm512_scalef_ps(p, clamped);
}

/** Weights of 32 positions as words: position i beside position i + 16, as values lie; half away from zero. */
OCTAVO_INLINE __m512i pack_weights(V16 first, V16 second) {
  const __m512i half = _mm512_set1_epi32(0x8000);
  const __m512i low = _mm512_srli_epi32(_mm512_add_epi32(_mm512_castps_si512(first), half), 16);
  const __m512i high = _mm512_add_epi32(_mm512_castps_si512(second), half);
  // low | (high & 0xffff0000)
  return _mm512_ternarylogic_epi32(low, high, _mm512_set1_epi32(static_cast<int32_t>(0xffff0000)), 0xf8);
}

/** Which of the sixteen positions from `at` on lie in [begin, end). */
OCTAVO_INLINE __mmask16 positions_in(int32_t at, int32_t begin, int32_t end) {
  const auto below = [at](int32_t limit) {
    const int32_t count = limit <= at ? 0 : limit - at >= 16 ? 16 : limit - at;
    return (1u << count) - 1u;
  };
  return static_cast<__mmask16>(below(end) & ~below(begin));
}

/** What turns sums of products into scores and weights. */
struct SoftmaxScales {
  const float* keys;  // [kAttentionPiece]; null: none
  const float* values;
  float factor;  // of scores, a power of two
  float shift;  // weights are 2^shift times as large as they are counted
};

/** Positions of one row, not empty, and the whole steps among them. */
struct RowRange {
  int32_t begin, end;
  OCTAVO_INLINE bool is_whole(const RowRange& row, int32_t step) {
    return step * kStepPositions >= row.begin && (step + 1) * kStepPositions <= row.end;
  }
};

template <bool kScaled>
OCTAVO_INLINE V16 load_scaled(const float* values, const float* scales, int32_t at) {
  const V16 raw = v_load(values + at);
  return kScaled ? v_mul(raw, v_load(scales + at)) : raw;
}

/** The largest score of a row. */
template <bool kKeyScales>
OCTAVO_INLINE float largest_of_row(const float* scores, const RowRange& row, const SoftmaxScales& scales) {
  V16 even = v_set1(-__builtin_inff());
  V16 odd = even;
  for (int32_t step = row.begin / kStepPositions; step * kStepPositions < row.end; ++step) {
    const int32_t at = step * kStepPositions;
    const V16 first = load_scaled<kKeyScales>(scores, scales.keys, at);
    const V16 second = load_scaled<kKeyScales>(scores, scales.keys, at + 16);
    if (RowRange::is_whole(row, step)) {
      even = v_max(even, first);
      odd = v_max(odd, second);
    } else {
      even = _mm512_mask_max_ps(even, positions_in(at, row.begin, row.end), even, first);
      odd = _mm512_mask_max_ps(odd, positions_in(at + 16, row.begin, row.end), odd, second);
    }
  }
  return v_maximum(v_max(even, odd)) * scales.factor;
}

/**
 * Scores of one row become weights of the steps [first_step, last_step), 0 outside of the row's positions. Returns the sum of
 * the weights: sixteen lanes of even and of odd sixteens, in ascending order.
 */
template <bool kKeyScales, bool kValueScales>
OCTAVO_INLINE float weigh_row(float* scores, const RowRange& row, int32_t first_step, int32_t last_step, const SoftmaxScales& scales, float maximum) {
  const V16 factor = v_set1(scales.factor);
  const V16 shift = v_set1(scales.shift - maximum);
  V16 even = v_zero();
  V16 odd = v_zero();
  // A step's weights take the place of scores that have been read.
  uint16_t* const weights = reinterpret_cast<uint16_t*>(scores);
  for (int32_t step = first_step; step < last_step; ++step) {
    const int32_t at = step * kStepPositions;
    if (at >= row.end || at + kStepPositions <= row.begin) {
      _mm512_store_si512(weights + at, _mm512_setzero_si512());
      continue;
    }
    V16 first = exp2_coarse(v_fma(load_scaled<kKeyScales>(scores, scales.keys, at), factor, shift));
    V16 second = exp2_coarse(v_fma(load_scaled<kKeyScales>(scores, scales.keys, at + 16), factor, shift));
    if (RowRange::is_whole(row, step)) {
      even = v_add(even, first);
      odd = v_add(odd, second);
      if (kValueScales) {
        first = v_mul(first, v_load(scales.values + at));
        second = v_mul(second, v_load(scales.values + at + 16));
      }
    } else {
      const __mmask16 first_mask = positions_in(at, row.begin, row.end);
      const __mmask16 second_mask = positions_in(at + 16, row.begin, row.end);
      first = _mm512_maskz_mov_ps(first_mask, first);
      second = _mm512_maskz_mov_ps(second_mask, second);
      even = v_add(even, first);
      odd = v_add(odd, second);
      if (kValueScales) {
        first = _mm512_maskz_mul_ps(first_mask, first, v_load(scales.values + at));
        second = _mm512_maskz_mul_ps(second_mask, second, v_load(scales.values + at + 16));
      }
    }
    _mm512_store_si512(weights + at, pack_weights(first, second));
  }
  return v_sum(v_add(even, odd));
}

}  // namespace
}  // namespace octavo
