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
    // The third cache answers soon enough, and weights come from memory once in a pass: 512 rows of BF16 gain 2 to 4 % over half of the second cache, others nothing.
    made.resident_bytes = size_t{2} << 20;
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
