// Dequantisation of one stored block of each GGUF format, by the formulas of the format (ggml's block layouts).
#pragma once

#include "dtype.h"

namespace octavo {

static inline void dequantize_q8_0(const uint8_t* block, float* out) {
  const float d = read_f16(block);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * d;
}

static inline void dequantize_q4_0(const uint8_t* block, float* out) {
  const float d = read_f16(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>((block[2 + i] & 15) - 8) * d;
    out[i + 16] = static_cast<float>((block[2 + i] >> 4) - 8) * d;
  }
}

static inline void dequantize_q4_1(const uint8_t* block, float* out) {
  const float d = read_f16(block);
  const float m = read_f16(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(block[4 + i] & 15) * d + m;
    out[i + 16] = static_cast<float>(block[4 + i] >> 4) * d + m;
  }
}

// The fifth bits of a Q5 block: bit i belongs to element i.
static inline uint32_t read_u32(const uint8_t* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

static inline void dequantize_q5_0(const uint8_t* block, float* out) {
  const float d = read_f16(block);
  const uint32_t high = read_u32(block + 2);
  for (int i = 0; i < 16; ++i) {
    const int low_value = (block[6 + i] & 15) | static_cast<int>(((high >> i) & 1) << 4);
    const int high_value = (block[6 + i] >> 4) | static_cast<int>(((high >> (i + 16)) & 1) << 4);
    out[i] = static_cast<float>(low_value - 16) * d;
    out[i + 16] = static_cast<float>(high_value - 16) * d;
  }
}

static inline void dequantize_q5_1(const uint8_t* block, float* out) {
  const float d = read_f16(block);
  const float m = read_f16(block + 2);
  const uint32_t high = read_u32(block + 4);
  for (int i = 0; i < 16; ++i) {
    const int low_value = (block[8 + i] & 15) | static_cast<int>(((high >> i) & 1) << 4);
    const int high_value = (block[8 + i] >> 4) | static_cast<int>(((high >> (i + 16)) & 1) << 4);
    out[i] = static_cast<float>(low_value) * d + m;
    out[i + 16] = static_cast<float>(high_value) * d + m;
  }
}

// Q2_K: scales[16] (low nibble scale, high nibble min), qs[64], d, dmin.
static inline void dequantize_q2_k(const uint8_t* block, float* out) {
  const uint8_t* scales = block;
  const uint8_t* q = block + 16;
  const float d = read_f16(block + 80);
  const float dmin = read_f16(block + 82);
  int index = 0;
  for (int half = 0; half < 2; ++half, q += 32) {
    for (int shift = 0; shift < 8; shift += 2) {
      for (int part = 0; part < 2; ++part) {
        const uint8_t scale = scales[index++];
        const float dl = d * static_cast<float>(scale & 15);
        const float ml = dmin * static_cast<float>(scale >> 4);
        for (int i = 0; i < 16; ++i) *out++ = dl * static_cast<float>((q[part * 16 + i] >> shift) & 3) - ml;
      }
    }
  }
}

// Q3_K: hmask[32], qs[64], scales[12] (sixteen 6-bit values, biased by 32), d.
static inline void dequantize_q3_k(const uint8_t* block, float* out) {
  const uint8_t* hmask = block;
  const uint8_t* q = block + 32;
  const uint8_t* packed = block + 96;
  const float d = read_f16(block + 108);
  int scales[16];
  for (int i = 0; i < 16; ++i) {
    const int low = i < 8 ? packed[i] & 15 : packed[i - 8] >> 4;
    const int high = (packed[8 + (i & 3)] >> (2 * (i >> 2))) & 3;
    scales[i] = (low | (high << 4)) - 32;
  }
  int index = 0;
  int bit = 1;
  for (int half = 0; half < 2; ++half, q += 32) {
    for (int shift = 0; shift < 8; shift += 2, bit <<= 1) {
      for (int part = 0; part < 2; ++part) {
        const float dl = d * static_cast<float>(scales[index++]);
        for (int i = 0; i < 16; ++i) {
          const int l = part * 16 + i;
          const int value = ((q[l] >> shift) & 3) - ((hmask[l] & bit) ? 0 : 4);
          *out++ = dl * static_cast<float>(value);
        }
      }
    }
  }
}

// The 6-bit scale and min of sub-block j of Q4_K and Q5_K, packed in 12 bytes.
static inline void scale_min_k4(int j, const uint8_t* packed, int* scale, int* min) {
  if (j < 4) {
    *scale = packed[j] & 63;
    *min = packed[j + 4] & 63;
  } else {
    *scale = (packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4);
    *min = (packed[j + 4] >> 4) | ((packed[j] >> 6) << 4);
  }
}

static inline void dequantize_q4_k(const uint8_t* block, float* out) {
  const float d = read_f16(block);
  const float dmin = read_f16(block + 2);
  const uint8_t* q = block + 16;
  for (int j = 0; j < 8; ++j) {
    int scale, min;
    scale_min_k4(j, block + 4, &scale, &min);
    const float dl = d * static_cast<float>(scale);
    const float ml = dmin * static_cast<float>(min);
    const int shift = (j & 1) * 4;
    const uint8_t* bytes = q + (j >> 1) * 32;
    for (int i = 0; i < 32; ++i) *out++ = dl * static_cast<float>((bytes[i] >> shift) & 15) - ml;
  }
}

static inline void dequantize_q5_k(const uint8_t* block, float* out) {
  const float d = read_f16(block);
  const float dmin = read_f16(block + 2);
  const uint8_t* high = block + 16;
  const uint8_t* q = block + 48;
  for (int j = 0; j < 8; ++j) {
    int scale, min;
    scale_min_k4(j, block + 4, &scale, &min);
    const float dl = d * static_cast<float>(scale);
    const float ml = dmin * static_cast<float>(min);
    const int shift = (j & 1) * 4;
    const uint8_t* bytes = q + (j >> 1) * 32;
    for (int i = 0; i < 32; ++i) {
      const int value = ((bytes[i] >> shift) & 15) | (((high[i] >> j) & 1) << 4);
      *out++ = dl * static_cast<float>(value) - ml;
    }
  }
}

// Q6_K: ql[128], qh[64], scales int8[16], d.
static inline void dequantize_q6_k(const uint8_t* block, float* out) {
  const uint8_t* low = block;
  const uint8_t* high = block + 128;
  const int8_t* scales = reinterpret_cast<const int8_t*>(block + 192);
  const float d = read_f16(block + 208);
  for (int half = 0; half < 2; ++half, low += 64, high += 32, scales += 8, out += 128) {
    for (int quarter = 0; quarter < 4; ++quarter) {
      const uint8_t* nibbles = low + (quarter & 1) * 32;
      const int nibble_shift = (quarter >> 1) * 4;
      const int high_shift = quarter * 2;
      for (int part = 0; part < 2; ++part) {
        const float dl = d * static_cast<float>(scales[quarter * 2 + part]);
        for (int i = part * 16; i < part * 16 + 16; ++i) {
          const int value = (((nibbles[i] >> nibble_shift) & 15) | (((high[i] >> high_shift) & 3) << 4)) - 32;
          out[quarter * 32 + i] = dl * static_cast<float>(value);
        }
      }
    }
  }
}

// Dequantises one stored block (block_elements values) of any dtype.
static inline void dequantize_block(DType dtype, const uint8_t* block, float* out) {
  switch (dtype) {
    case DType::kF32: std::memcpy(out, block, 4); break;
    case DType::kF16: *out = read_f16(block); break;
    case DType::kBF16: *out = bf16_to_f32(read_u16(block)); break;
    case DType::kQ8_0: dequantize_q8_0(block, out); break;
    case DType::kQ4_0: dequantize_q4_0(block, out); break;
    case DType::kQ4_1: dequantize_q4_1(block, out); break;
    case DType::kQ5_0: dequantize_q5_0(block, out); break;
    case DType::kQ5_1: dequantize_q5_1(block, out); break;
    case DType::kQ2_K: dequantize_q2_k(block, out); break;
    case DType::kQ3_K: dequantize_q3_k(block, out); break;
    case DType::kQ4_K: dequantize_q4_k(block, out); break;
    case DType::kQ5_K: dequantize_q5_k(block, out); break;
    case DType::kQ6_K: dequantize_q6_k(block, out); break;
  }
}

}  // namespace octavo
