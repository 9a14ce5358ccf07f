// Paged attention of (token, head) rows over one piece of a context that they share, in blocks where they lie.
//
// Order of arithmetic, for every row alone and whatever else is in the batch:
//   score(p)  = (scale * log2(e) * q) . k_p, one FMA chain over ascending dimensions;
//   piece     = positions 256 i .. 256 i + 255; its sum of exponentials (of 2) has sixteen lanes (position % 16), added in
//               ascending order and then as a fixed tree; its output takes one FMA per ascending position;
//   pieces are folded in ascending order with the running maximum.
// Neither the block size, nor the chunk a token was computed in, nor the rows of a tile appear in it.
//
// Where K or V has scales, a score is multiplied by its key's scale when its chain is done, and a weight by its value's scale
// before it meets the value; sums of weights are taken before.
//
// Blocks are read where they lie, sixteen positions at a time, and decoded on the way into registers. A piece is decoded to
// f32 first, without its scales, where its blocks' size is not a multiple of sixteen, or where its rows are many and decoding
// costs more than a conversion.
#pragma once

#include "attention_tile.h"
#include "kernels.h"
#include "kv_formats.h"
#include "simd.h"

namespace octavo {
namespace {

/** The rows of one register tile in a piece: those between the first and the last that attend to any of it. */
struct AttentionTile {
  int32_t first_row;
  int32_t row_count;
  int32_t begin, end;  // positions that any row attends, from the piece's start
  int32_t common_begin, common_end;  // that all rows attend; may be empty
};

/** Calls body(block, first position in the block, its offset in the piece, count) for each block of a piece's [begin, end). */
template <typename Body>
OCTAVO_INLINE void each_run(const AttentionPiece& piece, int32_t index_of_piece, int32_t begin, int32_t end, const Body& body) {
  const KvPool& pool = *piece.pool;
  const size_t block_bytes = pool.block_bytes();
  const int32_t base = index_of_piece * kAttentionPiece;
  for (int32_t at = begin; at < end;) {
    const int32_t index = (base + at) / pool.block_size;
    const int32_t within = base + at - index * pool.block_size;
    const int32_t count = pool.block_size - within < end - at ? pool.block_size - within : end - at;
    body(pool.data + static_cast<size_t>(piece.block_table[index]) * block_bytes, within, at, count);
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

/** Copies [begin, end) to `keys`, [chunk of 16 positions][dimension][16], and `values`, [position][head size rounded up to 16], as f32. */
void unpack_piece(const AttentionPiece& piece, int32_t begin, int32_t end, float* keys, float* values, PieceView& view) {
  const KvPool& pool = *piece.pool;
  const int32_t head_size = pool.head_size;
  const size_t value_floats = round_up(static_cast<size_t>(head_size), 16);
  const size_t chunk_floats = static_cast<size_t>(head_size) * 16;
  view.key_stride = 64;
  view.value_stride = value_floats * 4;
  view.next_lines = 0;
  view.ahead_step = 0;
  for (int32_t chunk = 0; chunk < kPieceChunks; ++chunk) {
    view.keys[chunk] = reinterpret_cast<const uint8_t*>(keys + static_cast<size_t>(chunk) * chunk_floats);
    view.values[chunk] = reinterpret_cast<const uint8_t*>(values + static_cast<size_t>(chunk) * 16 * value_floats);
  }
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
                                      keys + static_cast<size_t>((at + i) / 16) * chunk_floats + lane);
        i += width;
      }
    });
  });
  const size_t row_bytes = kv_code_bytes(pool.value_type, head_size);
  const size_t value_offset = pool.value_offset(piece.layer, piece.kv_head);
  with_format(pool.value_type, [&](auto format) {
    each_run(piece, piece.piece, begin, end, [&](const uint8_t* block, int32_t within, int32_t at, int32_t count) {
      const uint8_t* row = block + value_offset + static_cast<size_t>(within) * row_bytes;
      for (int32_t i = 0; i < count; ++i, row += row_bytes) {
        float* to = values + static_cast<size_t>(at + i) * value_floats;
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

/** Cuts the piece's rows into register tiles; sets `touched`, and each row's range clipped to the piece. */
OCTAVO_INLINE int32_t tiles_of(const AttentionPiece& piece, int32_t* begins, int32_t* ends, AttentionTile* tiles) {
  const int32_t base = piece.piece * kAttentionPiece;
  int32_t tile_count = 0;
  for (int32_t first = 0; first < piece.row_count; first += kAttentionTileRows) {
    const int32_t last = first + kAttentionTileRows < piece.row_count ? first + kAttentionTileRows : piece.row_count;
    AttentionTile tile = {-1, 0, kAttentionPiece, 0, 0, kAttentionPiece};
    for (int32_t row = first; row < last; ++row) {
      begins[row] = piece.begins[row] > base ? piece.begins[row] - base : 0;
      ends[row] = piece.ends[row] < base + kAttentionPiece ? piece.ends[row] - base : kAttentionPiece;
      piece.touched[row] = begins[row] < ends[row];
      if (!piece.touched[row]) continue;
      if (tile.first_row < 0) tile.first_row = row;
      tile.row_count = row + 1 - tile.first_row;
      if (begins[row] < tile.begin) tile.begin = begins[row];
      if (ends[row] > tile.end) tile.end = ends[row];
      if (begins[row] > tile.common_begin) tile.common_begin = begins[row];
      if (ends[row] < tile.common_end) tile.common_end = ends[row];
    }
    if (tile.row_count > 0) tiles[tile_count++] = tile;
  }
  return tile_count;
}

/** The loops for a type of K and one of V. */
struct TileLoops {
  void (*score)(int32_t rows, const ScoreJob& job);
  void (*accumulate)(int32_t rows, const PieceView& view, int32_t begin, int32_t end, const float* weights, float* const* outs, size_t columns);
  int32_t key_dims;  // that a step of `score` takes
};

OCTAVO_INLINE TileLoops loops_of(KvType key_type, KvType value_type) {
  TileLoops loops{};
  with_format(key_type, [&](auto format) {
    loops.score = score_tile<decltype(format)>;
    loops.key_dims = decltype(format)::kDims;
  });
  with_format(value_type, [&](auto format) { loops.accumulate = accumulate_tile<decltype(format)>; });
  return loops;
}

/** Scores, softmax and weighted values of one tile. */
void attend_tile(const AttentionPiece& piece, const AttentionTile& tile, const int32_t* begins, const int32_t* ends, const PieceView& view,
                 const TileLoops& loops) {
  const int32_t head_size = piece.pool->head_size;
  const size_t columns = round_up(static_cast<size_t>(head_size), 16);
  const int32_t first = tile.first_row;
  const int32_t last = first + tile.row_count;
  const int32_t chunk = tile.begin / 16;
  const int32_t last_chunk = (tile.end + 15) / 16;
  float* const scores = piece.scratch;  // of row `first`, from the piece's start
  const float* queries =
      piece.queries + static_cast<size_t>(first / kAttentionTileRows) * head_size * kAttentionTileRows + first % kAttentionTileRows;
  loops.score(tile.row_count, {view.keys + chunk, view.values + chunk, view.ahead_step, last_chunk - chunk, view.key_stride, queries, head_size,
                               scores + chunk * 16});

  for (int32_t row = first; row < last; ++row) {
    float* const row_scores = scores + (row - first) * kScoreStride;
    for (size_t i = 0; i < columns; i += 16) v_store(piece.outs[row] + i, v_zero());
    if (!piece.touched[row]) continue;
    if (view.key_scales != nullptr) scale_positions(row_scores, view.key_scales, chunk, last_chunk);
    piece.maxima[row] = largest_score(row_scores, begins[row], ends[row]);
  }
  for (int32_t row = first; row < last; ++row) {
    if (!piece.touched[row]) continue;
    float* const row_scores = scores + (row - first) * kScoreStride;
    piece.sums[row] = exponentiate(row_scores, begins[row], ends[row], piece.maxima[row]);
    if (view.value_scales != nullptr) scale_positions(row_scores, view.value_scales, begins[row] / 16, (ends[row] + 15) / 16);
  }

  // Positions that all rows attend go through the tile; what lies before and after them, row by row: adding a masked
  // position with weight 0 would let a value that a row must not see (an infinity, say) reach it.
  const bool has_common = tile.common_begin < tile.common_end;
  if (!has_common || tile.begin < tile.common_begin) {
    for (int32_t row = first; row < last; ++row) {
      if (!piece.touched[row]) continue;
      loops.accumulate(1, view, begins[row], has_common ? tile.common_begin : ends[row], scores + (row - first) * kScoreStride,
                       piece.outs + row, columns);
    }
  }
  if (!has_common) return;
  loops.accumulate(tile.row_count, view, tile.common_begin, tile.common_end, scores, piece.outs + first, columns);
  if (tile.common_end >= tile.end) return;
  for (int32_t row = first; row < last; ++row) {
    if (!piece.touched[row]) continue;
    loops.accumulate(1, view, tile.common_end, ends[row], scores + (row - first) * kScoreStride, piece.outs + row, columns);
  }
}

/** Whether tiles after the first read a type in place too. */
constexpr bool is_cheap(KvType type) { return type == KvType::kF32 || type == KvType::kF16; }

void attention_piece(const AttentionPiece& piece) {
  int32_t begins[kMaxAttentionRows];
  int32_t ends[kMaxAttentionRows];
  AttentionTile tiles[kMaxAttentionRows / kAttentionTileRows];
  const int32_t tile_count = tiles_of(piece, begins, ends, tiles);
  if (tile_count == 0) return;
  int32_t begin = kAttentionPiece;
  int32_t end = 0;
  for (int32_t i = 0; i < tile_count; ++i) {
    if (tiles[i].begin < begin) begin = tiles[i].begin;
    if (tiles[i].end > end) end = tiles[i].end;
  }
  const KvPool& pool = *piece.pool;
  float* const scales = piece.scratch + kAttentionTileRows * kScoreStride;
  PieceView view;
  view_scales(piece, begin, end, scales, view);
  if (pool.block_size % 16 == 0 && (tile_count == 1 || (is_cheap(pool.key_type) && is_cheap(pool.value_type)))) {
    const TileLoops loops = loops_of(pool.key_type, pool.value_type);
    view_in_place(piece, begin, end, view);
    view.ahead_step = 16 * view.value_stride * static_cast<size_t>(loops.key_dims) / static_cast<size_t>(pool.head_size);
    attend_tile(piece, tiles[0], begins, ends, view, loops);
    view.ahead_step = 0;
    view.next_lines = 0;
    for (int32_t i = 1; i < tile_count; ++i) attend_tile(piece, tiles[i], begins, ends, view, loops);
  } else {
    float* const keys = scales + 2 * kAttentionPiece;
    unpack_piece(piece, begin, end, keys, keys + static_cast<size_t>(kAttentionPiece) * pool.head_size, view);
    const TileLoops loops = loops_of(KvType::kF32, KvType::kF32);
    for (int32_t i = 0; i < tile_count; ++i) attend_tile(piece, tiles[i], begins, ends, view, loops);
  }
}

void attention_pack(const float* const* queries, int32_t row_count, int32_t head_size, float scale, float* packed) {
  // Scores come out in units of log2.
  const float factor = scale * 1.44269504f;
  for (int32_t row = 0; row < row_count; ++row) {
    float* to = packed + static_cast<size_t>(row / kAttentionTileRows) * head_size * kAttentionTileRows + row % kAttentionTileRows;
    for (int32_t d = 0; d < head_size; ++d) to[d * kAttentionTileRows] = queries[row][d] * factor;
  }
}

void attention_fold(const AttentionFold& fold) {
  for (int32_t first = 0; first < fold.row_count; first += 16) {
    float keep[16];
    float take[16];
    const int32_t rows = fold.row_count - first < 16 ? fold.row_count - first : 16;
    // Lanes past the last row are computed and ignored: the arrays are padded to 16.
    const V16 running = v_load(fold.running_maxima + first);
    const V16 incoming = v_load(fold.maxima + first);
    const V16 larger = v_max(running, incoming);
    v_store(keep, exp2_nonpositive(v_sub(running, larger)));
    v_store(take, exp2_nonpositive(v_sub(incoming, larger)));
    for (int32_t i = 0; i < rows; ++i) {
      const int32_t row = first + i;
      if (fold.touched != nullptr && !fold.touched[row]) continue;
      fold.running_maxima[row] = fold.running_maxima[row] > fold.maxima[row] ? fold.running_maxima[row] : fold.maxima[row];
      fold.running_sums[row] = fold.running_sums[row] * keep[i] + fold.sums[row] * take[i];
      float* out = fold.running_outs + static_cast<size_t>(row) * fold.stride;
      const float* addend = fold.outs + static_cast<size_t>(row) * fold.stride;
      const V16 k = v_set1(keep[i]);
      const V16 t = v_set1(take[i]);
      for (size_t column = 0; column < fold.stride; column += 16) {
        v_store(out + column, v_fma(v_load(addend + column), t, v_mul(v_load(out + column), k)));
      }
    }
  }
}

void attention_finish(const float* running_out, float running_sum, float factor, int32_t head_size, float* out) {
  const float inverse = factor / running_sum;
  for (int32_t i = 0; i < head_size; ++i) out[i] = running_out[i] * inverse;
}

}  // namespace
}  // namespace octavo
