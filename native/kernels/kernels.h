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
  SplitRows split;  // of the input, for BF16 weights where Kernels::split_row is there
  float* out;  // of row `out_row` and panel `out_panel`
  size_t out_stride;
  int32_t out_row;
  int32_t out_panel;
  PanelMaxima maxima;  // if wanted, whole panels go past the caches; there is no bias then, and rows of `out` begin lines
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

/** Rows that one call of attention_piece may hold: a multiple of every instruction set's register tile. */
constexpr int32_t kMaxAttentionRows = 96;

/** Attention of up to kMaxAttentionRows (token, head) rows of one K/V head over one piece of a context that they share. */
struct AttentionPiece {
  const KvPool* pool;
  int32_t layer;
  int32_t kv_head;
  const int32_t* block_table;
  int32_t row_count;
  const float* queries;  // as attention_pack left them
  const int32_t* begins;  // [row_count] first position attended
  const int32_t* ends;  // [row_count] one past the last
  int32_t piece;  // index: positions piece * kAttentionPiece ...
  int32_t next_piece;  // whose keys are fetched ahead, with next_kv_head; -1: none
  int32_t next_kv_head;
  // Results; of rows whose range misses the piece `touched` is 0 and nothing else is meaningful.
  float* maxima;  // [row_count]
  float* sums;  // [row_count]
  float* const* outs;  // [row_count], each of head_size rounded up to 16
  bool* touched;  // [row_count]
  float* scratch;  // attention_scratch_floats
};

/** Results of a piece, to be folded into those of the pieces before it. Before the first piece: -infinity, 0 and 0. */
struct AttentionFold {
  int32_t row_count;
  const bool* touched;  // [row_count]; null: all
  const float* maxima;  // [row_count], readable up to a multiple of 16, as running_maxima
  const float* sums;
  const float* outs;  // [row_count][stride]
  float* running_maxima;
  float* running_sums;
  float* running_outs;  // [row_count][stride]
  size_t stride;  // head_size rounded up to 16
};

struct Kernels {
  const char* name;
  /** (token, head) rows of one register tile of attention_piece. */
  int32_t attention_tile_rows;
  /**
   * Computes the 32 outputs of each of `count` panels, at most kPanelsAtOnce, of rows [first_row, last_row); first_row is a multiple of kTileRows, as kLinearRowStep is.
   * `scratch`: linear_scratch_floats(row count).
   */
  void (*linear_panels)(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t last_row, float* scratch);
  /** Writes a row into slot `slot` of a tile; `columns` is a multiple of 32, or of 256 in blocks. */
  void (*quantize_row)(const float* input, int32_t columns, uint8_t* tile, int32_t slot, Quantization quantization);
  /** out = input / sqrt(mean(input^2) + epsilon) * weight over `count` slices of `width`. */
  void (*rms_norm_row)(const float* input, const float* weight, float epsilon, int32_t count, int32_t width, float* out);
  void (*gated_silu_row)(const float* gate, const float* up, int32_t width, float* out);
  /**
   * The same for 32 columns of up to kTileRows rows, quantised into a block of a tile, from its first slot on: rows of 32 of the gate and 32 of what it lets through,
   * `stride` floats apart. Of a row with an infinity or NaN, the block's scale becomes NaN.
   */
  void (*gated_silu_block)(const float* pairs, size_t stride, int32_t rows, uint8_t* block, bool halves);
  void (*add_row)(float* target, const float* addend, int32_t width);
  void (*rope_row)(const RopeJob& job, float* row);
  void (*write_kv_row)(const KvPool& pool, int32_t layer, int32_t slot, const float* key, const float* value);
  /** Lays out the queries of rows, times `scale`, for attention_piece: attention_query_floats. */
  void (*attention_pack)(const float* const* queries, int32_t row_count, int32_t head_size, float scale, float* packed);
  void (*attention_piece)(const AttentionPiece& piece);
  void (*attention_fold)(const AttentionFold& fold);
  /** out = running_out * factor / running_sum; the factor is a power of two. */
  void (*attention_finish)(const float* running_out, float running_sum, float factor, int32_t head_size, float* out);
  /** Called by a thread after its calls of linear_panels, which may leave state in the processor; null: they do not. */
  void (*end_linear)() = nullptr;
  /** How many panels linear_panels should be given at a time; null: one. */
  int32_t (*panels_at_once)(const Matrix& matrix, int32_t rows) = nullptr;
  /** The most rows that pass over the panels of a matrix together; null: as many as have activations of kResidentBytes. */
  int32_t (*most_rows)(const Matrix& matrix) = nullptr;
  /** Large outputs that are read once, long after, are better not brought into the caches: LinearJob::maxima. end_linear then orders what was stored. */
  bool streams_outputs = false;
  /** Q8_0 matrices are packed with signed bytes. */
  bool signed_bytes = false;
  /**
   * Writes a row into slot `slot` of a tile of split activations, as much of it as products of BF16 weights read, whose matrices are packed in pairs of columns (layout.h);
   * null: such products take floats.
   */
  void (*split_row)(const float* input, int32_t columns, uint8_t* tile, int32_t slot) = nullptr;
  /** Parts of split activations that there are: one or two. */
  int32_t split_parts = 2;
};

/** About half of a second-level cache. */
constexpr size_t kResidentBytes = size_t{1} << 20;

/** The most panels that one call of linear_panels takes. */
constexpr int32_t kPanelsAtOnce = 4;

/** Work on linears is split over rows in multiples of this: whole tiles of every kernel. */
constexpr int32_t kLinearRowStep = 48;
static_assert(kLinearRowStep % kTileRows == 0, "rows are split between tiles");

/** Floats of a piece of a panel in a form made for many rows. */
constexpr size_t kLinearScratchFloats = static_cast<size_t>(kPieceColumns) * kPanelRows;
/** Per-thread floats that linear_panels needs for one call over at most `rows` rows. */
inline constexpr size_t linear_scratch_floats(size_t rows) { return kLinearScratchFloats + round_up(rows, kTileRows) * kPanelRows + 256; }
inline constexpr size_t attention_query_floats(size_t head_size) { return static_cast<size_t>(kMaxAttentionRows) * head_size + 16; }
/** Scores of the rows, the scales of the piece's keys and values, and the keys or values that are decoded at a time. */
inline constexpr size_t attention_scratch_floats(size_t head_size) {
  const size_t sixteen = 16 * round_up(head_size, 16);
  return static_cast<size_t>(kMaxAttentionRows) * (kAttentionPiece + 32) + 2 * kAttentionPiece + (sixteen > 4096 ? sixteen : 4096) + 64;
}

const Kernels& portable_kernels();
/** Linked on x86-64 only; call them only where the machine has the instructions. */
const Kernels& avx2_kernels();
const Kernels& avx512_kernels();
/** Those of AVX-512 with products of BF16 weights by vdpbf16ps; those of AVX-512 where the compiler does not know it. */
const Kernels& avx512_bf16_kernels();
bool has_bf16_kernels();
/** Those of AVX-512 with products on tiles; only after allow_amx() (amx_support.h). Without a compiler for them, those of AVX-512. */
const Kernels& amx_kernels();

}  // namespace octavo
