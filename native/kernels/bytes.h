// Vectors of 64 bytes and of 16 int32, and the dot product that joins them, for each instruction set.
#pragma once

#include "simd.h"

namespace octavo {
namespace {

OCTAVO_INLINE int32_t read_int(const uint8_t* p) {
  int32_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}
OCTAVO_INLINE float read_float(const uint8_t* p) {
  float value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

OCTAVO_INLINE void write_float(uint8_t* p, float value) { std::memcpy(p, &value, sizeof value); }

#if defined(__AVX512VNNI__)

using B64 = __m512i;
using I16 = __m512i;

OCTAVO_INLINE B64 b_load(const uint8_t* p) { return _mm512_loadu_si512(p); }
OCTAVO_INLINE void b_store(uint8_t* p, B64 v) { _mm512_storeu_si512(p, v); }
OCTAVO_INLINE B64 b_and(B64 v, uint8_t mask) { return _mm512_and_si512(v, _mm512_set1_epi8(static_cast<char>(mask))); }
/** Shifts 16-bit lanes right by kShift, or left by -kShift. */
template <int kShift>
OCTAVO_INLINE B64 b_shift(B64 v) {
  if constexpr (kShift > 0) return _mm512_srli_epi16(v, kShift);
  else if constexpr (kShift < 0) return _mm512_slli_epi16(v, -kShift);
  else return v;
}
/** Each byte with its highest bit flipped: n as n + 128, which is the same bits as n - 128. */
OCTAVO_INLINE B64 b_flip(B64 v) { return _mm512_xor_si512(v, _mm512_set1_epi8(-128)); }
/** base | (plane & mask) */
OCTAVO_INLINE B64 b_merge(B64 base, B64 plane, uint8_t mask) {
  return _mm512_ternarylogic_epi32(base, plane, _mm512_set1_epi8(static_cast<char>(mask)), 0xf8);
}

OCTAVO_INLINE I16 i_set1(int32_t v) { return _mm512_set1_epi32(v); }
template <int kShift>
OCTAVO_INLINE I16 i_shift_left(I16 v) {
  if constexpr (kShift > 0) return _mm512_slli_epi32(v, kShift);
  else return v;
}
OCTAVO_INLINE I16 i_add(I16 a, I16 b) { return _mm512_add_epi32(a, b); }
/** The bits, unchanged. */
OCTAVO_INLINE V16 i_as_float(I16 v) { return _mm512_castsi512_ps(v); }
/** The low 32 bits of products. */
OCTAVO_INLINE I16 i_mul(I16 a, I16 b) { return _mm512_mullo_epi32(a, b); }
/** Lane n: sum + the two words of a's lane n times those at `x`. */
OCTAVO_INLINE I16 i_dot_words_at(I16 sum, I16 a, const uint8_t* x) {
  asm("vpdpwssd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(a), "m"(*reinterpret_cast<const int32_t*>(x)));
  return sum;
}
/** Sixteen signed bytes, widened. */
OCTAVO_INLINE I16 i_load_i8(const uint8_t* p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
OCTAVO_INLINE I16 i_load(const int32_t* p) { return _mm512_loadu_si512(p); }
OCTAVO_INLINE void i_store(int32_t* p, I16 v) { _mm512_storeu_si512(p, v); }
/** Rounded to nearest, ties to even. */
OCTAVO_INLINE V16 i_to_float(I16 v) { return _mm512_cvtepi32_ps(v); }
OCTAVO_INLINE V16 v_load_i8(const uint8_t* p) { return i_to_float(i_load_i8(p)); }
/** The nibbles at bit kShift of sixteen bytes. */
template <int kShift>
OCTAVO_INLINE V16 v_load_nibble(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_and_si128(_mm_srli_epi16(bytes, kShift), _mm_set1_epi8(15))));
}
/** Lane n: sum + codes (unsigned) 4n..4n+3 times the four signed bytes of x. */
template <bool kWide>
OCTAVO_INLINE I16 i_dot(I16 sum, B64 codes, int32_t x) {
  return _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(x));
}
/** i_dot with the four bytes at `x`, as an operand in memory: compilers load them on their own, which several sums of one `x` share and the front end pays for. */
OCTAVO_INLINE void i_dot_at(I16& sum, B64 codes, const uint8_t* x) {
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(codes), "m"(*reinterpret_cast<const int32_t*>(x)));
}

#elif defined(__AVX2__)

struct B64 {
  __m256i a, b;
};
struct I16 {
  __m256i a, b;
};

OCTAVO_INLINE B64 b_load(const uint8_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))};
}
OCTAVO_INLINE void b_store(uint8_t* p, B64 v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v.a);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 32), v.b);
}
OCTAVO_INLINE B64 b_and(B64 v, uint8_t mask) {
  const __m256i m = _mm256_set1_epi8(static_cast<char>(mask));
  return {_mm256_and_si256(v.a, m), _mm256_and_si256(v.b, m)};
}
template <int kShift>
OCTAVO_INLINE B64 b_shift(B64 v) {
  if constexpr (kShift > 0) return {_mm256_srli_epi16(v.a, kShift), _mm256_srli_epi16(v.b, kShift)};
  else if constexpr (kShift < 0) return {_mm256_slli_epi16(v.a, -kShift), _mm256_slli_epi16(v.b, -kShift)};
  else return v;
}
OCTAVO_INLINE B64 b_flip(B64 v) {
  const __m256i flips = _mm256_set1_epi8(-128);
  return {_mm256_xor_si256(v.a, flips), _mm256_xor_si256(v.b, flips)};
}
OCTAVO_INLINE B64 b_merge(B64 base, B64 plane, uint8_t mask) {
  const B64 bits = b_and(plane, mask);
  return {_mm256_or_si256(base.a, bits.a), _mm256_or_si256(base.b, bits.b)};
}

OCTAVO_INLINE I16 i_set1(int32_t v) { return {_mm256_set1_epi32(v), _mm256_set1_epi32(v)}; }
template <int kShift>
OCTAVO_INLINE I16 i_shift_left(I16 v) {
  return {_mm256_slli_epi32(v.a, kShift), _mm256_slli_epi32(v.b, kShift)};
}
OCTAVO_INLINE I16 i_add(I16 a, I16 b) { return {_mm256_add_epi32(a.a, b.a), _mm256_add_epi32(a.b, b.b)}; }
OCTAVO_INLINE V16 i_as_float(I16 v) { return {_mm256_castsi256_ps(v.a), _mm256_castsi256_ps(v.b)}; }
OCTAVO_INLINE __m128i load_bytes8(const uint8_t* p) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)); }
OCTAVO_INLINE I16 i_mul(I16 a, I16 b) { return {_mm256_mullo_epi32(a.a, b.a), _mm256_mullo_epi32(a.b, b.b)}; }
OCTAVO_INLINE I16 i_dot_words_at(I16 sum, I16 a, const uint8_t* x) {
  const __m256i v = _mm256_set1_epi32(read_int(x));
  return {_mm256_add_epi32(sum.a, _mm256_madd_epi16(a.a, v)), _mm256_add_epi32(sum.b, _mm256_madd_epi16(a.b, v))};
}
OCTAVO_INLINE I16 i_load_i8(const uint8_t* p) { return {_mm256_cvtepi8_epi32(load_bytes8(p)), _mm256_cvtepi8_epi32(load_bytes8(p + 8))}; }
OCTAVO_INLINE I16 i_load(const int32_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8))};
}
OCTAVO_INLINE void i_store(int32_t* p, I16 v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v.a);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), v.b);
}
OCTAVO_INLINE V16 i_to_float(I16 v) { return {_mm256_cvtepi32_ps(v.a), _mm256_cvtepi32_ps(v.b)}; }
OCTAVO_INLINE V16 v_load_i8(const uint8_t* p) { return i_to_float(i_load_i8(p)); }
template <int kShift>
OCTAVO_INLINE V16 v_load_nibble(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m128i nibbles = _mm_and_si128(_mm_srli_epi16(bytes, kShift), _mm_set1_epi8(15));
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(nibbles)), _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(nibbles, 8)))};
}
template <bool kWide>
OCTAVO_INLINE __m256i dot_half(__m256i sum, __m256i codes, __m256i x) {
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (kWide) {
    // Codes over 128 would saturate: |w| times x with w's sign does not (128 * 127 * 2 < 2^15). `sum` starts without
    // the correction for the zero point.
    const __m256i w = _mm256_xor_si256(codes, _mm256_set1_epi8(static_cast<char>(0x80)));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)), ones));
  } else {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, x), ones));
  }
}
template <bool kWide>
OCTAVO_INLINE I16 i_dot(I16 sum, B64 codes, int32_t x) {
  const __m256i v = _mm256_set1_epi32(x);
  return {dot_half<kWide>(sum.a, codes.a, v), dot_half<kWide>(sum.b, codes.b, v)};
}

#else

typedef uint8_t B64 __attribute__((vector_size(64)));

OCTAVO_INLINE B64 b_load(const uint8_t* p) {
  B64 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
OCTAVO_INLINE void b_store(uint8_t* p, B64 v) { std::memcpy(p, &v, sizeof v); }
OCTAVO_INLINE B64 b_and(B64 v, uint8_t mask) { return v & mask; }
template <int kShift>
OCTAVO_INLINE B64 b_shift(B64 v) {
  if constexpr (kShift > 0) return v >> kShift;
  else return v << -kShift;
}
OCTAVO_INLINE B64 b_flip(B64 v) { return v ^ 0x80; }
OCTAVO_INLINE B64 b_merge(B64 base, B64 plane, uint8_t mask) { return base | (plane & mask); }
OCTAVO_INLINE I16 i_load_i8(const uint8_t* p) {
  I16 v;
  for (int i = 0; i < 16; ++i) v[i] = static_cast<int8_t>(p[i]);
  return v;
}
OCTAVO_INLINE I16 i_load(const int32_t* p) {
  I16 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
OCTAVO_INLINE void i_store(int32_t* p, I16 v) { std::memcpy(p, &v, sizeof v); }
OCTAVO_INLINE V16 v_load_i8(const uint8_t* p) {
  V16 v;
  for (int i = 0; i < 16; ++i) v[i] = static_cast<float>(static_cast<int8_t>(p[i]));
  return v;
}
template <int kShift>
OCTAVO_INLINE V16 v_load_nibble(const uint8_t* p) {
  V16 v;
  for (int i = 0; i < 16; ++i) v[i] = static_cast<float>((p[i] >> kShift) & 15);
  return v;
}

#endif

}  // namespace
}  // namespace octavo
