// Packing of weights into panels. Runs once per weight, on all threads, panel by panel.
#include "pack.h"

#include <cstring>

#include "dequantize.h"

namespace octavo {

namespace {

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

void pack_q8_0_row(const Matrix& matrix, uint8_t* panel, int32_t lane, const uint8_t* source) {
  const int32_t blocks = matrix.columns / kQuantBlock;
  uint8_t* group = panel + static_cast<size_t>(lane / kGroupRows) * kQ8GroupBytes + static_cast<size_t>(lane % kGroupRows) * 4;
  uint8_t* scale = panel + 2 * kQ8GroupBytes + static_cast<size_t>(lane) * 2;
  for (int32_t block = 0; block < blocks; ++block) {
    const uint8_t* in = source + static_cast<size_t>(block) * 34;
    uint8_t* out = group + static_cast<size_t>(block) * kQ8BlockBytes;
    std::memcpy(scale + static_cast<size_t>(block) * kQ8BlockBytes, in, 2);
    for (int32_t column = 0; column < kQuantBlock; ++column) {
      out[static_cast<size_t>(column / 4) * 64 + column % 4] = static_cast<uint8_t>(in[2 + column] ^ 0x80);
    }
  }
}

void pack_q4_0_row(const Matrix& matrix, uint8_t* panel, int32_t lane, const uint8_t* source) {
  const int32_t blocks = matrix.columns / kQuantBlock;
  uint8_t* group = panel + static_cast<size_t>(lane / kGroupRows) * kQ4GroupBytes + static_cast<size_t>(lane % kGroupRows) * 4;
  uint8_t* scale = panel + 2 * kQ4GroupBytes + static_cast<size_t>(lane) * 2;
  for (int32_t block = 0; block < blocks; ++block) {
    const uint8_t* in = source + static_cast<size_t>(block) * 18;
    uint8_t* out = group + static_cast<size_t>(block) * kQ4BlockBytes;
    std::memcpy(scale + static_cast<size_t>(block) * kQ4BlockBytes, in, 2);
    // The file already pairs column i (low nibble) with column i + 16 (high nibble).
    for (int32_t i = 0; i < 16; ++i) out[static_cast<size_t>(i / 4) * 64 + i % 4] = in[2 + i];
  }
}

void pack_block_rows(const Matrix& matrix, uint8_t* panel, int32_t lane, int32_t row_count, const uint8_t* source, size_t row_bytes) {
  const size_t block_bytes = static_cast<size_t>(geometry_of(matrix.dtype).block_bytes);
  const size_t blocks = row_bytes / block_bytes;
  for (size_t block = 0; block < blocks; ++block) {
    uint8_t* out = panel + (block * kPanelRows + static_cast<size_t>(lane)) * block_bytes;
    for (int32_t row = 0; row < row_count; ++row) {
      std::memcpy(out + static_cast<size_t>(row) * block_bytes, source + static_cast<size_t>(row) * row_bytes + block * block_bytes, block_bytes);
    }
  }
}

}  // namespace

void pack_panel_rows(const Matrix& matrix, int32_t panel_index, int32_t first_row, int32_t row_count, const uint8_t* source,
                     size_t row_bytes) {
  uint8_t* panel = matrix.data + static_cast<size_t>(panel_index) * matrix.panel_bytes;
  const int32_t lane = first_row - panel_index * kPanelRows;
  switch (matrix.dtype) {
    case DType::kF32: pack_plain<uint32_t>(matrix, panel, lane, row_count, source, row_bytes); break;
    case DType::kF16:
    case DType::kBF16: pack_plain<uint16_t>(matrix, panel, lane, row_count, source, row_bytes); break;
    case DType::kQ8_0:
      for (int32_t row = 0; row < row_count; ++row) pack_q8_0_row(matrix, panel, lane + row, source + static_cast<size_t>(row) * row_bytes);
      break;
    case DType::kQ4_0:
      for (int32_t row = 0; row < row_count; ++row) pack_q4_0_row(matrix, panel, lane + row, source + static_cast<size_t>(row) * row_bytes);
      break;
    default: pack_block_rows(matrix, panel, lane, row_count, source, row_bytes); break;
  }
}

namespace {

void unpack_q8_0(const Matrix& matrix, const uint8_t* panel, int32_t lane, float* out) {
  const uint8_t* group = panel + static_cast<size_t>(lane / kGroupRows) * kQ8GroupBytes + static_cast<size_t>(lane % kGroupRows) * 4;
  const uint8_t* scale = panel + 2 * kQ8GroupBytes + static_cast<size_t>(lane) * 2;
  for (int32_t first = 0; first < matrix.columns; first += kQuantBlock, group += kQ8BlockBytes, scale += kQ8BlockBytes) {
    const float d = read_f16(scale);
    for (int32_t i = 0; i < kQuantBlock; ++i) {
      out[first + i] = static_cast<float>(static_cast<int>(group[static_cast<size_t>(i / 4) * 64 + i % 4]) - 128) * d;
    }
  }
}

void unpack_q4_0(const Matrix& matrix, const uint8_t* panel, int32_t lane, float* out) {
  const uint8_t* group = panel + static_cast<size_t>(lane / kGroupRows) * kQ4GroupBytes + static_cast<size_t>(lane % kGroupRows) * 4;
  const uint8_t* scale = panel + 2 * kQ4GroupBytes + static_cast<size_t>(lane) * 2;
  for (int32_t first = 0; first < matrix.columns; first += kQuantBlock, group += kQ4BlockBytes, scale += kQ4BlockBytes) {
    const float d = read_f16(scale);
    for (int32_t i = 0; i < 16; ++i) {
      const int byte = group[static_cast<size_t>(i / 4) * 64 + i % 4];
      out[first + i] = static_cast<float>((byte & 15) - 8) * d;
      out[first + 16 + i] = static_cast<float>((byte >> 4) - 8) * d;
    }
  }
}

}  // namespace

void unpack_row(const Matrix& matrix, int32_t row, float* out) {
  const uint8_t* panel = matrix.data + static_cast<size_t>(row / kPanelRows) * matrix.panel_bytes;
  const int32_t lane = row % kPanelRows;
  if (matrix.dtype == DType::kQ8_0) return unpack_q8_0(matrix, panel, lane, out);
  if (matrix.dtype == DType::kQ4_0) return unpack_q4_0(matrix, panel, lane, out);
  const DTypeGeometry geometry = geometry_of(matrix.dtype);
  const size_t block_bytes = static_cast<size_t>(geometry.block_bytes);
  const uint8_t* block = panel + static_cast<size_t>(lane) * block_bytes;
  for (int32_t first = 0; first < matrix.columns; first += geometry.block_elements, block += kPanelRows * block_bytes) {
    dequantize_block(matrix.dtype, block, out + first);
  }
}

void unpack_vector(DType dtype, const uint8_t* source, int32_t count, float* out) {
  const DTypeGeometry geometry = geometry_of(dtype);
  for (int32_t first = 0; first < count; first += geometry.block_elements, source += geometry.block_bytes) {
    dequantize_block(dtype, source, out + first);
  }
}

}  // namespace octavo
