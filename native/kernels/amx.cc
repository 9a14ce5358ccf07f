// The kernels of AVX-512 with products on the tiles of AMX (TILE, INT8, BF16): of tall batches, and of BF16 weights.
#include "kernels.h"

#include "../amx_support.h"

#ifdef OCTAVO_AMX
#include <algorithm>

#include "amx_blocks.h"
#include "amx_few_tiles.h"
#include "amx_pairs.h"
#include "linear_amx.h"

namespace octavo {
namespace {

/** From this many rows on, or beyond whole tiles, a tile is quicker than the vector dot product. */
constexpr int32_t least_tile_rows(DType dtype) { return takes_turns(dtype) ? kLeastTileRows : kLeastTileRows + 1; }

/** The shapes that a thread's tiles have (kBytes: of 32 and 16 columns, kWhole: of 64 bytes), and how many rows of activations where that varies. */
struct TileShapes {
  enum Kind { kNone, kBytes, kWhole } kind;
  int32_t rows;

  bool operator==(const TileShapes& other) const { return kind == other.kind && rows == other.rows; }
};
thread_local TileShapes configured = {TileShapes::kNone, 0};

void configure_tiles(const TileShapes& shapes) {
  if (configured == shapes) return;
  configured = shapes;
  alignas(64) uint8_t config[64] = {};
  const auto set = [&config](int tile, int rows, int row_bytes) {
    config[16 + 2 * tile] = static_cast<uint8_t>(row_bytes);
    config[48 + tile] = static_cast<uint8_t>(rows);
  };
  config[0] = 1;
  if (shapes.kind == TileShapes::kWhole) {
    for (int tile = 0; tile < 6; ++tile) set(tile, shapes.rows, 64);
    for (int tile = 6; tile < 8; ++tile) set(tile, kTileRows, 64);
  } else {
    set(0, shapes.rows, kGroupRows * 4);
    set(1, shapes.rows, kGroupRows * 4);
    set(2, shapes.rows, kQuantBlock);
    set(3, shapes.rows, kQuantBlock / 2);
    set(4, kQuantBlock / 4, kGroupRows * 4);
    set(5, kQuantBlock / 8, kGroupRows * 4);
  }
  asm volatile("ldtilecfg (%0)" ::"r"(config) : "memory");
}

/** Other threads and other code never carry the tiles' state. */
void release_tiles() {
  if (configured.kind == TileShapes::kNone) return;
  configured = {TileShapes::kNone, 0};
  asm volatile("tilerelease" ::: "memory");
}

/** Rows of a quantised weight that go through tiles; the rest goes through vectors. */
int32_t tiled_rows_of(DType dtype, int32_t rows) {
  if (!is_quantized(dtype)) return 0;
  // What is expanded serves one more tile for little.
  if (sums_blocks(dtype) && rows >= least_tile_rows(dtype)) return rows;
  return rows % kTileRows < least_tile_rows(dtype) ? rows - rows % kTileRows : rows;
}

void linear_panels(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t last_row, float* scratch) {
  const Matrix& matrix = *job.weight;
  if (matrix.paired) {
    // A product takes as long as its tile has rows.
    configure_tiles({TileShapes::kWhole, std::min(last_row - first_row, kTileRows)});
    for (int32_t i = panel; i < panel + count; ++i) amx_pair_panel(job, i, first_row, last_row - first_row, scratch);
    return;
  }
  const int32_t rows = tiled_rows_of(matrix.dtype, last_row - first_row);
  if (rows > 0 && sums_blocks(matrix.dtype)) {
    configure_tiles({TileShapes::kWhole, std::min(rows, kTileRows)});
    return amx_block_panels(job, panel, count, first_row, rows, scratch);
  }
  // No higher than the batch, in the steps that the loops are made for.
  if (rows > 0) configure_tiles({TileShapes::kBytes, padded_rows(rows)});
  if (rows > 0 && rows <= few_rows_of(matrix.dtype)) {
    amx_few_tiles_panels(job, panel, count, first_row, rows, scratch);
  } else if (rows > 0) {
    tile_panels<false>(job, panel, count, first_row, rows, scratch);
  }
  if (first_row + rows < last_row) avx512_kernels().linear_panels(job, panel, count, first_row + rows, last_row, scratch);
}

/** A few tiles of rows share among panels what they read of the activations. */
int32_t panels_at_once(const Matrix& matrix, int32_t rows) {
  const int32_t tiled = tiled_rows_of(matrix.dtype, rows);
  const int32_t sharing = sums_blocks(matrix.dtype) ? kBlockSharedRows : takes_turns(matrix.dtype) ? few_rows_of(matrix.dtype) : 0;
  return tiled > 0 && tiled <= sharing ? kPanelsAtOnce : 1;
}

}  // namespace

const Kernels& amx_kernels() {
  static const Kernels kernels = [] {
    Kernels made = avx512_kernels();
    made.name = "amx";
    made.end_linear = release_tiles;
    made.linear_panels = linear_panels;
    made.panels_at_once = panels_at_once;
    made.signed_bytes = true;
    made.split_row = amx_split_row;
    return made;
  }();
  return kernels;
}

}  // namespace octavo
#else
namespace octavo {

const Kernels& amx_kernels() { return avx512_kernels(); }

}  // namespace octavo
#endif
