// Packing of weights into panels. Runs once per weight, on all threads, panel by panel.
#include "pack.h"

#include <cstring>

#include "quant_codes.h"

namespace octavo {

namespace {

/** The byte of (lane, column) in a panel of pairs. */
size_t pair_offset(int32_t lane, int32_t column) {
  return (static_cast<size_t>(column / 2) * kPanelRows + static_cast<size_t>(lane)) * 4 + static_cast<size_t>(column % 2) * 2;
}

template <typename T>
void pack_plain(const Matrix& matrix, uint8_t* panel, int32_t lane, int32_t row_count, const uint8_t* source, size_t row_bytes) {
  T* out = reinterpret_cast<T*>(panel) + lane;
  for (int32_t column = 0; column < matrix.columns; ++column) {
    const uint8_t* in = source + static_cast<size_t>(column) * sizeof(T);
    for (int32_t row = 0; row < row_count; ++row) {
      std::memcpy(out + static_cast<size_t>(column) * kPanelRows + row, in + static_cast<size_t>(row) * row_bytes, sizeof(T));
    }
  }
}

void pack_pairs(const Matrix& matrix, uint8_t* panel, int32_t lane, int32_t row_count, const uint8_t* source, size_t row_bytes) {
  for (int32_t column = 0; column < matrix.columns; ++column) {
    const uint8_t* in = source + static_cast<size_t>(column) * 2;
    uint8_t* out = panel + pair_offset(lane, column);
    for (int32_t row = 0; row < row_count; ++row) std::memcpy(out + row * 4, in + static_cast<size_t>(row) * row_bytes, 2);
  }
}

/** Lane `lane` of consecutive units: four code bytes at a time, the order of the file. */
void pack_q8_0_row(const Matrix& matrix, uint8_t* panel, int32_t lane, const uint8_t* source) {
  constexpr QuantFormat kFormat = quant_format_of(DType::kQ8_0);
  const int32_t units = matrix.columns / kQuantBlock;
  uint8_t* out = panel + static_cast<size_t>(lane / kGroupRows) * kFormat.group_bytes() + static_cast<size_t>(lane % kGroupRows) * 4;
  uint8_t* scale = panel + kFormat.scale_offset() + static_cast<size_t>(lane) * 2;
  const uint32_t flips = matrix.signed_bytes ? 0 : 0x80808080u;
  for (int32_t unit = 0; unit < units; ++unit, source += 34, out += kFormat.unit_bytes, scale += kFormat.unit_bytes) {
    std::memcpy(scale, source, 2);
    for (int32_t j = 0; j < 8; ++j) {
      uint32_t four;
      std::memcpy(&four, source + 2 + j * 4, 4);
      four ^= flips;
      std::memcpy(out + j * 64, &four, 4);
    }
  }
}

/** As Q8_0: the file already pairs column i (low nibble) with column i + 16 (high nibble). */
void pack_q4_0_row(const Matrix& matrix, uint8_t* panel, int32_t lane, const uint8_t* source) {
  constexpr QuantFormat kFormat = quant_format_of(DType::kQ4_0);
  const int32_t units = matrix.columns / kQuantBlock;
  uint8_t* out = panel + static_cast<size_t>(lane / kGroupRows) * kFormat.group_bytes() + static_cast<size_t>(lane % kGroupRows) * 4;
  uint8_t* scale = panel + kFormat.scale_offset() + static_cast<size_t>(lane) * 2;
  for (int32_t unit = 0; unit < units; ++unit, source += 18, out += kFormat.unit_bytes, scale += kFormat.unit_bytes) {
    std::memcpy(scale, source, 2);
    for (int32_t j = 0; j < 4; ++j) std::memcpy(out + j * 64, source + 2 + j * 4, 4);
  }
}

/** Eight times four columns' fields of one lane, one field in each byte of a word, to where field_place (quant_format.h) has them. */
template <int kBits>
void put_fields(uint8_t* out, const uint32_t* words) {
  constexpr int kFields = 8 / kBits;  // of one byte
  // Nibbles pair columns 16 apart; two bits and single bits lie beside those of the next four columns.
  constexpr int kApart = kBits == 4 ? 4 : 1;
  for (int store = 0; store < 8 / kFields; ++store) {
    const uint32_t* first = words + (kBits == 4 ? store : store * kFields);
    uint32_t bytes = 0;
    for (int field = 0; field < kFields; ++field) bytes |= first[field * kApart] << (field * kBits);
    std::memcpy(out + store * 64, &bytes, 4);
  }
}

/** The codes of 32 columns into one lane of a unit. */
template <DType kDType>
void put_codes(uint8_t* unit, int32_t lane, const uint8_t* codes) {
  constexpr QuantFormat kFormat = quant_format_of(kDType);
  constexpr uint32_t kEach = 0x01010101u;
  const size_t group = static_cast<size_t>(lane / kGroupRows);
  const size_t column = static_cast<size_t>(lane % kGroupRows) * 4;
  uint32_t low[8];
  uint32_t high[8];
  for (int j = 0; j < 8; ++j) {
    uint32_t four;
    std::memcpy(&four, codes + j * 4, 4);
    low[j] = four & kEach * ((1u << kFormat.code_bits) - 1);
    high[j] = four >> kFormat.code_bits & kEach * ((1u << kFormat.plane_bits) - 1);
  }
  put_fields<kFormat.code_bits>(unit + group * kFormat.group_bytes() + column, low);
  if constexpr (kFormat.plane_bits > 0) put_fields<kFormat.plane_bits>(unit + kFormat.plane_offset() + group * kFormat.plane_bytes() + column, high);
}

template <DType kDType>
void pack_quantized_row(const Matrix& matrix, uint8_t* panel, int32_t lane, const uint8_t* source) {
  constexpr QuantFormat kFormat = quant_format_of(kDType);
  constexpr DTypeGeometry kGeometry = geometry_of(kDType);
  const int32_t blocks = matrix.columns / kGeometry.block_elements;
  const size_t entry = static_cast<size_t>(lane) * 2;
  BlockCodes block;
  for (int32_t b = 0; b < blocks; ++b, source += kGeometry.block_bytes) {
    take_apart(kDType, source, &block);
    uint8_t* header = panel + static_cast<size_t>(b) * kFormat.super_bytes();
    if (kFormat.header_bytes > 0) std::memcpy(header + entry, &block.d, 2);
    if (kFormat.header_bytes > 64) std::memcpy(header + 64 + entry, &block.m, 2);
    for (int32_t u = 0; u < kFormat.units_per_super; ++u) {
      uint8_t* unit = header + kFormat.header_bytes + static_cast<size_t>(u) * kFormat.unit_bytes;
      uint8_t* scales = unit + kFormat.scale_offset();
      put_codes<kDType>(unit, lane, block.codes + u * kQuantBlock);
      switch (kFormat.scales) {
        case ScaleKind::kF16Min: std::memcpy(scales + 64 + entry, &block.m, 2); [[fallthrough]];
        case ScaleKind::kF16: std::memcpy(scales + entry, &block.d, 2); break;
        case ScaleKind::kSuperMin:
          scales[lane] = block.scales[u];
          scales[kPanelRows + lane] = block.mins[u];
          break;
        case ScaleKind::kSuperHalves:
        case ScaleKind::kSuperNibbles:
          scales[lane] = block.scales[2 * u];
          scales[kPanelRows + lane] = block.scales[2 * u + 1];
          break;
      }
    }
  }
}

using PackRow = void (*)(const Matrix& matrix, uint8_t* panel, int32_t lane, const uint8_t* source);

PackRow pack_row_of(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0: return pack_q8_0_row;
    case DType::kQ4_0: return pack_q4_0_row;
    case DType::kQ4_1: return pack_quantized_row<DType::kQ4_1>;
    case DType::kQ5_0: return pack_quantized_row<DType::kQ5_0>;
    case DType::kQ5_1: return pack_quantized_row<DType::kQ5_1>;
    case DType::kQ2_K: return pack_quantized_row<DType::kQ2_K>;
    case DType::kQ3_K: return pack_quantized_row<DType::kQ3_K>;
    case DType::kQ4_K: return pack_quantized_row<DType::kQ4_K>;
    case DType::kQ5_K: return pack_quantized_row<DType::kQ5_K>;
    default: return pack_quantized_row<DType::kQ6_K>;
  }
}

}  // namespace

void pack_panel_rows(const Matrix& matrix, int32_t panel_index, int32_t first_row, int32_t row_count, const uint8_t* source,
                     size_t row_bytes) {
  uint8_t* panel = matrix.data + static_cast<size_t>(panel_index) * matrix.panel_bytes;
  const int32_t lane = first_row - panel_index * kPanelRows;
  switch (matrix.dtype) {
    case DType::kF32: return pack_plain<uint32_t>(matrix, panel, lane, row_count, source, row_bytes);
    case DType::kF16: return pack_plain<uint16_t>(matrix, panel, lane, row_count, source, row_bytes);
    case DType::kBF16:
      if (matrix.paired) return pack_pairs(matrix, panel, lane, row_count, source, row_bytes);
      return pack_plain<uint16_t>(matrix, panel, lane, row_count, source, row_bytes);
    default: break;
  }
  const PackRow pack_row = pack_row_of(matrix.dtype);
  for (int32_t row = 0; row < row_count; ++row) pack_row(matrix, panel, lane + row, source + static_cast<size_t>(row) * row_bytes);
}

namespace {

/** 32 weights of one lane of a unit. */
void unpack_unit(const QuantFormat& format, bool signed_bytes, const uint8_t* header, const uint8_t* unit, int32_t lane, float* out) {
  const uint8_t* scales = unit + format.scale_offset();
  const uint8_t* low = scales + lane;
  const uint8_t* high = low + kPanelRows;
  const bool super = format.units_per_super > 1;
  const float d = read_f16((super ? header : scales) + static_cast<size_t>(lane) * 2);
  const float m = format.has_min() ? read_f16((super ? header : scales) + 64 + static_cast<size_t>(lane) * 2) : 0.0f;
  for (int32_t column = 0; column < kQuantBlock; ++column) {
    const CodePlace place = code_place(format, lane, column);
    int32_t code = unit[place.offset] >> place.shift & ((1 << format.code_bits) - 1);
    if (format.plane_bits > 0) {
      const CodePlace above = plane_place(format, lane, column);
      code |= (unit[above.offset] >> above.shift & ((1 << format.plane_bits) - 1)) << format.code_bits;
    }
    if (signed_bytes) code ^= 0x80;
    const float value = static_cast<float>(code - format.zero);
    const uint8_t half = *(column < 16 ? low : high);
    switch (format.scales) {
      case ScaleKind::kF16: out[column] = value * d; break;
      case ScaleKind::kF16Min: out[column] = value * d + m; break;
      case ScaleKind::kSuperMin: out[column] = d * static_cast<float>(*low) * value - m * static_cast<float>(*high); break;
      case ScaleKind::kSuperHalves: out[column] = d * static_cast<float>(static_cast<int8_t>(half)) * value; break;
      case ScaleKind::kSuperNibbles: out[column] = d * static_cast<float>(half & 15) * value - m * static_cast<float>(half >> 4); break;
    }
  }
}

}  // namespace

void unpack_row(const Matrix& matrix, int32_t row, float* out) {
  const uint8_t* panel = matrix.data + static_cast<size_t>(row / kPanelRows) * matrix.panel_bytes;
  const int32_t lane = row % kPanelRows;
  if (is_quantized(matrix.dtype)) {
    const QuantFormat format = quant_format_of(matrix.dtype);
    for (int32_t unit = 0; unit < matrix.columns / kQuantBlock; ++unit) {
      unpack_unit(format, matrix.signed_bytes, panel + format.header_offset(unit), panel + format.unit_offset(unit), lane, out + unit * kQuantBlock);
    }
    return;
  }
  const size_t element_bytes = static_cast<size_t>(geometry_of(matrix.dtype).block_bytes);
  for (int32_t column = 0; column < matrix.columns; ++column) {
    const size_t offset =
        matrix.paired ? pair_offset(lane, column) : (static_cast<size_t>(column) * kPanelRows + static_cast<size_t>(lane)) * element_bytes;
    dequantize_block(matrix.dtype, panel + offset, out + column);
  }
}

void unpack_vector(DType dtype, const uint8_t* source, int32_t count, float* out) {
  const DTypeGeometry geometry = geometry_of(dtype);
  for (int32_t first = 0; first < count; first += geometry.block_elements, source += geometry.block_bytes) {
    dequantize_block(dtype, source, out + first);
  }
}

}  // namespace octavo
