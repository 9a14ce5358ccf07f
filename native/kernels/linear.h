// One panel (32 outputs) of a linear operation for a range of activation rows: picks the path of the weight's dtype.
#pragma once

#include "../dequantize.h"
#include "kernels.h"
#include "linear_float.h"
#include "linear_int8.h"
#include "simd.h"

namespace octavo {
namespace {

/** Columns [first, first + count) of a panel of stored blocks as f32 [column][32]. */
void dequantize_piece(const Matrix& matrix, const uint8_t* panel, int32_t first, int32_t count, float* piece) {
  const DTypeGeometry geometry = geometry_of(matrix.dtype);
  const size_t block_bytes = static_cast<size_t>(geometry.block_bytes);
  float values[256];
  for (int32_t column = 0; column < count; column += geometry.block_elements) {
    const uint8_t* block = panel + static_cast<size_t>((first + column) / geometry.block_elements) * kPanelRows * block_bytes;
    for (int32_t row = 0; row < kPanelRows; ++row, block += block_bytes) {
      dequantize_block(matrix.dtype, block, values);
      float* out = piece + static_cast<size_t>(column) * kPanelRows + row;
      for (int32_t i = 0; i < geometry.block_elements; ++i) out[static_cast<size_t>(i) * kPanelRows] = values[i];
    }
  }
}

void linear_panel(const LinearJob& job, int32_t panel_index, int32_t first_row, int32_t last_row, float* scratch) {
  const Matrix& matrix = *job.weight;
  const uint8_t* panel = matrix.data + static_cast<size_t>(panel_index) * matrix.panel_bytes;
  const int32_t rows = last_row - first_row;
  const int32_t lane_count = matrix.rows - panel_index * kPanelRows;
  // A panel with fewer than 32 outputs is computed aside: `out` may be as narrow as the matrix.
  const bool aside = lane_count < kPanelRows;
  float* const target = job.out + static_cast<size_t>(first_row) * job.out_stride + static_cast<size_t>(panel_index) * kPanelRows;
  float* const out = aside ? scratch + static_cast<size_t>(kPieceColumns) * kPanelRows : target;
  const size_t out_stride = aside ? kPanelRows : job.out_stride;
  const float* input = job.input + static_cast<size_t>(first_row) * job.input_stride;
  const uint8_t* records = job.quantized + static_cast<size_t>(first_row) * job.record.stride;
  switch (matrix.dtype) {
    case DType::kF32:
      float_panel<LoadF32>(reinterpret_cast<const float*>(panel), matrix.columns, input, job.input_stride, rows, out, out_stride, false);
      break;
    case DType::kF16:
      float_panel<LoadF16>(reinterpret_cast<const uint16_t*>(panel), matrix.columns, input, job.input_stride, rows, out, out_stride, false);
      break;
    case DType::kBF16:
      float_panel<LoadBF16>(reinterpret_cast<const uint16_t*>(panel), matrix.columns, input, job.input_stride, rows, out, out_stride, false);
      break;
    case DType::kQ8_0: int8_panel<false>(panel, matrix.columns / kQuantBlock, records, job.record, rows, out, out_stride); break;
    case DType::kQ4_0: int8_panel<true>(panel, matrix.columns / kQuantBlock, records, job.record, rows, out, out_stride); break;
    default:
      for (int32_t first = 0; first < matrix.columns; first += kPieceColumns) {
        const int32_t count = matrix.columns - first < kPieceColumns ? matrix.columns - first : kPieceColumns;
        dequantize_piece(matrix, panel, first, count, scratch);
        float_panel<LoadF32>(scratch, count, input + first, job.input_stride, rows, out, out_stride, first > 0);
      }
      break;
  }
  const float* bias = job.bias == nullptr ? nullptr : job.bias + static_cast<size_t>(panel_index) * kPanelRows;
  if (!aside && bias == nullptr) return;
  const int32_t lanes = aside ? lane_count : kPanelRows;
  for (int32_t row = 0; row < rows; ++row) {
    const float* from = out + row * out_stride;
    float* to = target + row * job.out_stride;
    for (int32_t lane = 0; lane < lanes; ++lane) to[lane] = bias == nullptr ? from[lane] : from[lane] + bias[lane];
  }
}

}  // namespace
}  // namespace octavo
