// The kernels of AVX-512 with all products of quantised weights on the tiles of AMX (TILE, BF16), rows in bf16.
#include "kernels.h"

#include "../amx_support.h"

#ifdef OCTAVO_AMX
#include "linear_amx.h"

namespace octavo {
namespace {

/** Of short batches, tiles have the rows that there are: fewer take less time. */
void begin_linear(int32_t rows) {
  if (rows <= kTileRows) configure_tiles(rows, kTileRows);
  else if (rows < 2 * kTileRows) configure_tiles(kTileRows, rows - kTileRows);
  else configure_tiles(kTileRows, kTileRows);
}

void end_linear(int32_t) { release_tiles(); }

void linear_panel(const LinearJob& job, int32_t panel, int32_t first_row, int32_t last_row, float* scratch) {
  const Matrix& matrix = *job.weight;
  if (!is_quantized(matrix.dtype)) return avx512_kernels().linear_panel(job, panel, first_row, last_row, scratch);
  const int32_t rows = last_row - first_row;
  const PanelOutput output = panel_output(job, panel, first_row, scratch, true);
  PreparedRows input = job.prepared;
  input.tiles += static_cast<size_t>(first_row / kTileRows) * input.tile_bytes;
  tile_panel_of(matrix.dtype, matrix.data + static_cast<size_t>(panel) * matrix.panel_bytes, matrix.columns / kQuantBlock, input, rows, output.out,
                output.stride, reinterpret_cast<uint8_t*>(scratch));
  finish_panel(output, rows);
}

void prepare_row(const float* input, int32_t columns, uint8_t* tile, int32_t slot, RowForm form) {
  (void)form;
  uint8_t* to = tile + slot * 64;
  for (int32_t column = 0; column < columns; column += kQuantBlock, to += kTileBytes) {
    b_store(to, to_bf16(v_load(input + column), v_load(input + column + 16)));
  }
}

}  // namespace

const Kernels& amx_kernels() {
  static const Kernels kernels = [] {
    Kernels made = avx512_kernels();
    made.name = "amx";
    made.bf16_tiles = true;
    made.begin_linear = begin_linear;
    made.end_linear = end_linear;
    made.linear_panel = linear_panel;
    made.prepare_row = prepare_row;
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
