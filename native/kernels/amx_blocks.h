// Products on tiles of AMX of weights whose scales are integers: apart from others, whose loops compilers else make worse.
#pragma once

#include "kernels.h"

namespace octavo {

/** The most rows whose panels take turns over blocks of columns. */
constexpr int32_t kBlockSharedRows = 2 * kTileRows;

/** Kernels::linear_panels of a weight with integer scales; the tiles are kWhole (amx.cc). */
void amx_block_panels(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t row_count, float* scratch);

}  // namespace octavo
