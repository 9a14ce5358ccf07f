// Codes and scales of each stored format (ggml's block layouts, as in dequantize.h).
#include "quant_codes.h"

namespace octavo {

namespace {

void nibbles_of_32(const uint8_t* bytes, uint8_t* codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = bytes[i] & 15;
    codes[i + 16] = bytes[i] >> 4;
  }
}

void fifth_bits(uint32_t bits, uint8_t* codes) {
  for (int i = 0; i < 32; ++i) codes[i] = static_cast<uint8_t>(codes[i] | ((bits >> i & 1) << 4));
}

/** 256 values of two bits: pairs of 16 at shifts 0, 2, 4, 6 of 32 bytes, twice. */
void two_bits_of_256(const uint8_t* bytes, uint8_t* codes) {
  for (int group = 0; group < 8; ++group) {
    for (int i = 0; i < 32; ++i) codes[group * 32 + i] = bytes[group / 4 * 32 + i] >> (group % 4 * 2) & 3;
  }
}

/** 256 nibbles: 32 low ones, then 32 high ones, of each 32 bytes. */
void nibbles_of_256(const uint8_t* bytes, uint8_t* codes) {
  for (int group = 0; group < 8; ++group) {
    for (int i = 0; i < 32; ++i) codes[group * 32 + i] = bytes[group / 2 * 32 + i] >> (group % 2 * 4) & 15;
  }
}

void scales_of_k4(const uint8_t* packed, BlockCodes* out) {
  for (int j = 0; j < 8; ++j) {
    int scale, min;
    scale_min_k4(j, packed, &scale, &min);
    out->scales[j] = static_cast<uint8_t>(scale);
    out->mins[j] = static_cast<uint8_t>(min);
  }
}

void take_apart_q3_k(const uint8_t* block, BlockCodes* out) {
  const uint8_t* packed = block + 96;
  two_bits_of_256(block + 32, out->codes);
  for (int group = 0; group < 8; ++group) {
    for (int i = 0; i < 32; ++i) {
      const int bit = block[i] >> group & 1;
      out->codes[group * 32 + i] = static_cast<uint8_t>(out->codes[group * 32 + i] | bit << 2);
    }
  }
  for (int i = 0; i < 16; ++i) {
    const int low = i < 8 ? packed[i] & 15 : packed[i - 8] >> 4;
    const int high = packed[8 + i % 4] >> (2 * (i / 4)) & 3;
    out->scales[i] = static_cast<uint8_t>((low | high << 4) - 32);
  }
  out->d = read_u16(block + 108);
}

void take_apart_q6_k(const uint8_t* block, BlockCodes* out) {
  for (int group = 0; group < 8; ++group) {
    const int quarter = group % 4;
    const uint8_t* low = block + group / 4 * 64 + quarter % 2 * 32;
    const uint8_t* high = block + 128 + group / 4 * 32;
    for (int i = 0; i < 32; ++i) {
      const int nibble = low[i] >> (quarter / 2 * 4) & 15;
      const int plane = high[i] >> (quarter * 2) & 3;
      out->codes[group * 32 + i] = static_cast<uint8_t>(nibble | plane << 4);
    }
  }
  std::memcpy(out->scales, block + 192, 16);
  out->d = read_u16(block + 208);
}

}  // namespace

void take_apart(DType dtype, const uint8_t* block, BlockCodes* out) {
  switch (dtype) {
    case DType::kQ4_0:
      out->d = read_u16(block);
      nibbles_of_32(block + 2, out->codes);
      break;
    case DType::kQ4_1:
      out->d = read_u16(block);
      out->m = read_u16(block + 2);
      nibbles_of_32(block + 4, out->codes);
      break;
    case DType::kQ5_0:
      out->d = read_u16(block);
      nibbles_of_32(block + 6, out->codes);
      fifth_bits(read_u32(block + 2), out->codes);
      break;
    case DType::kQ5_1:
      out->d = read_u16(block);
      out->m = read_u16(block + 2);
      nibbles_of_32(block + 8, out->codes);
      fifth_bits(read_u32(block + 4), out->codes);
      break;
    case DType::kQ2_K:
      std::memcpy(out->scales, block, 16);
      two_bits_of_256(block + 16, out->codes);
      out->d = read_u16(block + 80);
      out->m = read_u16(block + 82);
      break;
    case DType::kQ3_K: take_apart_q3_k(block, out); break;
    case DType::kQ4_K:
      out->d = read_u16(block);
      out->m = read_u16(block + 2);
      scales_of_k4(block + 4, out);
      nibbles_of_256(block + 16, out->codes);
      break;
    case DType::kQ5_K:
      out->d = read_u16(block);
      out->m = read_u16(block + 2);
      scales_of_k4(block + 4, out);
      nibbles_of_256(block + 48, out->codes);
      for (int group = 0; group < 8; ++group) {
        for (int i = 0; i < 32; ++i) {
          out->codes[group * 32 + i] = static_cast<uint8_t>(out->codes[group * 32 + i] | (block[16 + i] >> group & 1) << 4);
        }
      }
      break;
    case DType::kQ6_K: take_apart_q6_k(block, out); break;
    default: break;
  }
}

}  // namespace octavo
