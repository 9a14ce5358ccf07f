// Products of BF16 weights on tiles of AMX: apart from those of bytes, whose loops compilers else make worse.
#pragma once

#include "kernels.h"

namespace octavo {

/** As Kernels::linear_panels of one panel of a BF16 weight in pairs; the tiles are configured for pairs. */
void amx_pair_panel(const LinearJob& job, int32_t panel, int32_t first_row, int32_t row_count, float* scratch);

/** As Kernels::split_row. */
void amx_split_row(const float* input, int32_t columns, uint8_t* tile, int32_t slot);

}  // namespace octavo
