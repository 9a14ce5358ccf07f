// How keys and values are read from the pool: a format's vectors of sixteen, decoded on the way into registers.
//
// A format reads kDims dimensions of K at a time, from kRows rows of the pool, for sixteen positions: key(row, stride, out);
// the last dimension of an odd head alone: last_key. Of a token's V it reads kVectors vectors of sixteen columns from a
// column that is a multiple of 16 * kVectors: values<kVectors>(row, column, out). Codes of integers come without their scale,
// those of E4M3 2^8 too small (kv_decode_factor).
#pragma once

#include "../kv_type.h"
#include "bytes.h"
#include "simd.h"

namespace octavo {
namespace {

/** Vectors of one element each: `Element` says how sixteen lie and are loaded. */
template <typename Element>
struct PlainFormat {
  static constexpr int kDims = 1;
  static constexpr int kRows = 1;
  static constexpr size_t kBytes = Element::kBytes;
  OCTAVO_INLINE void key(const uint8_t* row, size_t, V16* out) { out[0] = Element::load(row); }
  OCTAVO_INLINE V16 last_key(const uint8_t* row) { return Element::load(row); }
  template <int kVectors>
  OCTAVO_INLINE void values(const uint8_t* row, size_t column, V16* out) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) out[v] = Element::load(row + (column + static_cast<size_t>(v) * 16) * kBytes);
  }
};

/** One byte each, cheapest thirty-two at a time: load2 reads sixteen at each of two places. */
template <typename Element>
struct PairedFormat {
  static constexpr int kDims = 2;
  static constexpr int kRows = 2;
  static constexpr size_t kBytes = 1;
  OCTAVO_INLINE void key(const uint8_t* row, size_t stride, V16* out) { Element::load2(row, row + stride, out); }
  OCTAVO_INLINE V16 last_key(const uint8_t* row) {
    V16 out[2];
    Element::load2(row, row, out);
    return out[0];
  }
  template <int kVectors>
  OCTAVO_INLINE void values(const uint8_t* row, size_t column, V16* out) {
    if constexpr (kVectors == 1) {
      out[0] = last_key(row + column);
    } else {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v += 2) {
        const uint8_t* at = row + column + static_cast<size_t>(v) * 16;
        Element::load2(at, at + 16, out + v);
      }
    }
  }
};

struct F32Element {
  static constexpr size_t kBytes = 4;
  OCTAVO_INLINE V16 load(const uint8_t* p) { return v_load(reinterpret_cast<const float*>(p)); }
};
struct F16Element {
  static constexpr size_t kBytes = 2;
  OCTAVO_INLINE V16 load(const uint8_t* p) { return v_load_f16(reinterpret_cast<const uint16_t*>(p)); }
};
struct BF16Element {
  static constexpr size_t kBytes = 2;
  OCTAVO_INLINE V16 load(const uint8_t* p) { return v_load_bf16(reinterpret_cast<const uint16_t*>(p)); }
};
struct Int8Element {
  static constexpr size_t kBytes = 1;
  OCTAVO_INLINE V16 load(const uint8_t* p) { return v_load_i8(p); }
};

#if defined(__AVX512F__)

OCTAVO_INLINE __m128i load_bytes16(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
OCTAVO_INLINE __m256i load_bytes2(const uint8_t* first, const uint8_t* second) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load_bytes16(first)), load_bytes16(second), 1);
}
OCTAVO_INLINE void widen_halves(__m512i halves, V16* out) {
  out[0] = _mm512_cvtph_ps(_mm512_castsi512_si256(halves));
  out[1] = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halves, 1));
}
struct Fp8E5M2Element {
  OCTAVO_INLINE void load2(const uint8_t* first, const uint8_t* second, V16* out) {
    widen_halves(_mm512_slli_epi16(_mm512_cvtepu8_epi16(load_bytes2(first, second)), 8), out);
  }
};
struct Fp8E4M3Element {
  OCTAVO_INLINE void load2(const uint8_t* first, const uint8_t* second, V16* out) {
    // Sign to bit 15 (and, by sign extension, to bit 14, which is cleared), exponent and mantissa to bits 13 to 7.
    const __m512i shifted = _mm512_slli_epi16(_mm512_cvtepi8_epi16(load_bytes2(first, second)), 7);
    const __m512i halves = _mm512_and_si512(shifted, _mm512_set1_epi16(static_cast<int16_t>(0xbfff)));
    const __mmask32 nan = _mm512_cmpeq_epi16_mask(_mm512_or_si512(shifted, _mm512_set1_epi16(static_cast<int16_t>(0xc000))),
                                                  _mm512_set1_epi16(static_cast<int16_t>(0xff80)));
    widen_halves(_mm512_mask_mov_epi16(halves, nan, _mm512_set1_epi16(0x7e00)), out);
  }
};

/** The signed low and high halves of sixteen bytes. */
OCTAVO_INLINE void load_int4(const uint8_t* p, V16* low, V16* high) {
  const __m512i wide = _mm512_cvtepi8_epi32(load_bytes16(p));
  *low = _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(wide, 28), 28));
  *high = _mm512_cvtepi32_ps(_mm512_srai_epi32(wide, 4));
}

#elif defined(__AVX2__)

OCTAVO_INLINE V16 widen_halves(__m256i halves) {
  return {_mm256_cvtph_ps(_mm256_castsi256_si128(halves)), _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1))};
}
struct Fp8E5M2Element {
  static constexpr size_t kBytes = 1;
  OCTAVO_INLINE V16 load(const uint8_t* p) {
    const __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return widen_halves(_mm256_slli_epi16(wide, 8));
  }
};
struct Fp8E4M3Element {
  static constexpr size_t kBytes = 1;
  OCTAVO_INLINE V16 load(const uint8_t* p) {
    // Sign to bit 15 (and, by sign extension, to bit 14, which is cleared), exponent and mantissa to bits 13 to 7.
    const __m256i shifted = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))), 7);
    const __m256i nan = _mm256_cmpeq_epi16(_mm256_or_si256(shifted, _mm256_set1_epi16(static_cast<int16_t>(0xc000))),
                                           _mm256_set1_epi16(static_cast<int16_t>(0xff80)));
    const __m256i halves = _mm256_and_si256(shifted, _mm256_set1_epi16(static_cast<int16_t>(0xbfff)));
    return widen_halves(_mm256_or_si256(halves, _mm256_and_si256(nan, _mm256_set1_epi16(0x7e00))));
  }
};

OCTAVO_INLINE void load_int4(const uint8_t* p, V16* low, V16* high) {
  const __m256i a = _mm256_cvtepi8_epi32(load_bytes8(p));
  const __m256i b = _mm256_cvtepi8_epi32(load_bytes8(p + 8));
  *low = {_mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(a, 28), 28)), _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(b, 28), 28))};
  *high = {_mm256_cvtepi32_ps(_mm256_srai_epi32(a, 4)), _mm256_cvtepi32_ps(_mm256_srai_epi32(b, 4))};
}

#else

struct Fp8E5M2Element {
  static constexpr size_t kBytes = 1;
  OCTAVO_INLINE V16 load(const uint8_t* p) {
    V16 v;
    for (int i = 0; i < 16; ++i) v[i] = f16_to_f32(static_cast<uint16_t>(p[i] << 8));
    return v;
  }
};
struct Fp8E4M3Element {
  static constexpr size_t kBytes = 1;
  OCTAVO_INLINE V16 load(const uint8_t* p) {
    V16 v;
    for (int i = 0; i < 16; ++i) {
      const uint32_t magnitude = p[i] & 0x7fu;
      v[i] = f16_to_f32(static_cast<uint16_t>((p[i] & 0x80u) << 8 | (magnitude == 0x7f ? 0x7e00u : magnitude << 7)));
    }
    return v;
  }
};

OCTAVO_INLINE void load_int4(const uint8_t* p, V16* low, V16* high) {
  for (int i = 0; i < 16; ++i) {
    (*low)[i] = static_cast<float>(static_cast<int8_t>(p[i] << 4) >> 4);
    (*high)[i] = static_cast<float>(static_cast<int8_t>(p[i]) >> 4);
  }
}

#endif

struct Int4Format {
  static constexpr int kDims = 2;
  static constexpr int kRows = 1;
  static constexpr size_t kBytes = 1;
  OCTAVO_INLINE void key(const uint8_t* row, size_t, V16* out) { load_int4(row, out, out + 1); }
  OCTAVO_INLINE V16 last_key(const uint8_t* row) {
    V16 low, high;
    load_int4(row, &low, &high);
    return low;
  }
  template <int kVectors>
  OCTAVO_INLINE void values(const uint8_t* row, size_t column, V16* out) {
    if constexpr (kVectors == 1) {
      V16 low, high;
      load_int4(row + column / 32 * 16, &low, &high);
      out[0] = column % 32 == 0 ? low : high;
    } else {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v += 2) load_int4(row + (column + static_cast<size_t>(v) * 16) / 2, out + v, out + v + 1);
    }
  }
};

using F32Format = PlainFormat<F32Element>;
using F16Format = PlainFormat<F16Element>;
using BF16Format = PlainFormat<BF16Element>;
using Int8Format = PlainFormat<Int8Element>;
#if defined(__AVX512F__)
using Fp8E4M3Format = PairedFormat<Fp8E4M3Element>;
using Fp8E5M2Format = PairedFormat<Fp8E5M2Element>;
#else
using Fp8E4M3Format = PlainFormat<Fp8E4M3Element>;
using Fp8E5M2Format = PlainFormat<Fp8E5M2Element>;
#endif

/** Calls body with a value of the format of `type`. */
template <typename Body>
OCTAVO_INLINE void with_format(KvType type, const Body& body) {
  switch (type) {
    case KvType::kF32: body(F32Format{}); break;
    case KvType::kF16: body(F16Format{}); break;
    case KvType::kBF16: body(BF16Format{}); break;
    case KvType::kFp8E4M3: body(Fp8E4M3Format{}); break;
    case KvType::kFp8E5M2: body(Fp8E5M2Format{}); break;
    case KvType::kInt8: body(Int8Format{}); break;
    case KvType::kInt4: body(Int4Format{}); break;
  }
}

}  // namespace
}  // namespace octavo
