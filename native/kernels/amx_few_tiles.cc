#include "amx_few_tiles.h"

#include "../amx_support.h"

#ifdef OCTAVO_AMX
#include "linear_amx.h"
#include "linear_amx_direct.h"

namespace octavo {

namespace {

/** All panels at once. `scratch` holds the accumulators. */
template <DType kDType, int kTiles>
void direct_panels(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t row_count, float* scratch) {
  static_assert(kPanelsAtOnce * 2 * kTileFloats <= kLinearScratchFloats, "accumulators fit the scratch");
  using F = DirectFormat<kDType>;
  const Matrix& matrix = *job.weight;
  PanelOutput outputs[kPanelsAtOnce];
  for (int32_t i = 0; i < count; ++i) {
    outputs[i] = panel_output(job, panel + i, first_row, scratch, true);
    outputs[i].out = scratch + static_cast<size_t>(i) * 2 * kTileFloats;
  }
  const int32_t units = matrix.columns / kQuantBlock;
  const DirectPanels panels = {matrix.data + static_cast<size_t>(panel) * matrix.panel_bytes, matrix.panel_bytes, count, units, turn_units_of<F>(units),
                               quantized_from(job, first_row)};
  alignas(64) uint8_t expanded[expanded_bytes<F>()];
  Direct<F, kTiles>(panels, row_count, outputs, expanded).run();
}

template <DType kDType>
void direct_rows(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t row_count, float* scratch) {
  if (row_count <= kTileRows) direct_panels<kDType, 1>(job, panel, count, first_row, row_count, scratch);
  else direct_panels<kDType, 2>(job, panel, count, first_row, row_count, scratch);
}

}  // namespace

void amx_few_tiles_panels(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t row_count, float* scratch) {
  if (job.weight->dtype == DType::kQ8_0) direct_rows<DType::kQ8_0>(job, panel, count, first_row, row_count, scratch);
  else if (job.weight->dtype == DType::kQ4_0) direct_rows<DType::kQ4_0>(job, panel, count, first_row, row_count, scratch);
  else tile_panels<true>(job, panel, count, first_row, row_count, scratch);
}

}  // namespace octavo
#endif
