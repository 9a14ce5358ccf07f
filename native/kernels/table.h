// Defines the kernel table of the translation unit that includes it. OCTAVO_KERNELS names the function.
#pragma once

#include "attention.h"
#include "kv_write.h"
#include "linear.h"
#include "rows.h"

namespace octavo {

const Kernels& OCTAVO_KERNELS() {
  static constexpr Kernels kernels = {
      OCTAVO_KERNELS_NAME, kAttentionTileRows, linear_panels,
      quantize_row,        rms_norm_row,       gated_silu_row,
      gated_silu_block,    add_row,            rope_row,
      write_kv_row,        attention_pack,     attention_piece,
      attention_fold,      attention_finish,
  };
  return kernels;
}

}  // namespace octavo
