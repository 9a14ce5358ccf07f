// Where a piece's keys and values lie, and how they are decoded to f32 for many rows.
#pragma once

#include "attention_tile.h"
#include "kernels.h"
#include "kv_formats.h"
#include "simd.h"

namespace octavo {
namespace {

/** Calls body(block, first position in the block, its offset in the piece, count) for each block of a piece's [begin, end). */
template <typename Body>
OCTAVO_INLINE void each_run(const AttentionPiece& piece, int32_t index_of_piece, int32_t begin, int32_t end, const Body& body) {
  const KvPool& pool = *piece.pool;
  const size_t block_bytes = pool.block_bytes();
  const int32_t first = index_of_piece * kAttentionPiece + begin;
  const int32_t* block = piece.block_table + first / pool.block_size;
  int32_t within = first % pool.block_size;
  for (int32_t at = begin; at < end; ++block, within = 0) {
    const int32_t count = pool.block_size - within < end - at ? pool.block_size - within : end - at;
    body(pool.data + static_cast<size_t>(*block) * block_bytes, within, at, count);
    at += count;
  }
}

/** Collects the scales of K (offset of its scales in a block) or V as f32. */
OCTAVO_INLINE void gather_scales(const AttentionPiece& piece, size_t offset, int32_t begin, int32_t end, float* scales) {
  each_run(piece, piece.piece, begin, end, [&](const uint8_t* block, int32_t within, int32_t at, int32_t count) {
    const uint8_t* from = block + offset + 2 * static_cast<size_t>(within);
    int32_t i = 0;
    for (; i + 16 <= count; i += 16) v_store(scales + at + i, v_load_bf16(reinterpret_cast<const uint16_t*>(from) + i));
    for (; i < count; ++i) scales[at + i] = bf16_to_f32(read_u16(from + 2 * i));
  });
}

/** Scales of whole sixteens of positions; null where the type has none. */
OCTAVO_INLINE void view_scales(const AttentionPiece& piece, int32_t begin, int32_t end, float* scales, PieceView& view) {
  const KvPool& pool = *piece.pool;
  view.key_scales = nullptr;
  view.value_scales = nullptr;
  if (kv_has_scale(pool.key_type)) {
    gather_scales(piece, pool.key_scale_offset(piece.layer, piece.kv_head), begin, end, scales);
    view.key_scales = scales;
  }
  if (kv_has_scale(pool.value_type)) {
    gather_scales(piece, pool.value_scale_offset(piece.layer, piece.kv_head), begin, end, scales + kAttentionPiece);
    view.value_scales = scales + kAttentionPiece;
  }
}

/** [begin, end) where it lies. The block size is a multiple of 16: sixteen positions from a multiple of it lie in one block. */
OCTAVO_INLINE void view_in_place(const AttentionPiece& piece, int32_t begin, int32_t end, PieceView& view) {
  const KvPool& pool = *piece.pool;
  const size_t element = kv_element_bytes(pool.key_type);
  view.key_stride = element * static_cast<size_t>(pool.block_size);
  view.value_stride = kv_code_bytes(pool.value_type, pool.head_size);
  const size_t key_offset = pool.key_offset(piece.layer, piece.kv_head);
  const size_t value_offset = pool.value_offset(piece.layer, piece.kv_head);
  each_run(piece, piece.piece, begin / 16 * 16, end, [&](const uint8_t* block, int32_t within, int32_t at, int32_t count) {
    const uint8_t* keys = block + key_offset + static_cast<size_t>(within) * element;
    const uint8_t* values = block + value_offset + static_cast<size_t>(within) * view.value_stride;
    for (int32_t i = 0; i < count; i += 16) {
      view.keys[(at + i) / 16] = keys + static_cast<size_t>(i) * element;
      view.values[(at + i) / 16] = values + static_cast<size_t>(i) * view.value_stride;
    }
  });
  view.next_lines = 0;
  if (piece.next_piece < 0) return;
  const size_t next_offset = pool.key_offset(piece.layer, piece.next_kv_head);
  each_run(piece, piece.next_piece, 0, kAttentionPiece, [&](const uint8_t* block, int32_t within, int32_t at, int32_t count) {
    const uint8_t* keys = block + next_offset + static_cast<size_t>(within) * element;
    for (int32_t i = 0; i < count; i += 16) view.next_keys[(at + i) / 16] = keys + static_cast<size_t>(i) * element;
  });
  // Keys of a chunk lie in rows of 64 bytes or more, of which a line each is read, or else in one run.
  const size_t line = 64;
  view.next_stride = view.key_stride > line ? view.key_stride : line;
  view.next_lines = static_cast<int32_t>((kv_rows(pool.key_type, pool.head_size) * (view.key_stride > line ? line : view.key_stride) + 16 * line - 1) /
                                         (16 * line));
  view.next_step = static_cast<size_t>(view.next_lines) * view.next_stride;
}

/** Keys of up to 16 positions from `row` on to every sixteenth float of `to`. */
template <typename Format>
OCTAVO_INLINE void unpack_keys(const uint8_t* row, size_t stride, int32_t width, int32_t head_size, float* to) {
  const auto put = [&](V16 keys, float* at) {
    if (width == 16) {
      v_store(at, keys);
    } else {
      float lanes[16];
      v_store(lanes, keys);
      if (width == 8) std::memcpy(at, lanes, 32);
      else for (int32_t i = 0; i < width; ++i) at[i] = lanes[i];
    }
  };
  int32_t d = 0;
  for (; d + Format::kDims <= head_size; d += Format::kDims, row += Format::kRows * stride) {
    V16 keys[Format::kDims];
    Format::key(row, stride, keys);
    for (int i = 0; i < Format::kDims; ++i) put(keys[i], to + (d + i) * 16);
  }
  if (d < head_size) put(Format::last_key(row), to + d * 16);
}

/** Positions that are decoded at a time: 16 KiB of keys or of values, which the first-level cache holds beside scores and queries, or one sixteen. */
OCTAVO_INLINE int32_t decoded_positions(int32_t head_size) {
  const int32_t sixteens = static_cast<int32_t>(4096 / (16 * round_up(static_cast<size_t>(head_size), 16)));
  return 16 * (sixteens < 1 ? 1 : sixteens < kPieceChunks ? sixteens : kPieceChunks);
}

/** Copies the keys of [begin, end) to `keys`, [sixteen of positions, from begin's on][dimension][16], as f32 without scales. */
void decode_keys(const AttentionPiece& piece, int32_t begin, int32_t end, float* keys) {
  const KvPool& pool = *piece.pool;
  const int32_t head_size = pool.head_size;
  const size_t chunk_floats = static_cast<size_t>(head_size) * 16;
  const int32_t first_chunk = begin / 16;
  const size_t element = kv_element_bytes(pool.key_type);
  const size_t stride = element * static_cast<size_t>(pool.block_size);
  const size_t key_offset = pool.key_offset(piece.layer, piece.kv_head);
  with_format(pool.key_type, [&](auto format) {
    each_run(piece, piece.piece, begin, end, [&](const uint8_t* block, int32_t within, int32_t at, int32_t count) {
      for (int32_t i = 0; i < count;) {
        const int32_t lane = (at + i) % 16;
        const int32_t room = count - i < 16 - lane ? count - i : 16 - lane;
        const int32_t width = room == 16 ? 16 : room >= 8 ? 8 : room;
        unpack_keys<decltype(format)>(block + key_offset + static_cast<size_t>(within + i) * element, stride, width, head_size,
                                      keys + static_cast<size_t>((at + i) / 16 - first_chunk) * chunk_floats + lane);
        i += width;
      }
    });
  });
}

/** Copies the values of [begin, end) to `values`, [position, from begin's sixteen on][head size rounded up to 16], as f32 without scales. */
void decode_values(const AttentionPiece& piece, int32_t begin, int32_t end, float* values) {
  const KvPool& pool = *piece.pool;
  const size_t value_floats = round_up(static_cast<size_t>(pool.head_size), 16);
  const int32_t first = begin / 16 * 16;
  const size_t row_bytes = kv_code_bytes(pool.value_type, pool.head_size);
  const size_t value_offset = pool.value_offset(piece.layer, piece.kv_head);
  with_format(pool.value_type, [&](auto format) {
    each_run(piece, piece.piece, begin, end, [&](const uint8_t* block, int32_t within, int32_t at, int32_t count) {
      const uint8_t* row = block + value_offset + static_cast<size_t>(within) * row_bytes;
      for (int32_t i = 0; i < count; ++i, row += row_bytes) {
        float* to = values + static_cast<size_t>(at + i - first) * value_floats;
        size_t column = 0;
        for (; column + 32 <= value_floats; column += 32) {
          V16 loaded[2];
          decltype(format)::template values<2>(row, column, loaded);
          v_store(to + column, loaded[0]);
          v_store(to + column + 16, loaded[1]);
        }
        if (column < value_floats) {
          V16 loaded[1];
          decltype(format)::template values<1>(row, column, loaded);
          v_store(to + column, loaded[0]);
        }
      }
    });
  });
}

}  // namespace
}  // namespace octavo
