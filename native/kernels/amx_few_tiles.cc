#include "amx_few_tiles.h"

#include "../amx_support.h"

#ifdef OCTAVO_AMX
#include "linear_amx.h"
#include "linear_amx_direct.h"

namespace octavo {

void amx_few_tiles_panel(const LinearJob& job, int32_t panel, int32_t first_row, int32_t row_count, float* scratch) {
  const Matrix& matrix = *job.weight;
  const PanelOutput output = panel_output(job, panel, first_row, scratch, true);
  const QuantizedRows input = quantized_from(job, first_row);
  const uint8_t* data = matrix.data + static_cast<size_t>(panel) * matrix.panel_bytes;
  const int32_t units = matrix.columns / kQuantBlock;
  if (matrix.dtype != DType::kQ8_0) tile_panel_of<true>(matrix.dtype, data, units, input, row_count, output, reinterpret_cast<uint8_t*>(scratch));
  else if (row_count <= kTileRows) direct_panel<true>(data, units, input, row_count, output);
  else direct_panel<false>(data, units, input, row_count, output);
  if (!output.only_copied()) finish_panel(output, row_count);
}

}  // namespace octavo
#endif
