// Matrix product of quantised panels with activations in bf16, on the tiles of AMX.
//
// Weights are expanded to bf16, activations are rounded to bf16 once for a layer (amx_rows.h). Of each output, 32 columns after
// another in ascending order are added by one TDPBF16PS to an f32 that begins at zero. What that instruction does
// inside depends on the output's own row of activations alone, not on how many rows its tile has; storing the sums
// between blocks of columns and loading them again changes no bit. So one row and a thousand rows have the same bits.
//
// A panel is passed over in blocks of columns. While the tiles of rows, two by two, meet the weights of one block, the weights of
// the next are expanded into the other half of `scratch`: the products are issued to the matrix unit and done beside vector
// instructions. A tile is loaded at the earliest when a block of others has been stored after it, since stores are not
// forwarded to loads of tiles.
#pragma once

#include "amx_expand.h"
#include "amx_tiles.h"
#include "kernels.h"
#include "panel_output.h"

namespace octavo {
namespace {

/** Units of a block where rows fit two tiles, whose sums then stay in their tiles, and where they do not. */
constexpr int32_t kShortBlockUnits = 2;
constexpr int32_t kTallBlockUnits = 8;
/** How far ahead of what is expanded weights are fetched. */
constexpr size_t kShortAheadBytes = 4096;
constexpr size_t kTallAheadBytes = 8192;
/** Two tiles. */
constexpr size_t kUnitBytes = 2 * kTileBytes;
static_assert(2 * kTallBlockUnits * kUnitBytes <= kLinearScratchFloats * sizeof(float), "two blocks fit the scratch");

/** Expands the units of a panel in order, some tiles at a time. */
template <class F>
class Expansion {
 public:
  __attribute__((always_inline)) Expansion(const uint8_t* panel, size_t ahead_bytes) : panel_(panel), ahead_(panel + ahead_bytes) {}

  /** The next `count` tiles, to where the next of them belongs. */
  __attribute__((always_inline)) void some(int32_t count, uint8_t* to) {
    for (int32_t i = 0; i < count; ++i, to += kTileBytes, ++tile_) {
      constexpr int32_t kLines = static_cast<int32_t>((F::stream_bytes() / 2 + 63) / 64);
      const uint8_t* ahead = ahead_ + static_cast<size_t>(tile_) * (F::stream_bytes() / 2);
#pragma GCC unroll 9
      for (int32_t line = 0; line < kLines; ++line) __builtin_prefetch(ahead + line * 64, 0, 3);
      expand_tile(F::at(panel_, tile_ / 2), tile_ % 2, to);
    }
  }

 private:
  const uint8_t* const panel_;
  const uint8_t* const ahead_;
  int32_t tile_ = 0;
};

/** Up to two tiles of rows. */
struct RowPair {
  const uint8_t* first;  // of a block's first unit
  const uint8_t* second;
};

template <int kTiles>
OCTAVO_INLINE void add_products(const uint8_t* weights, int32_t units, RowPair rows, size_t block_bytes) {
  for (int32_t i = 0; i < units; ++i, weights += kUnitBytes, rows.first += block_bytes, rows.second += block_bytes) {
    tile_load<6>(weights, 64);
    tile_load<4>(rows.first, 64);
    tile_dot<0, 4, 6>();
    tile_load<7>(weights + kTileBytes, 64);
    tile_dot<1, 4, 7>();
    if constexpr (kTiles == 2) {
      tile_load<5>(rows.second, 64);
      tile_dot<2, 5, 6>();
      tile_dot<3, 5, 7>();
    }
  }
}

template <int kTiles>
OCTAVO_INLINE void zero_sums() {
  tile_zero<0>();
  tile_zero<1>();
  if constexpr (kTiles == 2) {
    tile_zero<2>();
    tile_zero<3>();
  }
}
/** `at`: [16 * kTiles][32] */
template <int kTiles>
OCTAVO_INLINE void load_sums(const float* at, size_t stride) {
  tile_load<0>(at, stride * 4);
  tile_load<1>(at + kGroupRows, stride * 4);
  if constexpr (kTiles == 2) {
    tile_load<2>(at + kTileRows * stride, stride * 4);
    tile_load<3>(at + kTileRows * stride + kGroupRows, stride * 4);
  }
}
template <int kTiles>
OCTAVO_INLINE void store_sums(float* at, size_t stride) {
  tile_store<0>(at, stride * 4);
  tile_store<1>(at + kGroupRows, stride * 4);
  if constexpr (kTiles == 2) {
    tile_store<2>(at + kTileRows * stride, stride * 4);
    tile_store<3>(at + kTileRows * stride + kGroupRows, stride * 4);
  }
}

/** Up to two tiles of rows: their sums never leave the tiles. */
template <class F, int kTiles>
void short_panel(const uint8_t* panel, int32_t units, const PreparedRows& input, float* out, size_t out_stride, uint8_t* scratch) {
  Expansion<F> expansion(panel, kShortAheadBytes);
  uint8_t* current = scratch;
  uint8_t* next = scratch + kShortBlockUnits * kUnitBytes;
  int32_t count = units < kShortBlockUnits ? units : kShortBlockUnits;
  expansion.some(2 * count, current);
  RowPair rows = {input.tiles, input.tiles + input.tile_bytes};
  zero_sums<kTiles>();
  for (int32_t first = 0; first < units;) {
    const int32_t left = units - first - count;
    const int32_t next_count = left < kShortBlockUnits ? left : kShortBlockUnits;
    expansion.some(2 * next_count, next);
    add_products<kTiles>(current, count, rows, input.block_bytes);
    rows.first += static_cast<size_t>(count) * input.block_bytes;
    rows.second += static_cast<size_t>(count) * input.block_bytes;
    first += count;
    count = next_count;
    uint8_t* const done = current;
    current = next;
    next = done;
  }
  store_sums<kTiles>(out, out_stride);
}

/** A pair of tiles, or the last one, and a block: the sums come from `out` unless this is the first, and go there. */
template <int kTiles>
OCTAVO_INLINE void add_block(const uint8_t* weights, int32_t units, RowPair rows, size_t block_bytes, bool first, float* out, size_t out_stride) {
  if (first) zero_sums<kTiles>();
  else load_sums<kTiles>(out, out_stride);
  add_products<kTiles>(weights, units, rows, block_bytes);
  store_sums<kTiles>(out, out_stride);
}

template <class F>
void tall_panel(const uint8_t* panel, int32_t units, const PreparedRows& input, int32_t tiles, float* out, size_t out_stride, uint8_t* scratch) {
  Expansion<F> expansion(panel, kTallAheadBytes);
  const int32_t pairs = (tiles + 1) / 2;
  uint8_t* current = scratch;
  uint8_t* next = scratch + kTallBlockUnits * kUnitBytes;
  int32_t count = units < kTallBlockUnits ? units : kTallBlockUnits;
  expansion.some(2 * count, current);
  for (int32_t first = 0; first < units;) {
    const int32_t left = units - first - count;
    const int32_t next_count = left < kTallBlockUnits ? left : kTallBlockUnits;
    int32_t expanded = 0;
    for (int32_t pair = 0; pair < pairs; ++pair) {
      const int32_t until = 2 * next_count * (pair + 1) / pairs;
      expansion.some(until - expanded, next + static_cast<size_t>(expanded) * kTileBytes);
      expanded = until;
      const uint8_t* rows = input.tiles + static_cast<size_t>(2 * pair) * input.tile_bytes + static_cast<size_t>(first) * input.block_bytes;
      float* to = out + static_cast<size_t>(2 * pair * kTileRows) * out_stride;
      const RowPair both = {rows, rows + input.tile_bytes};
      if (2 * pair + 1 < tiles) add_block<2>(current, count, both, input.block_bytes, first == 0, to, out_stride);
      else add_block<1>(current, count, both, input.block_bytes, first == 0, to, out_stride);
    }
    first += count;
    count = next_count;
    uint8_t* const done = current;
    current = next;
    next = done;
  }
}

/**
 * `row_count` rows of a panel, of which `out` takes whole tiles (short batches: as many rows as tiles were configured with).
 * `scratch`: kLinearScratchFloats.
 */
template <DType kDType>
void tile_panel(const uint8_t* panel, int32_t units, const PreparedRows& input, int32_t row_count, float* out, size_t out_stride, uint8_t* scratch) {
  using F = Packed<kDType>;
  const int32_t tiles = (row_count + kTileRows - 1) / kTileRows;
  if (tiles == 1) short_panel<F, 1>(panel, units, input, out, out_stride, scratch);
  else if (tiles == 2) short_panel<F, 2>(panel, units, input, out, out_stride, scratch);
  else tall_panel<F>(panel, units, input, tiles, out, out_stride, scratch);
}

void tile_panel_of(DType dtype, const uint8_t* panel, int32_t units, const PreparedRows& input, int32_t row_count, float* out, size_t out_stride,
                   uint8_t* scratch) {
  switch (dtype) {
    case DType::kQ8_0: return tile_panel<DType::kQ8_0>(panel, units, input, row_count, out, out_stride, scratch);
    case DType::kQ4_0: return tile_panel<DType::kQ4_0>(panel, units, input, row_count, out, out_stride, scratch);
    case DType::kQ4_1: return tile_panel<DType::kQ4_1>(panel, units, input, row_count, out, out_stride, scratch);
    case DType::kQ5_0: return tile_panel<DType::kQ5_0>(panel, units, input, row_count, out, out_stride, scratch);
    case DType::kQ5_1: return tile_panel<DType::kQ5_1>(panel, units, input, row_count, out, out_stride, scratch);
    case DType::kQ2_K: return tile_panel<DType::kQ2_K>(panel, units, input, row_count, out, out_stride, scratch);
    case DType::kQ3_K: return tile_panel<DType::kQ3_K>(panel, units, input, row_count, out, out_stride, scratch);
    case DType::kQ4_K: return tile_panel<DType::kQ4_K>(panel, units, input, row_count, out, out_stride, scratch);
    case DType::kQ5_K: return tile_panel<DType::kQ5_K>(panel, units, input, row_count, out, out_stride, scratch);
    case DType::kQ6_K: return tile_panel<DType::kQ6_K>(panel, units, input, row_count, out, out_stride, scratch);
    default: return;
  }
}

}  // namespace
}  // namespace octavo
