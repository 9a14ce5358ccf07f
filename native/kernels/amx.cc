// The kernels of AVX-512 with products of tall batches on the tiles of AMX (TILE, INT8).
#include "kernels.h"

#include "../amx_support.h"

#ifdef OCTAVO_AMX
#include "linear_amx.h"

namespace octavo {
namespace {

/** From this many rows on, or beyond whole tiles, a tile is quicker than the vector dot product. */
constexpr int32_t kLeastTileRows = 9;

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
  if (rows > 0) {
    const PanelOutput output = panel_output(job, panel, first_row, scratch, true);
    QuantizedRows input = job.quantized;
    input.tiles += static_cast<size_t>(first_row / kTileRows) * input.tile_bytes;
    tile_panel_of(matrix.dtype, matrix.data + static_cast<size_t>(panel) * matrix.panel_bytes, matrix.columns / kQuantBlock, input, rows, output,
                  reinterpret_cast<uint8_t*>(scratch));
    if (!output.only_copied()) finish_panel(output, rows);
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
