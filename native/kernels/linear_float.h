// Matrix product over f32 columns of a panel: one accumulator per output, walked over ascending columns with one FMA
// each, so that the bits do not depend on how many rows are computed together.
#pragma once

#include "kernels.h"
#include "simd.h"

namespace octavo {
namespace {

#if defined(__AVX512F__)
constexpr int kFloatTileRows = 12;
#elif defined(__AVX2__)
constexpr int kFloatTileRows = 3;
#else
constexpr int kFloatTileRows = 2;
#endif

struct LoadF32 {
  using Element = float;
  OCTAVO_INLINE V16 load(const float* p) { return v_load(p); }
};
struct LoadF16 {
  using Element = uint16_t;
  OCTAVO_INLINE V16 load(const uint16_t* p) { return v_load_f16(p); }
};
struct LoadBF16 {
  using Element = uint16_t;
  OCTAVO_INLINE V16 load(const uint16_t* p) { return v_load_bf16(p); }
};

/** out[row][0..31] (+)= sum over columns of panel[column][0..31] * input[row][column]; `resume` continues from `out`. */
template <int kRows, typename Load>
void float_tile(const typename Load::Element* panel, int32_t columns, const float* input, size_t input_stride, float* out,
                size_t out_stride, bool resume) {
  V16 low[kRows];
  V16 high[kRows];
  for (int row = 0; row < kRows; ++row) {
    low[row] = resume ? v_load(out + row * out_stride) : v_zero();
    high[row] = resume ? v_load(out + row * out_stride + 16) : v_zero();
  }
  for (int32_t column = 0; column < columns; ++column) {
    const V16 w0 = Load::load(panel + static_cast<size_t>(column) * kPanelRows);
    const V16 w1 = Load::load(panel + static_cast<size_t>(column) * kPanelRows + 16);
#pragma GCC unroll 12
    for (int row = 0; row < kRows; ++row) {
      const V16 x = v_set1(input[row * input_stride + column]);
      low[row] = v_fma(w0, x, low[row]);
      high[row] = v_fma(w1, x, high[row]);
    }
  }
  for (int row = 0; row < kRows; ++row) {
    v_store(out + row * out_stride, low[row]);
    v_store(out + row * out_stride + 16, high[row]);
  }
}

template <int kRows, typename Load>
OCTAVO_INLINE void float_tile_of(int32_t rows, const typename Load::Element* panel, int32_t columns, const float* input,
                                 size_t input_stride, float* out, size_t out_stride, bool resume) {
  if constexpr (kRows > 0) {
    if (rows == kRows) float_tile<kRows, Load>(panel, columns, input, input_stride, out, out_stride, resume);
    else float_tile_of<kRows - 1, Load>(rows, panel, columns, input, input_stride, out, out_stride, resume);
  }
}

/** All rows [0, rows) of a panel, in tiles of nearly equal height. */
template <typename Load>
void float_panel(const typename Load::Element* panel, int32_t columns, const float* input, size_t input_stride, int32_t rows,
                 float* out, size_t out_stride, bool resume) {
  int32_t tiles = (rows + kFloatTileRows - 1) / kFloatTileRows;
  for (int32_t row = 0; row < rows; --tiles) {
    const int32_t height = (rows - row + tiles - 1) / tiles;
    float_tile_of<kFloatTileRows, Load>(height, panel, columns, input + row * input_stride, input_stride, out + row * out_stride,
                                        out_stride, resume);
    row += height;
  }
}

}  // namespace
}  // namespace octavo
