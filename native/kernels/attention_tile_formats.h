// How keys and values become operands of tiles: pairs of bf16, by KV type.
//
// A format reads a pair of dimensions of K for sixteen positions from kRows rows of the pool as one row of a tile (pair after
// pair), and 32 columns of a token's V in kValueBytes bytes as 32 words. What it reads is 2^kExponent too small; codes of
// integers come without their scale, those of E4M3 another 2^8 too small (kv_decode_factor).
//
// bf16 has eight significant bits and codes of int8, int4, E4M3 and E5M2 fit them; f16 is rounded (half away from zero). It and
// what passes through it keep their exponent's bits, which are those of a number 2^112 smaller; what is subnormal in f16 becomes
// 0, and there is no infinity: its code counts as 65536 and NaNs as what lies above. An infinity or NaN of bf16 in V counts as
// the largest number, so that a weight of 0 makes 0 of every value.
#pragma once

#include "../kv_type.h"
#include "simd.h"

namespace octavo {
namespace {

OCTAVO_INLINE __m512i words_of(int value) { return _mm512_set1_epi16(static_cast<int16_t>(value)); }
OCTAVO_INLINE __m256i load_32(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
OCTAVO_INLINE __m128i load_16(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
OCTAVO_INLINE __m512i load_64(const uint8_t* p) { return _mm512_loadu_si512(p); }
/** Thirty-two bytes at each of two places. */
OCTAVO_INLINE __m512i load_32_32(const uint8_t* first, const uint8_t* second) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(load_32(first)), load_32(second), 1);
}
OCTAVO_INLINE __m256i load_16_16(const uint8_t* first, const uint8_t* second) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load_16(first)), load_16(second), 1);
}

/** Words 0..15 and 16..31 in turn. */
OCTAVO_INLINE __m512i interleave(__m512i words) {
  alignas(64) static constexpr int16_t kOrder[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                     8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), words);
}

/** A sign and the bits of exponent and mantissa that are left of an f16, in their places in a bf16. */
OCTAVO_INLINE __m512i bf16_of_exact_f16(__m512i halves) { return _mm512_and_si512(_mm512_srai_epi16(halves, 3), words_of(0x8fff)); }
OCTAVO_INLINE __m512i bf16_of_f16(__m512i halves) { return bf16_of_exact_f16(_mm512_add_epi16(halves, words_of(4))); }

// The compiler needs a flag for them, which not every compiler of AMX has; the assembler does not.
OCTAVO_INLINE __m512i f16_of_int16(__m512i words) {
  __m512i halves;
  asm("vcvtw2ph %1, %0" : "=v"(halves) : "v"(words));
  return halves;
}
OCTAVO_INLINE __m512i multiply_f16(__m512i a, __m512i b) {
  __m512i product;
  asm("vmulph %2, %1, %0" : "=v"(product) : "v"(a), "v"(b));
  return product;
}

struct F16Tiles {
  static constexpr int kRows = 2;
  static constexpr size_t kValueBytes = 64;
  static constexpr int kExponent = 112;
  OCTAVO_INLINE __m512i key(const uint8_t* row, size_t stride) { return interleave(bf16_of_f16(load_32_32(row, row + stride))); }
  OCTAVO_INLINE __m512i values(const uint8_t* at) { return bf16_of_f16(load_64(at)); }
};

struct BF16Tiles {
  static constexpr int kRows = 2;
  static constexpr size_t kValueBytes = 64;
  static constexpr int kExponent = 0;
  OCTAVO_INLINE __m512i key(const uint8_t* row, size_t stride) { return interleave(load_32_32(row, row + stride)); }
  OCTAVO_INLINE __m512i values(const uint8_t* at) {
    const __m512i words = load_64(at);
    const __m512i magnitude = _mm512_min_epu16(_mm512_and_si512(words, words_of(0x7fff)), words_of(0x7f7f));
    // magnitude | (words & 0x8000)
    return _mm512_ternarylogic_epi64(magnitude, words, words_of(0x8000), 0xf8);
  }
};

struct Int8Tiles {
  static constexpr int kRows = 2;
  static constexpr size_t kValueBytes = 32;
  static constexpr int kExponent = 112;
  OCTAVO_INLINE __m512i widen(__m256i bytes) { return bf16_of_exact_f16(f16_of_int16(_mm512_cvtepi8_epi16(bytes))); }
  OCTAVO_INLINE __m512i key(const uint8_t* row, size_t stride) { return interleave(widen(load_16_16(row, row + stride))); }
  OCTAVO_INLINE __m512i values(const uint8_t* at) { return widen(load_32(at)); }
};

struct Fp8E5M2Tiles {
  static constexpr int kRows = 2;
  static constexpr size_t kValueBytes = 32;
  static constexpr int kExponent = 112;
  /** The upper byte of an f16, sign in bit 15 and the rest three lower; the bits between are copies of the sign. */
  OCTAVO_INLINE __m512i widen(__m256i bytes) { return _mm512_and_si512(_mm512_slli_epi16(_mm512_cvtepi8_epi16(bytes), 5), words_of(0x8fff)); }
  OCTAVO_INLINE __m512i key(const uint8_t* row, size_t stride) { return interleave(widen(load_16_16(row, row + stride))); }
  OCTAVO_INLINE __m512i values(const uint8_t* at) { return widen(load_32(at)); }
};

struct Fp8E4M3Tiles {
  static constexpr int kRows = 2;
  static constexpr size_t kValueBytes = 32;
  static constexpr int kExponent = 104;
  /** As an f16 whose exponent is 8 less, and that times 2^8: subnormal numbers matter here. */
  OCTAVO_INLINE __m512i widen(__m256i bytes) {
    const __m512i halves = _mm512_and_si512(_mm512_slli_epi16(_mm512_cvtepi8_epi16(bytes), 7), words_of(0xbfff));
    return bf16_of_exact_f16(multiply_f16(halves, words_of(0x5c00)));
  }
  OCTAVO_INLINE __m512i key(const uint8_t* row, size_t stride) { return interleave(widen(load_16_16(row, row + stride))); }
  OCTAVO_INLINE __m512i values(const uint8_t* at) { return widen(load_32(at)); }
};

struct Int4Tiles {
  static constexpr int kRows = 1;
  static constexpr size_t kValueBytes = 16;
  static constexpr int kExponent = 0;
  /** bf16 of the signed four low bits of every word; the others are 0. */
  OCTAVO_INLINE __m512i look_up(__m512i words) {
    alignas(64) static constexpr uint16_t kCodes[32] = {0x0000, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0,
                                                        0xc100, 0xc0e0, 0xc0c0, 0xc0a0, 0xc080, 0xc040, 0xc000, 0xbf80};
    return _mm512_permutexvar_epi16(words, _mm512_load_si512(kCodes));
  }
  OCTAVO_INLINE __m512i key(const uint8_t* row, size_t) {
    const __m512i wide = _mm512_cvtepu8_epi32(load_16(row));
    return look_up(_mm512_and_si512(_mm512_or_si512(wide, _mm512_slli_epi32(wide, 12)), _mm512_set1_epi32(0x000f000f)));
  }
  OCTAVO_INLINE __m512i values(const uint8_t* at) {
    const __m256i wide = _mm256_cvtepu8_epi16(load_16(at));
    return look_up(_mm512_and_si512(_mm512_inserti64x4(_mm512_castsi256_si512(wide), _mm256_srli_epi16(wide, 4), 1), words_of(15)));
  }
};

/** Calls body with a value of the format of `type`, which is not f32. */
template <typename Body>
OCTAVO_INLINE void with_tile_format(KvType type, const Body& body) {
  switch (type) {
    case KvType::kF32: break;
    case KvType::kF16: body(F16Tiles{}); break;
    case KvType::kBF16: body(BF16Tiles{}); break;
    case KvType::kFp8E4M3: body(Fp8E4M3Tiles{}); break;
    case KvType::kFp8E5M2: body(Fp8E5M2Tiles{}); break;
    case KvType::kInt8: body(Int8Tiles{}); break;
    case KvType::kInt4: body(Int4Tiles{}); break;
  }
}

}  // namespace
}  // namespace octavo
