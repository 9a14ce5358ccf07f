#include "amx_blocks.h"

#include "../amx_support.h"

#ifdef OCTAVO_AMX
#include "linear_amx_blocks.h"

namespace octavo {

namespace {

/** Between the outputs of panels that are computed together. */
constexpr size_t kSharedFloats = static_cast<size_t>(kBlockSharedRows) * kPanelRows;
static_assert(kPanelsAtOnce * kSharedFloats <= kLinearScratchFloats, "outputs fit the scratch");

template <DType kDType>
void block_panels(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t row_count, float* scratch) {
  if (row_count > kBlockSharedRows && count > 1) {
    for (int32_t i = 0; i < count; ++i) block_panels<kDType>(job, panel + i, 1, first_row, row_count, scratch);
    return;
  }
  const Matrix& matrix = *job.weight;
  PanelOutput outputs[kPanelsAtOnce];
  for (int32_t i = 0; i < count; ++i) {
    outputs[i] = panel_output(job, panel + i, first_row, scratch, true);
    if (row_count <= kBlockSharedRows) outputs[i].out = scratch + static_cast<size_t>(i) * kSharedFloats;
  }
  const BlockPanels panels = {matrix.data + static_cast<size_t>(panel) * matrix.panel_bytes, matrix.panel_bytes, count, matrix.columns / kBlockColumns,
                              quantized_from(job, first_row), row_count, outputs};
  Blocks<Packed<kDType>>(panels).run();
  for (int32_t i = 0; i < count; ++i) finish_panel(outputs[i], row_count);
}

}  // namespace

void amx_block_panels(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t row_count, float* scratch) {
  switch (job.weight->dtype) {
    case DType::kQ3_K: return block_panels<DType::kQ3_K>(job, panel, count, first_row, row_count, scratch);
    case DType::kQ4_K: return block_panels<DType::kQ4_K>(job, panel, count, first_row, row_count, scratch);
    case DType::kQ5_K: return block_panels<DType::kQ5_K>(job, panel, count, first_row, row_count, scratch);
    case DType::kQ6_K: return block_panels<DType::kQ6_K>(job, panel, count, first_row, row_count, scratch);
    default: return;
  }
}

}  // namespace octavo
#endif
