// Matrix product over f32 columns of a panel: one accumulator per output, walked over ascending columns with one FMA
// each, so that the bits do not depend on how many rows are computed together. Spilling the accumulators to `out` and
// back between pieces of the columns changes no bit either.
//
// Few rows stream the panel as it is stored and convert it on the way. For many, a piece of a panel is converted to f32
// once, into scratch that stays in the first or second cache, and all tiles of rows pass over it; between them they
// fetch the piece that follows. Why the products are FMAs for BF16 too: docs/decisions/0003-bf16-products.md.
#pragma once

#include "kernels.h"
#include "simd.h"
#include "weight_stream.h"

namespace octavo {
namespace {

#if defined(__AVX512F__)
constexpr int kFloatTileRows = 12;
#elif defined(__AVX2__)
constexpr int kFloatTileRows = 3;
#else
constexpr int kFloatTileRows = 2;
#endif

/** Columns of a converted piece: 32 KiB of f32, which stay in a second cache and mostly in a first. */
constexpr int32_t kConvertedColumns = kPieceColumns;
/** Columns of a piece that two tiles pass over as it is stored (f32: any number of tiles, over kConvertedColumns). */
constexpr int32_t kStoredColumns = 128;
/** From this many tiles on, a piece is converted once instead of for every tile. */
constexpr int32_t kConvertFromTiles = 3;
/** Columns between prefetches. */
constexpr int32_t kStepColumns = 8;

/** Lines that one of several tiles fetches for later: `lines` at every step of kStepColumns columns, from `at` on. */
struct Ahead {
  const uint8_t* at;
  int32_t lines;

  __attribute__((always_inline)) void step(int32_t index) const {
    const uint8_t* first = at + static_cast<size_t>(index) * static_cast<size_t>(lines) * 64;
    for (int32_t line = 0; line < lines; ++line) __builtin_prefetch(first + static_cast<size_t>(line) * 64, 0, 2);
  }
};

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
template <int kRows, typename Load, class Fetch>
void float_tile(const typename Load::Element* panel, int32_t columns, const float* input, size_t input_stride, Fetch fetch, float* out,
                size_t out_stride, bool resume) {
  V16 low[kRows];
  V16 high[kRows];
#pragma GCC unroll 12
  for (int row = 0; row < kRows; ++row) {
    low[row] = resume ? v_load(out + row * out_stride) : v_zero();
    high[row] = resume ? v_load(out + row * out_stride + 16) : v_zero();
  }
  // Three rows from each base: x86 adds a stride, once or twice, to a base for nothing.
  constexpr int kBases = (kRows + 2) / 3;
  const float* bases[kBases];
#pragma GCC unroll 4
  for (int base = 0; base < kBases; ++base) bases[base] = opaque(input + static_cast<size_t>(base) * 3 * input_stride);
  for (int32_t first = 0; first < columns; first += kStepColumns) {
    fetch.step(first / kStepColumns);
    const int32_t last = columns - first < kStepColumns ? columns : first + kStepColumns;
    for (int32_t column = first; column < last; ++column) {
      const V16 w0 = Load::load(panel + static_cast<size_t>(column) * kPanelRows);
      const V16 w1 = Load::load(panel + static_cast<size_t>(column) * kPanelRows + 16);
#pragma GCC unroll 12
      for (int row = 0; row < kRows; ++row) {
        const V16 x = v_set1(bases[row / 3][static_cast<size_t>(row % 3) * input_stride + static_cast<size_t>(column)]);
        low[row] = v_fma(w0, x, low[row]);
        high[row] = v_fma(w1, x, high[row]);
      }
    }
  }
#pragma GCC unroll 12
  for (int row = 0; row < kRows; ++row) {
    v_store(out + row * out_stride, low[row]);
    v_store(out + row * out_stride + 16, high[row]);
  }
}

template <int kRows, typename Load, class Fetch>
OCTAVO_INLINE void float_tile_of(int32_t rows, const typename Load::Element* panel, int32_t columns, const float* input,
                                 size_t input_stride, Fetch fetch, float* out, size_t out_stride, bool resume) {
  if constexpr (kRows > 0) {
    if (rows == kRows) float_tile<kRows, Load>(panel, columns, input, input_stride, fetch, out, out_stride, resume);
    else float_tile_of<kRows - 1, Load>(rows, panel, columns, input, input_stride, fetch, out, out_stride, resume);
  }
}

/**
 * All rows [0, rows) over the columns of a piece, in tiles of nearly equal height. Between them they fetch `step_lines`
 * lines from `ahead` on for every kStepColumns columns: as many bytes as the piece has where it is stored.
 */
template <typename Load>
void float_rows(const typename Load::Element* piece, int32_t columns, const float* input, size_t input_stride, int32_t rows,
                const uint8_t* ahead, int32_t step_lines, float* out, size_t out_stride, bool resume) {
  int32_t tiles = ceil_div(rows, kFloatTileRows);
  const int32_t lines = ceil_div(step_lines, tiles);
  int32_t left = step_lines;
  const size_t steps = static_cast<size_t>(ceil_div(columns, kStepColumns));
  for (int32_t row = 0; row < rows; --tiles) {
    const int32_t height = ceil_div(rows - row, tiles);
    const int32_t take = left < lines ? left : lines;
    float_tile_of<kFloatTileRows, Load>(height, piece, columns, input + static_cast<size_t>(row) * input_stride, input_stride, Ahead{ahead, take},
                                        out + static_cast<size_t>(row) * out_stride, out_stride, resume);
    ahead += steps * static_cast<size_t>(take) * 64;
    left -= take;
    row += height;
  }
}

/** All rows of a panel, which others may follow in memory. `scratch`: kConvertedColumns columns of 32 floats. */
template <typename Load>
void float_panel(const typename Load::Element* panel, int32_t columns, const float* input, size_t input_stride, int32_t rows,
                 float* out, size_t out_stride, float* scratch) {
  using Element = typename Load::Element;
  constexpr int32_t kStepLines = kStepColumns * kPanelRows * static_cast<int32_t>(sizeof(Element)) / 64;
  const int32_t tiles = ceil_div(rows, kFloatTileRows);
  if (tiles == 1) {
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(panel);
    // Measured: a stream takes 8 rows from 21 to 27 GB/s and 12 from 18.5 to 21.
    WeightStream stream(bytes, rows);
    float_tile_of<kFloatTileRows, Load>(rows, panel, columns, input, input_stride, StreamSteps{stream, kStepLines * 64}, out, out_stride, false);
    return;
  }
  const bool many = tiles >= kConvertFromTiles;
  const int32_t width = many ? kConvertedColumns : kStoredColumns;
  for (int32_t first = 0; first < columns; first += width) {
    const int32_t count = columns - first < width ? columns - first : width;
    const Element* piece = panel + static_cast<size_t>(first) * kPanelRows;
    const uint8_t* ahead = reinterpret_cast<const uint8_t*>(piece + static_cast<size_t>(count) * kPanelRows);
    if (many && sizeof(Element) < sizeof(float)) {
      for (int32_t i = 0; i < count * kPanelRows; i += 16) v_store(scratch + i, Load::load(piece + i));
      float_rows<LoadF32>(scratch, count, input + first, input_stride, rows, ahead, kStepLines, out, out_stride, first > 0);
    } else {
      float_rows<Load>(piece, count, input + first, input_stride, rows, ahead, kStepLines, out, out_stride, first > 0);
    }
  }
}

}  // namespace
}  // namespace octavo
