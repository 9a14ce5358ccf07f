// How matrices, quantised activations and the KV pool lie in memory.
//
// A weight matrix [rows, columns] is cut into panels of 32 output rows (the last one padded with zeros). A panel is
// one contiguous stream, read once per tile of activations, so that a single row of activations streams the matrix
// from its first byte to its last.
//
//   F32, F16, BF16     column 0: rows 0..31 | column 1: rows 0..31 | ...          one element each
//
//   BF16 in pairs      columns 0, 1: row 0, row 0 | row 1, row 1 | ...; columns 2, 3: ...      for vdpbf16ps and AMX (Kernels::split_row)
//
//   quantised          units of 32 columns in the operand order of vpdpbusd (quant_format.h)
//
// Activations of quantised weights are quantised too: int8 per 32 columns with an f32 scale. Sixteen rows form a tile (one
// of AMX), in which every 32 columns of all its rows lie together:
//
//   block of a tile    | int8 [16][32] | (scale f32, -128 sum i32) [16] | (-8 sum i32, scale * sum f32) [16] |
//   where a weight      ... | (scale * sum f32 [2]) [16] |      sums over columns 0..15 and 16..31
//   has halves (Q2_K)
//
// Weights whose scales are integers (Q3_K to Q6_K) are summed over 256 columns, for which their activations have one scale:
//
//   block of a tile    | int8 [16][256] | scale f32 [16] | -sum i32 [16][16] | sums i16 pair [4][16] |      over each 16 columns, and over each 32
//
// Of BF16 weights that are multiplied on AMX, activations are split into two bf16, whose sum keeps sixteen bits and more of them. Sixteen rows form a tile here too;
// columns up to a multiple of 32 are zero. For vdpbf16ps there are the larger parts alone (Kernels::split_parts):
//
//   block of a tile    | larger part: bf16 [16][32] | what it leaves: bf16 [16][32] |
//
// The sums turn unsigned codes into signed weights (they are the initial value of a block's accumulator) and carry the
// formats' minima.
//
// The KV pool: block -> layer -> K, then V, then scales, each kvHead after kvHead. K is [headSize][blockSize] (so that one
// vector holds one dimension of 16 consecutive positions), V is [blockSize][headSize]. Types with a scale for each token have
// it as bf16: a head's [blockSize] of K, then its [blockSize] of V. A byte of int4 holds two elements: of K dimensions
// 2 i (low half) and 2 i + 1, of V dimensions 32 g + i and 32 g + i + 16. Each of the three parts is padded to 4 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dtype.h"
#include "kv_type.h"
#include "quant_format.h"

namespace octavo {

constexpr int32_t kPanelRows = 32;
constexpr int32_t kGroupRows = 16;
constexpr int32_t kQuantBlock = 32;
constexpr int32_t kTileRows = 16;
/** Units (of kQuantBlock columns) of a block of a K-quant, and of activations that have one scale for it. */
constexpr int32_t kBlockUnits = 8;
/** Columns that the kernels expand at a time for many rows. */
constexpr int32_t kPieceColumns = 256;
/** Positions of one attention piece: softmax runs inside a piece, pieces are merged in ascending order. */
constexpr int32_t kAttentionPiece = 256;
/** Where recent tokens begin, of those that lie in a pool of their own, is a multiple of this; agingStep in src/program/aging.ts. */
constexpr int32_t kAgingStep = 64;
/** Bytes that may be read past the end of the pool and of activation rows: vectors are loaded whole. */
constexpr size_t kReadSlackBytes = 256;

inline constexpr size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }
inline constexpr int32_t ceil_div(int32_t value, int32_t by) { return (value + by - 1) / by; }
/** The size of the fewest parts of `count` (at least 1) that are no larger than `most`, as equal as can be; the last may be smaller. */
inline constexpr int32_t equal_part(int32_t count, int32_t most) { return ceil_div(count, ceil_div(count, most)); }

/** A packed weight matrix. `data` is 64-byte aligned. */
struct Matrix {
  DType dtype;
  int32_t rows;
  int32_t columns;
  int32_t panel_count;
  size_t panel_bytes;
  uint8_t* data;
  bool paired = false;  // BF16 in pairs of columns
  bool signed_bytes = false;  // codes of eight bits lie as code - 128
};

inline constexpr size_t panel_bytes_of(DType dtype, int32_t columns) {
  if (is_quantized(dtype)) {
    const QuantFormat format = quant_format_of(dtype);
    return static_cast<size_t>(columns / kQuantBlock / format.units_per_super) * format.super_bytes();
  }
  // Pairs of columns are multiplied by whole blocks of split activations.
  const size_t stored = dtype == DType::kBF16 ? round_up(static_cast<size_t>(columns), kQuantBlock) : static_cast<size_t>(columns);
  return round_up(stored * static_cast<size_t>(geometry_of(dtype).block_bytes) * kPanelRows, 64);
}

/**
 * Where a dot product starts counting: kDotBias + n, read as a float, is kDotBiasFloat + n exactly, for |n| < 2^22. No
 * conversion is needed, and fma(kDotBiasFloat + n, scale, -kDotBiasFloat * scale) is n * scale, rounded once.
 */
constexpr int32_t kDotBias = 0x4b400000;
constexpr float kDotBiasFloat = 12582912.0f;

/** Byte offsets inside one block of a tile of quantised activations. The tables of corrections start at kDotBias. */
constexpr size_t kTileScales = 512;
constexpr size_t kTileMinus128 = 516;
constexpr size_t kTileMinus8 = 640;
constexpr size_t kTileWeighted = 644;
constexpr size_t kTileWeightedHalves = 768;
/** From one row's entry of those tables to the next row's; a second half's entries lie 4 bytes after the first's. */
constexpr size_t kTileEntry = 8;

/** Columns, and byte offsets inside one block, of activations with one scale for 256 columns. */
constexpr int32_t kBlockColumns = kBlockUnits * kQuantBlock;
constexpr size_t kBlockScales = static_cast<size_t>(kTileRows) * kBlockColumns;
constexpr size_t kBlockMinusSums = kBlockScales + kTileRows * 4;
constexpr size_t kBlockPairSums = kBlockMinusSums + static_cast<size_t>(kBlockColumns / 16) * kTileRows * 4;
constexpr size_t kQuantizedBlockBytes = kBlockPairSums + static_cast<size_t>(kBlockUnits / 2) * kTileRows * 4;

/** How activations are quantised, numbered as src/backends/cpu/encoding.ts numbers it. */
enum class Quantization : int32_t {
  kPlain = 0,
  kHalves = 1,  // with sums of 16 columns
  kBlocks = 2,  // with one scale for 256
};
/** What weights of a format want. */
inline constexpr Quantization quantization_for(const QuantFormat& format) {
  if (format.has_integer_scales()) return Quantization::kBlocks;
  return format.halves() == 2 ? Quantization::kHalves : Quantization::kPlain;
}

inline constexpr size_t tile_block_bytes(bool halves) { return halves ? 896 : 768; }

/** A tile of so many rows or more may be worked on up to a multiple of kHeightStep rows; fewer are taken one by one. */
constexpr int32_t kLeastTileRows = 8;
constexpr int32_t kHeightStep = 4;
/** How many rows have to be there beside the first `rows` of a tile. */
constexpr int32_t padding_of(int32_t rows) { return rows < kLeastTileRows ? 0 : ceil_div(rows, kHeightStep) * kHeightStep - rows; }

/** Fills a block of a tile of which `rows` rows are there up with rows that count as zeros, whatever their quants are. */
inline void clear_slots(uint8_t* block, bool halves, int32_t rows) {
  const size_t padding = static_cast<size_t>(padding_of(rows));
  if (padding == 0) return;
  for (size_t table = kTileScales; table < tile_block_bytes(halves); table += static_cast<size_t>(kTileRows) * kTileEntry) {
    std::memset(block + table + static_cast<size_t>(rows) * kTileEntry, 0, padding * kTileEntry);
  }
}

/** Quantised activations: rows in tiles of kTileRows. */
struct QuantizedRows {
  uint8_t* tiles;
  size_t block_bytes;  // of 32 columns, or of 256
  size_t tile_bytes;
};

/** The share of one row in a buffer: a tile's bytes / kTileRows. */
inline constexpr size_t quantized_row_bytes(int32_t columns, Quantization quantization) {
  if (quantization == Quantization::kBlocks) return static_cast<size_t>(columns / kBlockColumns) * kQuantizedBlockBytes / kTileRows;
  return static_cast<size_t>(columns / kQuantBlock) * tile_block_bytes(quantization == Quantization::kHalves) / kTileRows;
}

/** Of one part of a block of split activations. */
constexpr size_t kSplitPartBytes = static_cast<size_t>(kTileRows) * kQuantBlock * 2;

/** Of 32 columns of a panel of BF16 pairs. */
constexpr size_t kPanelBlockBytes = static_cast<size_t>(kQuantBlock) * kPanelRows * 2;

/** The largest output of each whole panel and row, NaN left out: [panel][row]. */
struct PanelMaxima {
  float* data = nullptr;  // null: not wanted, or not known
  size_t stride = 0;  // floats from one panel to the next: rows, up to a multiple of kTileRows
};

/** Activations of BF16 weights in one part or two: rows in tiles of kTileRows, the parts of every 32 columns beside each other. */
struct SplitRows {
  uint8_t* tiles;
  size_t tile_bytes;
};

/** The share of one row, as quantized_row_bytes. */
inline constexpr size_t split_row_bytes(int32_t columns, int32_t parts) {
  return round_up(static_cast<size_t>(columns), kQuantBlock) / kQuantBlock * static_cast<size_t>(parts) * kSplitPartBytes / kTileRows;
}

/** Geometry of the KV pool. */
struct KvPool {
  uint8_t* data;
  int32_t block_count;
  int32_t block_size;
  int32_t layer_count;
  int32_t kv_head_count;
  int32_t head_size;
  KvType key_type;
  KvType value_type;

  size_t key_head_bytes() const { return kv_code_bytes(key_type, head_size) * static_cast<size_t>(block_size); }
  size_t value_head_bytes() const { return kv_code_bytes(value_type, head_size) * static_cast<size_t>(block_size); }
  /** Bytes of one head's scales. */
  size_t key_scale_bytes() const { return kv_has_scale(key_type) ? 2 * static_cast<size_t>(block_size) : 0; }
  size_t value_scale_bytes() const { return kv_has_scale(value_type) ? 2 * static_cast<size_t>(block_size) : 0; }
  /** Bytes of all heads' parts of a layer. */
  size_t keys_bytes() const { return round_up(key_head_bytes() * static_cast<size_t>(kv_head_count), 4); }
  size_t values_bytes() const { return round_up(value_head_bytes() * static_cast<size_t>(kv_head_count), 4); }
  size_t scales_bytes() const { return round_up((key_scale_bytes() + value_scale_bytes()) * static_cast<size_t>(kv_head_count), 4); }
  size_t layer_bytes() const { return keys_bytes() + values_bytes() + scales_bytes(); }
  size_t block_bytes() const { return layer_bytes() * static_cast<size_t>(layer_count); }
  /** Offsets inside a block of a head's parts. */
  size_t key_offset(int32_t layer, int32_t head) const {
    return static_cast<size_t>(layer) * layer_bytes() + static_cast<size_t>(head) * key_head_bytes();
  }
  size_t value_offset(int32_t layer, int32_t head) const {
    return static_cast<size_t>(layer) * layer_bytes() + keys_bytes() + static_cast<size_t>(head) * value_head_bytes();
  }
  size_t key_scale_offset(int32_t layer, int32_t head) const {
    return static_cast<size_t>(layer) * layer_bytes() + keys_bytes() + values_bytes() +
           static_cast<size_t>(head) * (key_scale_bytes() + value_scale_bytes());
  }
  size_t value_scale_offset(int32_t layer, int32_t head) const { return key_scale_offset(layer, head) + key_scale_bytes(); }
};

}  // namespace octavo
