// The kernels of AVX-512 with products of tall batches on the tiles of AMX (TILE, INT8).
#include "kernels.h"

#include "../amx_support.h"

#ifdef OCTAVO_AMX
#include "amx_one_tile.h"
#include "linear_amx.h"

namespace octavo {
namespace {

/** From this many rows on, or beyond whole tiles, a tile is quicker than the vector dot product. */
constexpr int32_t kLeastTileRows = 9;

void configure_tiles() {
  alignas(64) uint8_t config[64] = {};
  const auto set = [&config](int tile, int rows, int row_bytes) {
    config[16 + 2 * tile] = static_cast<uint8_t>(row_bytes);
    config[48 + tile] = static_cast<uint8_t>(rows);
  };
  config[0] = 1;
  set(0, kTileRows, kGroupRows * 4);
  set(1, kTileRows, kGroupRows * 4);
  set(2, kTileRows, kQuantBlock);
  set(3, kTileRows, kQuantBlock / 2);
  set(4, kQuantBlock / 4, kGroupRows * 4);
  set(5, kQuantBlock / 8, kGroupRows * 4);
  asm volatile("ldtilecfg (%0)" ::"r"(config) : "memory");
}

void release_tiles() { asm volatile("tilerelease" ::: "memory"); }

void begin_linear(int32_t rows) {
  if (rows >= kLeastTileRows) configure_tiles();
}

void end_linear(int32_t rows) {
  if (rows >= kLeastTileRows) release_tiles();
}

void linear_panel(const LinearJob& job, int32_t panel, int32_t first_row, int32_t last_row, float* scratch) {
  const Matrix& matrix = *job.weight;
  int32_t rows = last_row - first_row;
  if (rows % kTileRows < kLeastTileRows) rows -= rows % kTileRows;
  if (!is_quantized(matrix.dtype)) rows = 0;
  if (rows > kTileRows) {
    const PanelOutput output = panel_output(job, panel, first_row, scratch, true);
    tile_panel_of<false>(matrix.dtype, matrix.data + static_cast<size_t>(panel) * matrix.panel_bytes, matrix.columns / kQuantBlock,
                         quantized_from(job, first_row), rows, output, reinterpret_cast<uint8_t*>(scratch));
    if (!output.only_copied()) finish_panel(output, rows);
  } else if (rows > 0) {
    amx_one_tile_panel(job, panel, first_row, rows, scratch);
  }
  if (first_row + rows < last_row) avx512_kernels().linear_panel(job, panel, first_row + rows, last_row, scratch);
}

}  // namespace

const Kernels& amx_kernels() {
  static const Kernels kernels = [] {
    Kernels made = avx512_kernels();
    made.name = "amx";
    made.begin_linear = begin_linear;
    made.end_linear = end_linear;
    made.linear_panel = linear_panel;
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
