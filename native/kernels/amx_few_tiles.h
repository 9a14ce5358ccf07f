// Products on tiles of AMX with few tiles of rows: apart from taller ones, whose loops compilers else make worse.
#pragma once

#include "kernels.h"

namespace octavo {

/** Formats whose panels take turns (linear_amx_direct.h). */
constexpr bool takes_turns(DType dtype) { return dtype == DType::kQ8_0 || dtype == DType::kQ4_0; }

/** The most rows that amx_few_tiles_panels takes of a quantised weight. Panels take turns up to two tiles, the most for which that pays. */
constexpr int32_t few_rows_of(DType dtype) { return (takes_turns(dtype) ? 2 : 1) * kTileRows; }

/** Kernels::linear_panels of a quantised weight and at most few_rows_of rows; the tiles are configured for bytes. */
void amx_few_tiles_panels(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t row_count, float* scratch);

}  // namespace octavo
