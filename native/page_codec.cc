// Checksums and smaller forms of pages, in plain loops that compilers vectorise.
#include "page_codec.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "dtype.h"

namespace octavo {

namespace {

constexpr int32_t kLanes = 32;
constexpr uint32_t kPrimeA = 0x9e3779b1u;
constexpr uint32_t kPrimeB = 0x85ebca77u;
constexpr uint32_t kPrimeC = 0xc2b2ae3du;

inline uint32_t mix(uint32_t sum, uint32_t word, uint32_t prime) {
  const uint32_t mixed = sum + word * kPrimeC;
  return ((mixed << 13) | (mixed >> 19)) * prime;
}

// Adding and taking away 1.5 * 2^23 rounds to an integer, ties to even.
inline float round_even(float value) { return (value + 12582912.0f) - 12582912.0f; }

inline uint8_t encode_int8(float value) {
  return static_cast<uint8_t>(static_cast<int8_t>(std::max(-127.0f, std::min(127.0f, round_even(value)))));
}

inline uint8_t encode_e4m3(float value) {
  const uint32_t bits = float_to_bits(value);
  const uint32_t sign = (bits >> 24) & 0x80u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude < 0x3c800000u) return static_cast<uint8_t>(sign | static_cast<uint32_t>(round_even(std::fabs(value) * 512.0f)));
  const uint32_t rounded = (magnitude + 0x7ffffu + ((magnitude >> 20) & 1u)) >> 20;
  return static_cast<uint8_t>(sign | std::min<uint32_t>(0x7eu, rounded - 960u));
}

inline float decode_e4m3(uint8_t code) {
  const uint32_t sign = static_cast<uint32_t>(code & 0x80u) << 24;
  const uint32_t mantissa = code & 7u;
  const uint32_t exponent = (code >> 3) & 15u;
  const float magnitude =
      exponent == 0 ? static_cast<float>(mantissa) / 512.0f : bits_to_float(((exponent + 120u) << 23) | (mantissa << 20));
  return bits_to_float(sign | float_to_bits(magnitude));
}

inline uint16_t to_bf16(float value) {
  const uint32_t bits = float_to_bits(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 64u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/** Elements of a page, finite ones, as f32; false if one is not. */
bool load(PageElement element, const uint8_t* from, size_t count, float* to) {
  uint32_t bad = 0;
  if (element == PageElement::kF32) {
    std::memcpy(to, from, count * 4);
    for (size_t i = 0; i < count; ++i) bad |= (float_to_bits(to[i]) & 0x7f800000u) == 0x7f800000u;
  } else if (element == PageElement::kBF16) {
    for (size_t i = 0; i < count; ++i) {
      const uint32_t bits = static_cast<uint32_t>(read_u16(from + 2 * i)) << 16;
      bad |= (bits & 0x7f800000u) == 0x7f800000u;
      to[i] = bits_to_float(bits);
    }
  } else {
    for (size_t i = 0; i < count; ++i) {
      const uint32_t half = read_u16(from + 2 * i);
      bad |= (half & 0x7c00u) == 0x7c00u;
      // Exponents of f16 begin 112 below those of f32: one exact product covers subnormal numbers too.
      const float magnitude = bits_to_float((half & 0x7fffu) << 13) * bits_to_float(0x77800000u);
      to[i] = bits_to_float(((half & 0x8000u) << 16) | float_to_bits(magnitude));
    }
  }
  return bad == 0;
}

void store(PageElement element, const float* from, size_t count, uint8_t* to) {
  if (element == PageElement::kF32) {
    std::memcpy(to, from, count * 4);
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    const uint16_t bits = element == PageElement::kF16 ? f32_to_f16(from[i]) : to_bf16(from[i]);
    std::memcpy(to + 2 * i, &bits, 2);
  }
}

/** Rounds up to a number of the element type, and writes it. */
float store_scale(PageElement element, float scale, uint8_t* to) {
  if (element == PageElement::kF32) {
    std::memcpy(to, &scale, 4);
    return scale;
  }
  const auto value_of = [&](uint16_t bits) { return element == PageElement::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits); };
  uint16_t bits = element == PageElement::kF16 ? f32_to_f16(scale) : to_bf16(scale);
  if (value_of(bits) < scale) ++bits;
  std::memcpy(to, &bits, 2);
  return value_of(bits);
}

bool is_transposed(const PageShape& shape, size_t group) {
  return shape.keys_transposed && (group / static_cast<size_t>(shape.kv_head_count)) % 2 == 0;
}

/** Calls `row(first element, count, scales, step)`: element i of a row has the scale scales[i * step]. */
template <typename Row>
void for_rows(const PageShape& shape, bool transposed, const float* scales, Row row) {
  const size_t rows = static_cast<size_t>(transposed ? shape.head_size : shape.block_size);
  const size_t columns = static_cast<size_t>(transposed ? shape.block_size : shape.head_size);
  for (size_t r = 0; r < rows; ++r) row(r * columns, columns, transposed ? scales : scales + r, transposed ? size_t{1} : size_t{0});
}

template <typename Encode>
void encode_row(const float* values, size_t count, const float* scales, size_t step, uint8_t* codes, Encode encode) {
  for (size_t i = 0; i < count; ++i) {
    const float scale = scales[i * step];
    codes[i] = scale == 0.0f ? uint8_t{0} : encode(values[i] / scale);
  }
}

}  // namespace

void checksum_bytes(const uint8_t* bytes, size_t count, uint32_t seed0, uint32_t seed1, uint32_t out[2]) {
  uint32_t lanes[kLanes];
  for (int32_t i = 0; i < kLanes; ++i) lanes[i] = (i % 2 == 0 ? seed0 : seed1) + static_cast<uint32_t>(i);
  const size_t strides = count / (4 * kLanes);
  for (size_t s = 0; s < strides; ++s) {
    uint32_t words[kLanes];
    std::memcpy(words, bytes + s * sizeof words, sizeof words);
    for (int32_t i = 0; i < kLanes; ++i) lanes[i] = mix(lanes[i], words[i], kPrimeA);
  }
  uint32_t first = static_cast<uint32_t>(count);
  uint32_t second = ~first;
  const auto fold = [&](uint32_t word) {
    first = mix(first, word, kPrimeA);
    second = mix(second, word, kPrimeB);
  };
  for (const uint32_t lane : lanes) fold(lane);
  for (size_t i = strides * 4 * kLanes; i < count; ++i) fold(bytes[i]);
  fold(seed0);
  fold(seed1);
  out[0] = first;
  out[1] = second;
}

bool encode_page(const PageShape& shape, const uint8_t* page, uint8_t* out) {
  const size_t elements = shape.group_elements();
  const size_t tokens = static_cast<size_t>(shape.block_size);
  std::vector<float> values(elements), scales(tokens);
  uint8_t* scale_bytes = out + shape.element_count();
  for (size_t group = 0; group < shape.group_count(); ++group) {
    if (!load(shape.element, page + group * elements * shape.element_bytes(), elements, values.data())) return false;
    const bool transposed = is_transposed(shape, group);
    std::fill(scales.begin(), scales.end(), 0.0f);
    float* largest = scales.data();
    for_rows(shape, transposed, largest, [&](size_t at, size_t count, const float* row_scales, size_t step) {
      float* into = largest + (row_scales - largest);
      for (size_t i = 0; i < count; ++i) into[i * step] = std::max(into[i * step], std::fabs(values[at + i]));
    });
    for (size_t t = 0; t < tokens; ++t) {
      const float limit = shape.form == PageForm::kInt8 ? 127.0f : 448.0f;
      scales[t] = store_scale(shape.element, scales[t] / limit, scale_bytes + (group * tokens + t) * shape.element_bytes());
    }
    uint8_t* codes = out + group * elements;
    for_rows(shape, transposed, scales.data(), [&](size_t at, size_t count, const float* row_scales, size_t step) {
      if (shape.form == PageForm::kInt8) encode_row(values.data() + at, count, row_scales, step, codes + at, encode_int8);
      else encode_row(values.data() + at, count, row_scales, step, codes + at, encode_e4m3);
    });
  }
  return true;
}

void decode_page(const PageShape& shape, const uint8_t* compressed, uint8_t* out) {
  const size_t elements = shape.group_elements();
  const size_t tokens = static_cast<size_t>(shape.block_size);
  std::vector<float> values(elements), scales(tokens);
  const uint8_t* scale_bytes = compressed + shape.element_count();
  for (size_t group = 0; group < shape.group_count(); ++group) {
    load(shape.element, scale_bytes + group * tokens * shape.element_bytes(), tokens, scales.data());
    const uint8_t* codes = compressed + group * elements;
    for_rows(shape, is_transposed(shape, group), scales.data(), [&](size_t at, size_t count, const float* row_scales, size_t step) {
      for (size_t i = 0; i < count; ++i) {
        const uint8_t code = codes[at + i];
        const float value = shape.form == PageForm::kInt8 ? static_cast<float>(static_cast<int8_t>(code)) : decode_e4m3(code);
        values[at + i] = value * row_scales[i * step];
      }
    });
    store(shape.element, values.data(), elements, out + group * elements * shape.element_bytes());
  }
}

}  // namespace octavo
