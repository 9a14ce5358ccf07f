// The kernels of AVX-512 for AMD's Zen 4 and 5 (prefers_bf16_dots in processor.h): products of BF16 weights by vdpbf16ps, those of quantised weights and attention as these processors like them.
#define OCTAVO_ZEN
#include <cstring>

#include "kernels.h"

// The first compilers with avx512bf16.
#if defined(__AVX512BF16__)
#include "attention.h"
#include "linear.h"
#include "linear_bf16.h"
#include "panel_output.h"

namespace octavo {
namespace {

void pair_rows(const LinearJob& job, int32_t panel, int32_t first_row, int32_t last_row, float* scratch) {
  const Matrix& matrix = *job.weight;
  const int32_t rows = last_row - first_row;
  // Outputs are read and written once for every piece of the columns.
  const PanelOutput output = panel_output(job, panel, first_row, scratch, rows > kPairTileRows);
  pair_panel(matrix.data + static_cast<size_t>(panel) * matrix.panel_bytes, ceil_div(matrix.columns, kQuantBlock), split_from(job, first_row), rows, output.out, output.stride);
  finish_panel(output, rows);
}

/**
 * The third cache brings activations soon enough; what more rows cost is that their outputs, to which pieces of columns come back, leave the first one. Of 512 rows, against passes of as many as have
 * 2 MiB of activations: Q4_0 with 8,192 columns 0.94 to 0.96, Q4_K with 2,048 0.95 to 0.97 (with 8,192, where more come back more often, 1.04 to 1.06: hence not those), F16 0.97 to 0.98.
 */
int32_t most_rows(const Matrix& matrix) {
  constexpr int32_t kFew = 144, kMany = 288, kManyColumns = 4096;
  return matrix.paired || (sums_blocks(matrix.dtype) && matrix.columns > kManyColumns) ? kFew : kMany;
}

void panels(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t last_row, float* scratch) {
  if (!job.weight->paired) return linear_panels(job, panel, count, first_row, last_row, scratch);
  for (int32_t i = panel; i < panel + count; ++i) pair_rows(job, i, first_row, last_row, scratch);
}

}  // namespace

const Kernels& avx512_bf16_kernels() {
  static const Kernels kernels = [] {
    Kernels made = avx512_kernels();
    made.name = "avx512bf16";
    made.linear_panels = panels;
    made.attention_piece = attention_piece;
    made.split_row = round_row;
    made.split_parts = 1;
    made.most_rows = most_rows;
    made.streams_outputs = true;
    made.end_linear = [] { end_streams(); };
    return made;
  }();
  return kernels;
}

bool has_bf16_kernels() { return true; }

}  // namespace octavo
#else
namespace octavo {

const Kernels& avx512_bf16_kernels() { return avx512_kernels(); }
bool has_bf16_kernels() { return false; }

}  // namespace octavo
#endif
