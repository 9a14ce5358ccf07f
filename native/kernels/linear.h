// Panels (32 outputs each) of a linear operation for a range of activation rows: picks the path of the weight's dtype.
#pragma once

#include "kernels.h"
#include "linear_float.h"
#include "linear_int8.h"
#include "panel_output.h"
#include "simd.h"

namespace octavo {
namespace {

void linear_panel(const LinearJob& job, int32_t panel_index, int32_t first_row, int32_t last_row, float* scratch) {
  const Matrix& matrix = *job.weight;
  const uint8_t* panel = matrix.data + static_cast<size_t>(panel_index) * matrix.panel_bytes;
  const int32_t rows = last_row - first_row;
  const int32_t units = matrix.columns / kQuantBlock;
  const PanelOutput output = panel_output(job, panel_index, first_row, scratch, is_quantized(matrix.dtype) && int8_returns(matrix.dtype, units, rows));
  float* const out = output.out;
  const size_t out_stride = output.stride;
  const float* input = job.input + static_cast<size_t>(first_row) * job.input_stride;
  const QuantizedRows rows_in = quantized_from(job, first_row);
  uint8_t* const expanded = reinterpret_cast<uint8_t*>(scratch);
  switch (matrix.dtype) {
    case DType::kF32:
      float_panel<LoadF32>(reinterpret_cast<const float*>(panel), matrix.columns, input, job.input_stride, rows, out, out_stride, scratch);
      break;
    case DType::kF16:
      float_panel<LoadF16>(reinterpret_cast<const uint16_t*>(panel), matrix.columns, input, job.input_stride, rows, out, out_stride, scratch);
      break;
    case DType::kBF16:
      float_panel<LoadBF16>(reinterpret_cast<const uint16_t*>(panel), matrix.columns, input, job.input_stride, rows, out, out_stride, scratch);
      break;
    case DType::kQ8_0:
#if defined(__AVX512VNNI__)
      // The other instruction sets are never given such.
      if (matrix.signed_bytes) {
        int8_panel<DType::kQ8_0, true>(panel, units, rows_in, rows, out, out_stride, expanded);
        break;
      }
#endif
      int8_panel<DType::kQ8_0>(panel, units, rows_in, rows, out, out_stride, expanded);
      break;
    case DType::kQ4_0: int8_panel<DType::kQ4_0>(panel, units, rows_in, rows, out, out_stride, expanded); break;
    case DType::kQ4_1: int8_panel<DType::kQ4_1>(panel, units, rows_in, rows, out, out_stride, expanded); break;
    case DType::kQ5_0: int8_panel<DType::kQ5_0>(panel, units, rows_in, rows, out, out_stride, expanded); break;
    case DType::kQ5_1: int8_panel<DType::kQ5_1>(panel, units, rows_in, rows, out, out_stride, expanded); break;
    case DType::kQ2_K: int8_panel<DType::kQ2_K>(panel, units, rows_in, rows, out, out_stride, expanded); break;
    case DType::kQ3_K: int8_panel<DType::kQ3_K>(panel, units, rows_in, rows, out, out_stride, expanded); break;
    case DType::kQ4_K: int8_panel<DType::kQ4_K>(panel, units, rows_in, rows, out, out_stride, expanded); break;
    case DType::kQ5_K: int8_panel<DType::kQ5_K>(panel, units, rows_in, rows, out, out_stride, expanded); break;
    case DType::kQ6_K: int8_panel<DType::kQ6_K>(panel, units, rows_in, rows, out, out_stride, expanded); break;
  }
  finish_panel(output, rows);
}

void linear_panels(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t last_row, float* scratch) {
  for (int32_t i = panel; i < panel + count; ++i) linear_panel(job, i, first_row, last_row, scratch);
}

}  // namespace
}  // namespace octavo
