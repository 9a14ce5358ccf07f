// Products on tiles of AMX with at most one tile of rows: apart from taller ones, whose loops compilers else make worse.
#pragma once

#include "kernels.h"

namespace octavo {

/** As Kernels::linear_panel, of a quantised weight and at most kTileRows rows; the tiles are configured for bytes. */
void amx_one_tile_panel(const LinearJob& job, int32_t panel, int32_t first_row, int32_t row_count, float* scratch);

}  // namespace octavo
