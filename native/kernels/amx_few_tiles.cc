#include "amx_few_tiles.h"

#include "../amx_support.h"

#ifdef OCTAVO_AMX
#include "linear_amx.h"
#include "linear_amx_direct.h"

namespace octavo {

namespace {

/** Bytes as they lie, all panels at once. `scratch` holds the accumulators. */
void bytes_as_they_lie(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t row_count, float* scratch) {
  static_assert(kPanelsAtOnce * 2 * kTileFloats <= kLinearScratchFloats, "accumulators fit the scratch");
  const Matrix& matrix = *job.weight;
  PanelOutput outputs[kPanelsAtOnce];
  for (int32_t i = 0; i < count; ++i) outputs[i] = panel_output(job, panel + i, first_row, scratch, true);
  const int32_t units = matrix.columns / kQuantBlock;
  const DirectPanels panels = {matrix.data + static_cast<size_t>(panel) * matrix.panel_bytes, matrix.panel_bytes, count, units, turn_units_of(units),
                               quantized_from(job, first_row), (row_count + kTileRows - 1) / kTileRows};
  Direct(panels, row_count, outputs, scratch).run();
}

}  // namespace

void amx_few_tiles_panels(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t row_count, float* scratch) {
  const Matrix& matrix = *job.weight;
  if (matrix.dtype == DType::kQ8_0) return bytes_as_they_lie(job, panel, count, first_row, row_count, scratch);
  for (int32_t i = panel; i < panel + count; ++i) {
    const PanelOutput output = panel_output(job, i, first_row, scratch, true);
    tile_panel_of<true>(matrix.dtype, matrix.data + static_cast<size_t>(i) * matrix.panel_bytes, matrix.columns / kQuantBlock, quantized_from(job, first_row),
                        row_count, output, reinterpret_cast<uint8_t*>(scratch));
    if (!output.only_copied()) finish_panel(output, row_count);
  }
}

}  // namespace octavo
#endif
