// The kernels of AVX-512 with products on the tiles of AMX (TILE, INT8, BF16): of tall batches, and of BF16 weights.
#include "kernels.h"

#include "../amx_support.h"

#ifdef OCTAVO_AMX
#include "amx_few_tiles.h"
#include "amx_pairs.h"
#include "linear_amx.h"

namespace octavo {
namespace {

/** From this many rows on, or beyond whole tiles, a tile is quicker than the vector dot product. */
constexpr int32_t kLeastTileRows = 9;

/** The shapes that a thread's tiles have. */
enum class TileShapes { kNone, kBytes, kPairs };
thread_local TileShapes configured = TileShapes::kNone;

void configure_tiles(TileShapes shapes) {
  if (configured == shapes) return;
  configured = shapes;
  alignas(64) uint8_t config[64] = {};
  const auto set = [&config](int tile, int rows, int row_bytes) {
    config[16 + 2 * tile] = static_cast<uint8_t>(row_bytes);
    config[48 + tile] = static_cast<uint8_t>(rows);
  };
  config[0] = 1;
  if (shapes == TileShapes::kPairs) {
    for (int tile = 0; tile < 8; ++tile) set(tile, kTileRows, 64);
  } else {
    set(0, kTileRows, kGroupRows * 4);
    set(1, kTileRows, kGroupRows * 4);
    set(2, kTileRows, kQuantBlock);
    set(3, kTileRows, kQuantBlock / 2);
    set(4, kQuantBlock / 4, kGroupRows * 4);
    set(5, kQuantBlock / 8, kGroupRows * 4);
  }
  asm volatile("ldtilecfg (%0)" ::"r"(config) : "memory");
}

/** Other threads and other code never carry the tiles' state. */
void release_tiles() {
  if (configured == TileShapes::kNone) return;
  configured = TileShapes::kNone;
  asm volatile("tilerelease" ::: "memory");
}

void linear_panel(const LinearJob& job, int32_t panel, int32_t first_row, int32_t last_row, float* scratch) {
  const Matrix& matrix = *job.weight;
  int32_t rows = last_row - first_row;
  if (matrix.paired) {
    configure_tiles(TileShapes::kPairs);
    return amx_pair_panel(job, panel, first_row, rows, scratch);
  }
  if (rows % kTileRows < kLeastTileRows) rows -= rows % kTileRows;
  if (!is_quantized(matrix.dtype)) rows = 0;
  if (rows > 0) configure_tiles(TileShapes::kBytes);
  if (rows > few_rows_of(matrix.dtype)) {
    const PanelOutput output = panel_output(job, panel, first_row, scratch, true);
    tile_panel_of<false>(matrix.dtype, matrix.data + static_cast<size_t>(panel) * matrix.panel_bytes, matrix.columns / kQuantBlock,
                         quantized_from(job, first_row), rows, output, reinterpret_cast<uint8_t*>(scratch));
    if (!output.only_copied()) finish_panel(output, rows);
  } else if (rows > 0) {
    amx_few_tiles_panel(job, panel, first_row, rows, scratch);
  }
  if (first_row + rows < last_row) avx512_kernels().linear_panel(job, panel, first_row + rows, last_row, scratch);
}

}  // namespace

const Kernels& amx_kernels() {
  static const Kernels kernels = [] {
    Kernels made = avx512_kernels();
    made.name = "amx";
    made.end_linear = release_tiles;
    made.linear_panel = linear_panel;
    made.pairs_bf16 = true;
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
