// The table of kernels that each instruction set fills in, and their arguments.
#pragma once

#include "../layout.h"

namespace octavo {

/** One linear operation over rows of activations. */
struct LinearJob {
  const Matrix* weight;
  const float* bias;  // null: none
  const float* input;  // rows of floats; null where only `quantized` is needed
  size_t input_stride;
  QuantizedRows quantized;  // of the input, for quantised weights
  float* out;
  size_t out_stride;
};

/** Rotation of one row: `cosine` and `sine` hold rotary_dim / 2 entries for the row's position. */
struct RopeJob {
  int32_t head_count;
  int32_t head_size;
  int32_t rotary_dim;
  bool interleaved;
  const float* cosine;
  const float* sine;
};

/** Attention of up to `max_rows` (token, head) rows of one sequence and one K/V head over one piece of its context. */
struct AttentionPiece {
  const KvPool* pool;
  int32_t layer;
  int32_t kv_head;
  const int32_t* block_table;
  float scale;
  int32_t row_count;
  const float* const* queries;  // [row_count] head vectors
  const int32_t* begins;  // [row_count] first position attended
  const int32_t* ends;  // [row_count] one past the last
  int32_t piece;  // index: positions piece * kAttentionPiece ...
  // Results; rows whose range misses the piece are left untouched and their `touched` is 0.
  float* maxima;  // [row_count]
  float* sums;  // [row_count]
  float* outs;  // [row_count][out_stride]
  size_t out_stride;  // head_size rounded up to 16
  bool* touched;  // [row_count]
  float* scratch;  // attention_scratch_floats
};

struct Kernels {
  const char* name;
  /** Rows of (token, head) that one attention task may hold. */
  int32_t attention_rows;
  /** Computes 32 outputs (panel) of rows [first_row, last_row); first_row is a multiple of kLinearRowStep. `scratch`: linear_scratch_floats(row count). */
  void (*linear_panel)(const LinearJob& job, int32_t panel, int32_t first_row, int32_t last_row, float* scratch);
  /** Writes a row into slot `slot` of a tile; `halves`: with the sums over 16 columns. */
  void (*quantize_row)(const float* input, int32_t columns, uint8_t* tile, int32_t slot, bool halves);
  /** out = input / sqrt(mean(input^2) + epsilon) * weight over `count` slices of `width`. */
  void (*rms_norm_row)(const float* input, const float* weight, float epsilon, int32_t count, int32_t width, float* out);
  void (*gated_silu_row)(const float* gate, const float* up, int32_t width, float* out);
  void (*add_row)(float* target, const float* addend, int32_t width);
  void (*rope_row)(const RopeJob& job, float* row);
  void (*write_kv_row)(const KvPool& pool, int32_t layer, int32_t slot, const float* key, const float* value);
  void (*attention_piece)(const AttentionPiece& piece);
  /** Folds a piece's result into a running one: (max, sum, out). */
  void (*attention_merge)(float* running_max, float* running_sum, float* running_out, float max, float sum, const float* out,
                          int32_t head_size, bool first);
  /** out = running_out / running_sum. */
  void (*attention_finish)(const float* running_out, float running_sum, int32_t head_size, float* out);
};

constexpr int32_t kMaxAttentionRows = 16;

/** Work on linears is split over rows in multiples of this: whole tiles of every kernel. */
constexpr int32_t kLinearRowStep = 24;
static_assert(kLinearRowStep % kTileRows == 0, "rows are split between tiles");

/** Floats of a piece of a panel in a form made for many rows. */
constexpr size_t kLinearScratchFloats = static_cast<size_t>(kPieceColumns) * kPanelRows;
/** Per-thread floats that linear_panel needs for one call over at most `rows` rows. */
inline constexpr size_t linear_scratch_floats(size_t rows) { return kLinearScratchFloats + rows * kPanelRows + 256; }
inline constexpr size_t attention_scratch_floats(size_t head_size) {
  return static_cast<size_t>(kMaxAttentionRows) * (kAttentionPiece + 32 + round_up(head_size, 16));
}

const Kernels& portable_kernels();
/** Linked on x86-64 only; call them only where the machine has the instructions. */
const Kernels& avx2_kernels();
const Kernels& avx512_kernels();

}  // namespace octavo
