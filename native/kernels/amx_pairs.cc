#include "amx_pairs.h"

#include "../amx_support.h"

#ifdef OCTAVO_AMX
#include "linear_amx_pairs.h"

namespace octavo {

void amx_pair_panel(const LinearJob& job, int32_t panel, int32_t first_row, int32_t row_count, float* scratch) {
  const Matrix& matrix = *job.weight;
  // Whole tiles of rows are stored: of a last one that has fewer, beside others, that is done aside.
  const PanelOutput output = panel_output(job, panel, first_row, scratch, row_count > kTileRows && row_count % kTileRows != 0);
  pair_panel_on_tiles(matrix.data + static_cast<size_t>(panel) * matrix.panel_bytes, ceil_div(matrix.columns, kQuantBlock), split_from(job, first_row), row_count, output.out, output.stride);
  finish_panel(output, row_count);
}

void amx_split_row(const float* input, int32_t columns, uint8_t* tile, int32_t slot) { split_row(input, columns, tile, slot); }

}  // namespace octavo
#endif
