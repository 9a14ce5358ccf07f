// Writes of a token's K and V to its slot, in the types of the pool. src/tensor/kv-vector.ts is the rule; the codes are its
// codes to the bit.
//
// A vector is encoded in groups of 32 elements into a small buffer, without branches; K then goes to one column of its
// block, byte rows apart, and V to one row.
#pragma once

#include "bytes.h"
#include "kernels.h"
#include "simd.h"

namespace octavo {
namespace {

constexpr int32_t kKvGroup = 32;

OCTAVO_INLINE uint16_t encode_bf16(float value) {
  const uint32_t bits = float_to_bits(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16) | 64u : rounded);
}

/** Codes of magnitudes below the smallest normal number are the low bits of the sum with `magic`, whose units are theirs. */
template <int kMantissaBits, uint32_t kBias, uint32_t kSmallestNormal, uint32_t kLargest, uint32_t kInfinity>
OCTAVO_INLINE uint8_t encode_fp8(float value, float magic) {
  constexpr int kShift = 23 - kMantissaBits;
  const uint32_t bits = float_to_bits(value);
  const uint32_t sign = (bits >> 24) & 0x80u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t normal = ((magnitude + (1u << (kShift - 1)) - 1u + ((magnitude >> kShift) & 1u)) >> kShift) - (kBias << kMantissaBits);
  const uint32_t subnormal = float_to_bits(bits_to_float(magnitude) + magic) - float_to_bits(magic);
  uint32_t code = magnitude < kSmallestNormal ? subnormal : normal;
  code = code < kLargest ? code : kLargest;
  code = magnitude == 0x7f800000u ? kInfinity : code;
  code = magnitude > 0x7f800000u ? 0x7fu : code;
  // As in kv-vector.ts, NaN has no sign.
  return static_cast<uint8_t>(code | (magnitude > 0x7f800000u ? 0u : sign));
}
OCTAVO_INLINE uint8_t encode_e4m3(float value) { return encode_fp8<3, 120, 0x3c800000u, 0x7eu, 0x7fu>(value, 16384.0f); }
OCTAVO_INLINE uint8_t encode_e5m2(float value) { return encode_fp8<2, 112, 0x38800000u, 0x7bu, 0x7cu>(value, 128.0f); }

/** What turns a vector into integer codes, and the bf16 scale that turns them back. */
struct KvScale {
  uint16_t bits;
  float factor;
};

OCTAVO_INLINE KvScale kv_scale_of(KvType type, const float* x, int32_t head_size) {
  V16 high = v_zero();
  V16 low = v_zero();
  V16 poison = v_zero();
  for (int32_t i = 0; i < head_size; i += 16) {
    const V16 v = head_size - i >= 16 ? v_load(x + i) : v_load_partial(x + i, head_size - i);
    high = v_max(high, v);
    low = v_min(low, v);
    poison = v_add(poison, v_sub(v, v));
  }
  if (v_sum(poison) != 0.0f) return {0x7fc0u, 0.0f};
  const float highest = v_maximum(high);
  const float lowest = v_maximum(v_sub(v_zero(), low));
  const float largest = highest >= lowest ? highest : lowest;
  if (!(largest > 1.0e-30f)) return {0, 0.0f};
  // int4: the element of largest magnitude takes the code -8.
  const uint16_t bits = encode_bf16(type == KvType::kInt8 ? largest / 127.0f : (highest >= lowest ? largest : -largest) / -8.0f);
  return {bits, 1.0f / bf16_to_f32(bits)};
}

/** Codes of 32 elements; those past `count` are 0, and all where the factor is. */
OCTAVO_INLINE void encode_integers(const float* x, int32_t count, float factor, int8_t* codes) {
  if (factor == 0.0f) {
    std::memset(codes, 0, kKvGroup);
    return;
  }
  const V16 f = v_set1(factor);
  const V16 first = count >= 16 ? v_load(x) : v_load_partial(x, count);
  const V16 second = count >= 32 ? v_load(x + 16) : count > 16 ? v_load_partial(x + 16, count - 16) : v_zero();
  v_round_to_int8(v_mul(first, f), codes);
  v_round_to_int8(v_mul(second, f), codes + 16);
}

/** Codes of `count` elements (at most 32). `adjacent`: whether bytes of int4 hold elements 2 i and 2 i + 1, or i and i + 16. */
OCTAVO_INLINE void encode_group(KvType type, const float* x, int32_t count, const KvScale& scale, bool adjacent, uint8_t* codes) {
  switch (type) {
    case KvType::kF32: std::memcpy(codes, x, static_cast<size_t>(count) * 4); break;
    case KvType::kF16: {
      uint16_t* halves = reinterpret_cast<uint16_t*>(codes);
      for (int32_t i = 0; i < count; i += 16) v_store_f16(halves + i, count - i >= 16 ? v_load(x + i) : v_load_partial(x + i, count - i));
      break;
    }
    case KvType::kBF16: {
      uint16_t* halves = reinterpret_cast<uint16_t*>(codes);
      for (int32_t i = 0; i < count; ++i) halves[i] = encode_bf16(x[i]);
      break;
    }
    case KvType::kFp8E4M3:
      for (int32_t i = 0; i < count; ++i) codes[i] = encode_e4m3(x[i]);
      break;
    case KvType::kFp8E5M2:
      for (int32_t i = 0; i < count; ++i) codes[i] = encode_e5m2(x[i]);
      break;
    case KvType::kInt8: encode_integers(x, count, scale.factor, reinterpret_cast<int8_t*>(codes)); break;
    case KvType::kInt4: {
      int8_t wide[kKvGroup];
      encode_integers(x, count, scale.factor, wide);
      for (int32_t i = 0; i < kKvGroup; ++i) wide[i] = wide[i] < 7 ? wide[i] : 7;
      for (int32_t i = 0; i < kKvGroup / 2; ++i) {
        const int32_t low = adjacent ? wide[2 * i] : wide[i];
        const int32_t high = adjacent ? wide[2 * i + 1] : wide[i + 16];
        codes[i] = static_cast<uint8_t>((low & 15) | ((high & 15) << 4));
      }
      break;
    }
  }
}

template <typename T>
OCTAVO_INLINE void scatter(const uint8_t* codes, size_t count, uint8_t* to, size_t stride) {
  for (size_t i = 0; i < count; ++i, to += stride) std::memcpy(to, codes + i * sizeof(T), sizeof(T));
}

void write_kv_row(const KvPool& pool, int32_t layer, int32_t slot, const float* key, const float* value) {
  const size_t block_size = static_cast<size_t>(pool.block_size);
  const size_t offset = static_cast<size_t>(slot) % block_size;
  uint8_t* block = pool.data + static_cast<size_t>(slot) / block_size * pool.block_bytes();
  const size_t key_bytes = kv_element_bytes(pool.key_type);
  const size_t value_bytes = kv_code_bytes(pool.value_type, pool.head_size);
  alignas(64) uint8_t codes[kKvGroup * 4];
  for (int32_t head = 0; head < pool.kv_head_count; ++head, key += pool.head_size, value += pool.head_size) {
    KvScale key_scale{};
    KvScale value_scale{};
    if (kv_has_scale(pool.key_type)) {
      key_scale = kv_scale_of(pool.key_type, key, pool.head_size);
      std::memcpy(block + pool.key_scale_offset(layer, head) + 2 * offset, &key_scale.bits, 2);
    }
    if (kv_has_scale(pool.value_type)) {
      value_scale = kv_scale_of(pool.value_type, value, pool.head_size);
      std::memcpy(block + pool.value_scale_offset(layer, head) + 2 * offset, &value_scale.bits, 2);
    }
    uint8_t* keys = block + pool.key_offset(layer, head) + offset * key_bytes;
    uint8_t* values = block + pool.value_offset(layer, head) + offset * value_bytes;
    for (int32_t i = 0; i < pool.head_size; i += kKvGroup) {
      const int32_t count = pool.head_size - i < kKvGroup ? pool.head_size - i : kKvGroup;
      const size_t rows = kv_rows(pool.key_type, count);
      encode_group(pool.key_type, key + i, count, key_scale, true, codes);
      uint8_t* to = keys + kv_rows(pool.key_type, i) * block_size * key_bytes;
      if (key_bytes == 4) scatter<float>(codes, rows, to, 4 * block_size);
      else if (key_bytes == 2) scatter<uint16_t>(codes, rows, to, 2 * block_size);
      else scatter<uint8_t>(codes, rows, to, block_size);
      encode_group(pool.value_type, value + i, count, value_scale, false, codes);
      std::memcpy(values + kv_code_bytes(pool.value_type, i), codes, kv_code_bytes(pool.value_type, count));
    }
  }
}

}  // namespace
}  // namespace octavo
