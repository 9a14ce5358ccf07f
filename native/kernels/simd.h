// Sixteen floats as one value, over AVX-512, AVX2 and plain compiler vectors. Lane structure is the same everywhere, so
// that a kernel written once reduces in one order on every instruction set.
//
// Included once by each instruction set's translation unit, inside its own anonymous namespace: nothing here may be
// merged with another unit's copy by the linker.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "../dtype.h"

#define OCTAVO_INLINE static inline __attribute__((always_inline))

namespace octavo {
namespace {

#if defined(__AVX512F__)

using V16 = __m512;

OCTAVO_INLINE V16 v_set1(float value) { return _mm512_set1_ps(value); }
OCTAVO_INLINE V16 v_zero() { return _mm512_setzero_ps(); }
OCTAVO_INLINE V16 v_load(const float* p) { return _mm512_loadu_ps(p); }
OCTAVO_INLINE void v_store(float* p, V16 a) { _mm512_storeu_ps(p, a); }
/** To 64 bytes that begin a line, past the caches; other threads may read them after end_streams. */
OCTAVO_INLINE void v_stream(float* p, V16 a) { _mm512_stream_ps(p, a); }
OCTAVO_INLINE void end_streams() { _mm_sfence(); }
OCTAVO_INLINE V16 v_load_f16(const uint16_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
OCTAVO_INLINE V16 v_load_bf16(const uint16_t* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16));
}
OCTAVO_INLINE void v_store_f16(uint16_t* p, V16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
OCTAVO_INLINE V16 v_add(V16 a, V16 b) { return _mm512_add_ps(a, b); }
OCTAVO_INLINE V16 v_sub(V16 a, V16 b) { return _mm512_sub_ps(a, b); }
OCTAVO_INLINE V16 v_mul(V16 a, V16 b) { return _mm512_mul_ps(a, b); }
OCTAVO_INLINE V16 v_div(V16 a, V16 b) { return _mm512_div_ps(a, b); }
OCTAVO_INLINE V16 v_max(V16 a, V16 b) { return _mm512_max_ps(a, b); }
/** a * b + c */
OCTAVO_INLINE V16 v_fma(V16 a, V16 b, V16 c) { return _mm512_fmadd_ps(a, b, c); }
/** c - a * b */
OCTAVO_INLINE V16 v_fnma(V16 a, V16 b, V16 c) { return _mm512_fnmadd_ps(a, b, c); }
/** Lanes of `value` where x >= limit, else 0. */
OCTAVO_INLINE V16 v_keep_at_least(V16 x, float limit, V16 value) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(limit), _CMP_NLT_UQ), value);
}
/** Lanes [first, last) of `value`; of the others, what `fill` has. */
OCTAVO_INLINE V16 v_keep_lanes(V16 value, int first, int last, V16 fill) {
  const uint32_t lanes = ((1u << last) - 1u) & ~((1u << first) - 1u);
  return _mm512_mask_mov_ps(fill, static_cast<__mmask16>(lanes), value);
}
OCTAVO_INLINE V16 v_min(V16 a, V16 b) { return _mm512_min_ps(a, b); }
OCTAVO_INLINE V16 v_abs(V16 a) { return _mm512_abs_ps(a); }
/** Multiplies by 2^n where the low mantissa bits of `shifted` hold n (see v_exp). */
OCTAVO_INLINE V16 v_scale_by_exponent(V16 value, V16 shifted) {
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(value), _mm512_slli_epi32(_mm512_castps_si512(shifted), 23)));
}

#elif defined(__AVX2__)

struct V16 {
  __m256 a, b;
};

OCTAVO_INLINE V16 v_set1(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
OCTAVO_INLINE V16 v_zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
OCTAVO_INLINE V16 v_load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
OCTAVO_INLINE void v_store(float* p, V16 v) {
  _mm256_storeu_ps(p, v.a);
  _mm256_storeu_ps(p + 8, v.b);
}
OCTAVO_INLINE void v_stream(float* p, V16 v) {
  _mm256_stream_ps(p, v.a);
  _mm256_stream_ps(p + 8, v.b);
}
OCTAVO_INLINE void end_streams() { _mm_sfence(); }
OCTAVO_INLINE __m128i load_half8(const uint16_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
OCTAVO_INLINE V16 v_load_f16(const uint16_t* p) { return {_mm256_cvtph_ps(load_half8(p)), _mm256_cvtph_ps(load_half8(p + 8))}; }
OCTAVO_INLINE __m256 widen_bf16(__m128i half) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16)); }
OCTAVO_INLINE V16 v_load_bf16(const uint16_t* p) { return {widen_bf16(load_half8(p)), widen_bf16(load_half8(p + 8))}; }
OCTAVO_INLINE void v_store_f16(uint16_t* p, V16 v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(v.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
OCTAVO_INLINE V16 v_add(V16 x, V16 y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
OCTAVO_INLINE V16 v_sub(V16 x, V16 y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
OCTAVO_INLINE V16 v_mul(V16 x, V16 y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
OCTAVO_INLINE V16 v_div(V16 x, V16 y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
OCTAVO_INLINE V16 v_max(V16 x, V16 y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
OCTAVO_INLINE V16 v_min(V16 x, V16 y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
OCTAVO_INLINE V16 v_abs(V16 x) {
  const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  return {_mm256_and_ps(x.a, mask), _mm256_and_ps(x.b, mask)};
}
OCTAVO_INLINE V16 v_fma(V16 x, V16 y, V16 z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
OCTAVO_INLINE V16 v_fnma(V16 x, V16 y, V16 z) { return {_mm256_fnmadd_ps(x.a, y.a, z.a), _mm256_fnmadd_ps(x.b, y.b, z.b)}; }
OCTAVO_INLINE V16 v_keep_at_least(V16 x, float limit, V16 value) {
  const __m256 bound = _mm256_set1_ps(limit);
  return {_mm256_and_ps(_mm256_cmp_ps(x.a, bound, _CMP_NLT_UQ), value.a), _mm256_and_ps(_mm256_cmp_ps(x.b, bound, _CMP_NLT_UQ), value.b)};
}
OCTAVO_INLINE V16 v_keep_lanes(V16 value, int first, int last, V16 fill) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const auto keep = [&](__m256 x, __m256 other, int from) {
    const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(first - from), lanes);
    const __m256i kept = _mm256_andnot_si256(below, _mm256_cmpgt_epi32(_mm256_set1_epi32(last - from), lanes));
    return _mm256_blendv_ps(other, x, _mm256_castsi256_ps(kept));
  };
  return {keep(value.a, fill.a, 0), keep(value.b, fill.b, 8)};
}
OCTAVO_INLINE __m256 scale_by_exponent8(__m256 value, __m256 shifted) {
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(value), _mm256_slli_epi32(_mm256_castps_si256(shifted), 23)));
}
OCTAVO_INLINE V16 v_scale_by_exponent(V16 value, V16 shifted) {
  return {scale_by_exponent8(value.a, shifted.a), scale_by_exponent8(value.b, shifted.b)};
}

#else

typedef float V16 __attribute__((vector_size(64)));
typedef int32_t I16 __attribute__((vector_size(64)));

OCTAVO_INLINE V16 v_zero() { return V16{}; }
OCTAVO_INLINE V16 v_set1(float value) { return V16{} + value; }
OCTAVO_INLINE V16 v_load(const float* p) {
  V16 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
OCTAVO_INLINE void v_store(float* p, V16 v) { std::memcpy(p, &v, sizeof v); }
OCTAVO_INLINE void v_stream(float* p, V16 v) { v_store(p, v); }
OCTAVO_INLINE void end_streams() {}
OCTAVO_INLINE V16 v_load_f16(const uint16_t* p) {
  V16 v;
  for (int i = 0; i < 16; ++i) v[i] = f16_to_f32(p[i]);
  return v;
}
OCTAVO_INLINE V16 v_load_bf16(const uint16_t* p) {
  V16 v;
  for (int i = 0; i < 16; ++i) v[i] = bf16_to_f32(p[i]);
  return v;
}
OCTAVO_INLINE void v_store_f16(uint16_t* p, V16 v) {
  for (int i = 0; i < 16; ++i) p[i] = f32_to_f16(v[i]);
}
OCTAVO_INLINE V16 v_add(V16 a, V16 b) { return a + b; }
OCTAVO_INLINE V16 v_sub(V16 a, V16 b) { return a - b; }
OCTAVO_INLINE V16 v_mul(V16 a, V16 b) { return a * b; }
OCTAVO_INLINE V16 v_div(V16 a, V16 b) { return a / b; }
OCTAVO_INLINE V16 v_max(V16 a, V16 b) { return a > b ? a : b; }
OCTAVO_INLINE V16 v_min(V16 a, V16 b) { return a < b ? a : b; }
OCTAVO_INLINE V16 v_abs(V16 a) { return reinterpret_cast<V16>(reinterpret_cast<I16>(a) & 0x7fffffff); }
/** Two roundings: the portable set does not assume an FMA unit. */
OCTAVO_INLINE V16 v_fma(V16 a, V16 b, V16 c) { return a * b + c; }
OCTAVO_INLINE V16 v_fnma(V16 a, V16 b, V16 c) { return c - a * b; }
OCTAVO_INLINE V16 v_keep_at_least(V16 x, float limit, V16 value) {
  const I16 mask = ~(x < limit);
  return reinterpret_cast<V16>(reinterpret_cast<I16>(value) & mask);
}
OCTAVO_INLINE V16 v_keep_lanes(V16 value, int first, int last, V16 fill) {
  for (int i = first; i < last; ++i) fill[i] = value[i];
  return fill;
}
OCTAVO_INLINE V16 v_scale_by_exponent(V16 value, V16 shifted) {
  return reinterpret_cast<V16>(reinterpret_cast<I16>(value) + (reinterpret_cast<I16>(shifted) << 23));
}

#endif

/** Keeps the compiler from seeing how a pointer came about: it would spend a register on every row otherwise, or an offset that it loads from the stack. */
template <typename T>
OCTAVO_INLINE T* opaque(T* p) {
#if defined(__GNUC__)
  asm("" : "+r"(p));
#endif
  return p;
}

/**
 * sum = fma(value, *factor, sum), in place and with the factor as an operand in memory. Left to themselves, compilers load a factor that several sums share on its own,
 * which the front end pays for, and choose a new register for every sum, which they move and spill between loops.
 */
OCTAVO_INLINE void v_add_scaled(V16& sum, V16 value, const float* factor) {
#if defined(__AVX512F__)
  asm("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(value), "m"(*factor));
#else
  sum = v_fma(value, v_set1(*factor), sum);
#endif
}

/** The first `count` (< 16) floats, the rest 0. */
OCTAVO_INLINE V16 v_load_partial(const float* p, int count) {
  float lanes[16] = {};
  for (int i = 0; i < count; ++i) lanes[i] = p[i];
  return v_load(lanes);
}
OCTAVO_INLINE void v_store_partial(float* p, V16 v, int count) {
  float lanes[16];
  v_store(lanes, v);
  for (int i = 0; i < count; ++i) p[i] = lanes[i];
}

#if defined(__AVX2__)
#if defined(__AVX512F__)
OCTAVO_INLINE __m256 v_low(V16 v) { return _mm512_castps512_ps256(v); }
OCTAVO_INLINE __m256 v_high(V16 v) { return _mm512_extractf32x8_ps(v, 1); }
#else
OCTAVO_INLINE __m256 v_low(V16 v) { return v.a; }
OCTAVO_INLINE __m256 v_high(V16 v) { return v.b; }
#endif

/** Sum of the lanes as a fixed tree: i with i + 8, then + 4, + 2, + 1. */
OCTAVO_INLINE float v_sum(V16 v) {
  const __m256 eight = _mm256_add_ps(v_low(v), v_high(v));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
OCTAVO_INLINE float v_maximum(V16 v) {
  const __m256 eight = _mm256_max_ps(v_low(v), v_high(v));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/** Writes sixteen integers that are floats. */
OCTAVO_INLINE void v_store_integers(int32_t* p, V16 v) {
#if defined(__AVX512F__)
  _mm512_storeu_si512(p, _mm512_cvtps_epi32(v));
#else
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_cvtps_epi32(v.a));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), _mm256_cvtps_epi32(v.b));
#endif
}

/** Rounds sixteen values (of magnitude at most 127; ties to even), writes them as int8 and returns them. */
#if defined(__AVX512F__)
OCTAVO_INLINE V16 v_round_to_int8(V16 v, int8_t* out) {
  const __m512i rounded = _mm512_cvtps_epi32(v);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtsepi32_epi8(rounded));
  return _mm512_cvtepi32_ps(rounded);
}
#else
OCTAVO_INLINE V16 v_round_to_int8(V16 v, int8_t* out) {
  const __m256i a = _mm256_cvtps_epi32(v.a);
  const __m256i b = _mm256_cvtps_epi32(v.b);
  // Packing works within 128-bit halves; the permutation puts the groups of four back in order.
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
  return {_mm256_cvtepi32_ps(a), _mm256_cvtepi32_ps(b)};
}
#endif
#else
OCTAVO_INLINE float v_sum(V16 v) {
  float lanes[16];
  v_store(lanes, v);
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] = lanes[i] + lanes[i + half];
  }
  return lanes[0];
}
OCTAVO_INLINE float v_maximum(V16 v) {
  float lanes[16];
  v_store(lanes, v);
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
  }
  return lanes[0];
}
OCTAVO_INLINE void v_store_integers(int32_t* p, V16 v) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int32_t>(v[i]);
}
OCTAVO_INLINE V16 v_round_to_int8(V16 v, int8_t* out) {
  // Adding 1.5 * 2^23 rounds to an integer, ties to even, and leaves it in the low mantissa bits.
  const V16 magic = v_set1(12582912.0f);
  const V16 shifted = v_add(v, magic);
  for (int i = 0; i < 16; ++i) out[i] = static_cast<int8_t>(float_to_bits(shifted[i]) - 0x4b400000u);
  return v_sub(shifted, magic);
}
#endif

#if defined(__AVX512F__)
/** Lane i: all lanes of v[i], joined. A tree of halves, the same for every vector. */
template <typename Join>
OCTAVO_INLINE V16 v_join_each(const V16* v, const Join& join) {
  const auto halves = [&](V16 a, V16 b) { return join(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee)); };
  V16 fours[4];  // [j]: four lanes each of v[j], v[4 + j], v[8 + j], v[12 + j]
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const V16 a = halves(v[j], v[4 + j]);
    const V16 b = halves(v[8 + j], v[12 + j]);
    fours[j] = join(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  }
  const V16 even = join(_mm512_unpacklo_ps(fours[0], fours[1]), _mm512_unpackhi_ps(fours[0], fours[1]));
  const V16 odd = join(_mm512_unpacklo_ps(fours[2], fours[3]), _mm512_unpackhi_ps(fours[2], fours[3]));
  return join(_mm512_shuffle_ps(even, odd, 0x44), _mm512_shuffle_ps(even, odd, 0xee));
}
OCTAVO_INLINE V16 v_largest_of_each(const V16* v) {
  return v_join_each(v, [](V16 a, V16 b) __attribute__((always_inline)) { return v_max(a, b); });
}
OCTAVO_INLINE V16 v_sum_of_each(const V16* v) {
  return v_join_each(v, [](V16 a, V16 b) __attribute__((always_inline)) { return v_add(a, b); });
}
OCTAVO_INLINE void v_store_pairs(float* p, V16 a, V16 b) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  v_store(p, _mm512_permutex2var_ps(a, low, b));
  v_store(p + 16, _mm512_permutex2var_ps(a, _mm512_add_epi32(low, _mm512_set1_epi32(8)), b));
}
#else
/** Lane i: the largest lane of v[i]. */
OCTAVO_INLINE V16 v_largest_of_each(const V16* v) {
  float lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = v_maximum(v[i]);
  return v_load(lanes);
}
/** Lane i: the sum of the lanes of v[i], in an order of the instruction set's. */
OCTAVO_INLINE V16 v_sum_of_each(const V16* v) {
  float lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = v_sum(v[i]);
  return v_load(lanes);
}
/** a[0], b[0], a[1], b[1] ... */
OCTAVO_INLINE void v_store_pairs(float* p, V16 a, V16 b) {
  float lanes[2][16];
  v_store(lanes[0], a);
  v_store(lanes[1], b);
  for (int i = 0; i < 16; ++i) {
    p[2 * i] = lanes[0][i];
    p[2 * i + 1] = lanes[1][i];
  }
}
#endif

/**
 * e^x within 2 ulp for x in [-86, 88]; 0 below, e^88 above. Cody-Waite reduction by ln 2 and the degree-6 Taylor-like
 * polynomial of Cephes (expf); exactly 1 at 0. Every lane is computed alike: bits depend on x alone.
 */
OCTAVO_INLINE V16 v_exp(V16 x) {
  const V16 clamped = v_min(v_max(x, v_set1(-86.0f)), v_set1(88.0f));
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low mantissa bits.
  const V16 magic = v_set1(12582912.0f);
  const V16 shifted = v_fma(clamped, v_set1(1.44269504f), magic);
  const V16 n = v_sub(shifted, magic);
  V16 r = v_fma(n, v_set1(-0.693359375f), clamped);
  r = v_fma(n, v_set1(2.12194440e-4f), r);
  V16 p = v_set1(1.9875691500e-4f);
  p = v_fma(p, r, v_set1(1.3981999507e-3f));
  p = v_fma(p, r, v_set1(8.3334519073e-3f));
  p = v_fma(p, r, v_set1(4.1665795894e-2f));
  p = v_fma(p, r, v_set1(1.6666665459e-1f));
  p = v_fma(p, r, v_set1(5.0000001201e-1f));
  p = v_fma(p, v_mul(r, r), r);
  p = v_add(p, v_set1(1.0f));
  return v_keep_at_least(x, -86.0f, v_scale_by_exponent(p, shifted));
}

}  // namespace
}  // namespace octavo
