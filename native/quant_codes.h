// Taking stored blocks of the quantised formats apart into codes, scales and minima, and putting the codes into panels.
#pragma once

#include "dequantize.h"
#include "layout.h"

namespace octavo {

/** One stored block (32 or 256 columns): unsigned codes, and for each 32 columns what its unit holds. */
struct BlockCodes {
  uint8_t codes[256];
  uint16_t d;
  uint16_t m;  // minimum, or dmin of a super-block
  uint8_t scales[16];
  uint8_t mins[8];
};

/** Reads a stored block of a quantised dtype other than Q8_0. */
void take_apart(DType dtype, const uint8_t* block, BlockCodes* out);

}  // namespace octavo
