// Element types of weights, numbered as src/backends/cpu/encoding.ts numbers them, and the scalar f16 conversions.
#pragma once

#include <cstdint>
#include <cstring>

namespace octavo {

enum class DType : int32_t {
  kF32 = 0,
  kF16 = 1,
  kBF16 = 2,
  kQ8_0 = 3,
  kQ4_0 = 4,
  kQ4_1 = 5,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ2_K = 8,
  kQ3_K = 9,
  kQ4_K = 10,
  kQ5_K = 11,
  kQ6_K = 12,
};

constexpr int32_t kDTypeCount = 13;

struct DTypeGeometry {
  int32_t block_elements;
  int32_t block_bytes;
};

constexpr DTypeGeometry kDTypeGeometry[kDTypeCount] = {
    {1, 4},   {1, 2},   {1, 2},    {32, 34},   {32, 18},   {32, 20},   {32, 22},
    {32, 24}, {256, 84}, {256, 110}, {256, 144}, {256, 176}, {256, 210},
};

inline constexpr DTypeGeometry geometry_of(DType dtype) { return kDTypeGeometry[static_cast<int32_t>(dtype)]; }

// The conversions have internal linkage: every instruction set compiles its own copy, and the linker must never
// replace the portable one by another that uses instructions the machine lacks.

static inline float bits_to_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t float_to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float f16_to_f32(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu;
  const uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * bits_to_float(0x33800000u);  // 2^-24
    return bits_to_float(sign | float_to_bits(magnitude));
  }
  if (exponent == 31) return bits_to_float(sign | 0x7f800000u | (mantissa ? 0x400000u | (mantissa << 13) : 0u));
  return bits_to_float(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

// Round to nearest, ties to even; overflow gives infinity.
static inline uint16_t f32_to_f16(float value) {
  const uint32_t bits = float_to_bits(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    // Subnormal half: adding 0.5 leaves the rounded multiple of 2^-24 in the low mantissa bits.
    const float shifted = bits_to_float(magnitude) + bits_to_float(0x3f000000u);
    return static_cast<uint16_t>(sign | (float_to_bits(shifted) - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u;
  return static_cast<uint16_t>(sign | (rounded >> 13));
}

static inline float bf16_to_f32(uint16_t half) { return bits_to_float(static_cast<uint32_t>(half) << 16); }

static inline uint16_t read_u16(const uint8_t* bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

static inline float read_f16(const uint8_t* bytes) { return f16_to_f32(read_u16(bytes)); }

}  // namespace octavo
