// How matrices, quantised activations and the KV pool lie in memory.
//
// A weight matrix [rows, columns] is cut into panels of 32 output rows (the last one padded with zeros). A panel is
// one contiguous stream, read once per tile of activations, so that a single row of activations streams the matrix
// from its first byte to its last.
//
//   F32, F16, BF16     column 0: rows 0..31 | column 1: rows 0..31 | ...          one element each
//
//   Q8_0   per block of 32 columns, 1088 bytes (17 cache lines):
//            +--------------------------------+--------------------------------+-----------------+
//            | rows 0..15: 8 vectors of 64 B  | rows 16..31: 8 vectors         | 32 scales, f16  |
//            +--------------------------------+--------------------------------+-----------------+
//            vector j holds columns 4j..4j+3 of 16 rows: r0c0 r0c1 r0c2 r0c3 r1c0 ... as unsigned bytes (w + 128):
//            the operand order of vpdpbusd, one 32-bit lane per output.
//
//   Q4_0   per block of 32 columns, 576 bytes (9 cache lines): as Q8_0 with 4 vectors for each 16 rows; the low nibbles
//            of vector j hold columns 4j..4j+3, the high nibbles columns 16+4j..16+4j+3, biased by 8 as in the file.
//
//   others per block of the format: the blocks of rows 0..31 one after the other, bytes as in the file.
//
// Activations quantised for Q8_0 and Q4_0, one record per row:
//
//   | int8 [columns], padded to 64 | f32 scale per block | i32 -128 * sum per block | i32 -8 * sum per block |
//
// The sums turn the unsigned weights back into signed ones: they are the initial value of a block's accumulator.
//
// The KV pool: block -> layer -> K then V -> kvHead; inside, K is [headSize][blockSize] (so that one vector holds one
// dimension of 16 consecutive positions) and V is [blockSize][headSize].
#pragma once

#include <cstddef>
#include <cstdint>

#include "dtype.h"

namespace octavo {

constexpr int32_t kPanelRows = 32;
constexpr int32_t kGroupRows = 16;
constexpr int32_t kQuantBlock = 32;
constexpr size_t kQ8GroupBytes = 512;
constexpr size_t kQ4GroupBytes = 256;
constexpr size_t kQ8BlockBytes = 2 * kQ8GroupBytes + 64;
constexpr size_t kQ4BlockBytes = 2 * kQ4GroupBytes + 64;
/** Columns that the generic path dequantises at a time. */
constexpr int32_t kPieceColumns = 256;
/** Positions of one attention piece: softmax runs inside a piece, pieces are merged in ascending order. */
constexpr int32_t kAttentionPiece = 256;
/** Bytes that may be read past the end of the pool and of activation rows: vectors are loaded whole. */
constexpr size_t kReadSlackBytes = 256;

inline constexpr size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

/** A packed weight matrix. `data` is 64-byte aligned. */
struct Matrix {
  DType dtype;
  int32_t rows;
  int32_t columns;
  int32_t panel_count;
  size_t panel_bytes;
  uint8_t* data;
};

inline constexpr size_t panel_bytes_of(DType dtype, int32_t columns) {
  const DTypeGeometry geometry = geometry_of(dtype);
  const size_t blocks = static_cast<size_t>(columns) / static_cast<size_t>(geometry.block_elements);
  if (dtype == DType::kQ8_0) return blocks * kQ8BlockBytes;
  if (dtype == DType::kQ4_0) return blocks * kQ4BlockBytes;
  return round_up(blocks * static_cast<size_t>(geometry.block_bytes) * kPanelRows, 64);
}

/** Byte offsets inside the record of one quantised activation row. */
struct QuantRecord {
  size_t scales;
  size_t corrections_q8;
  size_t corrections_q4;
  size_t stride;
};

inline constexpr QuantRecord quant_record_of(int32_t columns) {
  const size_t table = round_up(static_cast<size_t>(columns) / kQuantBlock * 4, 16);
  const size_t scales = round_up(static_cast<size_t>(columns), 64);
  return {scales, scales + table, scales + 2 * table, round_up(scales + 3 * table, 64)};
}

/** Geometry of the KV pool. */
struct KvPool {
  uint8_t* data;
  int32_t block_count;
  int32_t block_size;
  int32_t layer_count;
  int32_t kv_head_count;
  int32_t head_size;
  bool half;

  size_t element_bytes() const { return half ? 2 : 4; }
  size_t head_bytes() const { return static_cast<size_t>(head_size) * block_size * element_bytes(); }
  size_t block_bytes() const { return 2 * head_bytes() * kv_head_count * layer_count; }
  /** Offset of K (V follows `kv_head_count` heads later) of a layer and head inside a block. */
  size_t key_offset(int32_t layer, int32_t head) const {
    return (static_cast<size_t>(layer) * 2 * kv_head_count + head) * head_bytes();
  }
  size_t value_offset(int32_t layer, int32_t head) const {
    return key_offset(layer, head) + static_cast<size_t>(kv_head_count) * head_bytes();
  }
};

}  // namespace octavo
